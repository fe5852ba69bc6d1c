import { mkdir, readFile, writeFile } from "node:fs/promises";
import { isIP } from "node:net";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { makeCertificate, makeKey } from "../certificates.ts";
import type { LabHome } from "../home.ts";
import { writePrivateFile } from "../write-file.ts";

/** The lab's own certificate authority: one per lab, valid for ten years, trusted only by the lab's machines. */
interface Authority {
  /** `<stateDir>/ca.crt`, PEM. */
  readonly certificatePath: string;
  /** `<stateDir>/ca.key`, PEM, mode 0600. */
  readonly keyPath: string;
  readonly certificatePem: string;
}

/** A certificate and its key. */
export interface Certificate {
  /** The certificate, without the authority's. */
  readonly certificatePem: string;
  readonly privateKeyPem: string;
}

const authorityDays = 3650;

/** Creates the lab's authority on first use. Safe to call from several processes at once: the first key written is used. */
export async function ensureAuthority(home: LabHome): Promise<Authority> {
  const certificatePath = join(home.stateDir, "ca.crt");
  const keyPath = join(home.stateDir, "ca.key");
  const existing = await readFile(certificatePath, "utf8").catch(() => undefined);
  if (existing !== undefined) return { certificatePath, keyPath, certificatePem: existing };

  await mkdir(home.stateDir, { recursive: true, mode: 0o700 });
  const privateKeyPem = makeKey();
  // Only one process can create the key file; any other one waits below for its certificate.
  const won = await writeFile(keyPath, privateKeyPem, { flag: "wx", mode: 0o600 }).then(
    () => true,
    (error: NodeJS.ErrnoException) => {
      if (error.code === "EEXIST") return false;
      throw error;
    },
  );
  if (won) {
    const certificatePem = await makeCertificate({
      commonName: `Berth lab authority (${home.name})`,
      privateKeyPem,
      validHours: authorityDays * 24,
      usages: ["keyCertSign", "cRLSign"],
      isAuthority: true,
      keyIdentifiers: true,
    });
    writePrivateFile(certificatePath, certificatePem);
  }

  const deadline = Date.now() + 5_000;
  for (;;) {
    const certificatePem = await readFile(certificatePath, "utf8").catch(() => undefined);
    if (certificatePem !== undefined) return { certificatePath, keyPath, certificatePem };
    if (Date.now() > deadline) {
      throw new Error(
        `the lab's authority is incomplete: ${keyPath} exists without ${certificatePath}; remove the key and try again`,
      );
    }
    await sleep(50);
  }
}

/**
 * Issues a server certificate (ECDSA P-256) signed by the lab's authority. The first name becomes the common name.
 *
 * @param names DNS names, `*.example.org` allowed; at least one name or address is needed.
 * @param ips IPv4 or IPv6 addresses.
 * @param days validity from now; default 397, the most that browsers accept.
 * @throws when a name or address is malformed.
 */
export async function issueCertificate(
  home: LabHome,
  names: readonly string[],
  ips: readonly string[] = [],
  days = 397,
): Promise<Certificate> {
  const subjects = [...names.map(dnsName), ...ips.map(ipAddress)];
  const [commonName] = subjects;
  if (commonName === undefined) throw new Error("a certificate needs at least one name or address, got none");
  const { certificatePem, keyPath } = await ensureAuthority(home);
  const privateKeyPem = makeKey();
  return {
    privateKeyPem,
    certificatePem: await makeCertificate({
      // A common name has at most 64 characters; clients check only the subject alternative names.
      commonName: commonName.slice(0, 64),
      privateKeyPem,
      names: subjects,
      validHours: days * 24,
      usages: ["digitalSignature"],
      extendedUsages: ["serverAuth"],
      issuer: { certificatePem, privateKeyPem: await readFile(keyPath, "utf8") },
      keyIdentifiers: true,
    }),
  };
}

function dnsName(name: string): string {
  if (/^(\*\.)?[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*$/i.test(name)) return name;
  throw new Error(`"${name}" is not a DNS name; use letters, digits, dashes and dots, a leading "*."`);
}

function ipAddress(ip: string): string {
  if (isIP(ip) !== 0) return ip;
  throw new Error(`"${ip}" is not an IP address`);
}
