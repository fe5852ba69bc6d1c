import { link, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { execa } from "execa";
import type { LabHome } from "../home.ts";

/** The lab's own certificate authority: one per lab, valid for ten years, trusted by nobody but the lab's machines. */
interface Authority {
  /** `<stateDir>/ca.crt`, PEM. */
  readonly certificatePath: string;
  /** `<stateDir>/ca.key`, PEM, mode 0600. */
  readonly keyPath: string;
  readonly certificatePem: string;
}

export interface Certificate {
  /** The certificate alone, without the authority's. */
  readonly certificatePem: string;
  readonly privateKeyPem: string;
}

const authorityDays = 3650;

/** Creates the lab's authority on first use. Safe to call from several processes at once: the first key wins. */
export async function ensureAuthority(home: LabHome): Promise<Authority> {
  const certificatePath = join(home.stateDir, "ca.crt");
  const keyPath = join(home.stateDir, "ca.key");
  const existing = await readFile(certificatePath, "utf8").catch(() => undefined);
  if (existing !== undefined) return { certificatePath, keyPath, certificatePem: existing };

  await inScratch(home, async (scratch) => {
    const config = join(scratch, "ca.cnf");
    await writeFile(
      config,
      [
        "[req]",
        "distinguished_name = dn",
        "prompt = no",
        "x509_extensions = ca",
        "[dn]",
        `CN = Berth lab authority (${home.name})`,
        "[ca]",
        "basicConstraints = critical, CA:TRUE, pathlen:0",
        "keyUsage = critical, keyCertSign, cRLSign",
        "subjectKeyIdentifier = hash",
        "",
      ].join("\n"),
    );
    const [certificate, key] = [join(scratch, "ca.crt"), join(scratch, "ca.key")];
    await openssl([
      ...["req", "-x509", "-config", config, "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"],
      ...["-nodes", "-days", String(authorityDays), "-keyout", key, "-out", certificate],
    ]);
    // The key's link decides between two processes; the loser then waits for the winner's certificate below.
    const won = await link(key, keyPath).then(
      () => true,
      (error: NodeJS.ErrnoException) => {
        if (error.code === "EEXIST") return false;
        throw error;
      },
    );
    if (won) await link(certificate, certificatePath);
  });

  const deadline = Date.now() + 5_000;
  for (;;) {
    const certificatePem = await readFile(certificatePath, "utf8").catch(() => undefined);
    if (certificatePem !== undefined) return { certificatePath, keyPath, certificatePem };
    if (Date.now() > deadline) {
      throw new Error(
        `the lab's authority is incomplete: ${keyPath} exists without ${certificatePath}; remove the key and try again`,
      );
    }
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

/**
 * Issues a server certificate (ECDSA P-256) signed by the lab's authority. The first name becomes the common name.
 *
 * @param names DNS names, `*.example.org` allowed; at least one name or address is needed.
 * @param ips IPv4 or IPv6 addresses.
 * @param days validity from now; default 397, the most that browsers accept.
 * @throws when a name or address is malformed, or openssl is not installed.
 */
export async function issueCertificate(
  home: LabHome,
  names: readonly string[],
  ips: readonly string[] = [],
  days = 397,
): Promise<Certificate> {
  const subjects = [
    ...names.map((name) => `DNS:${dnsName(name)}`),
    ...ips.map((ip) => `IP:${ipAddress(ip)}`),
  ];
  const commonName = names[0] ?? ips[0];
  if (commonName === undefined) throw new Error("a certificate needs at least one name or address, got none");
  const authority = await ensureAuthority(home);
  return inScratch(home, async (scratch) => {
    const config = join(scratch, "leaf.cnf");
    await writeFile(
      config,
      [
        "[req]",
        "distinguished_name = dn",
        "prompt = no",
        "x509_extensions = leaf",
        "[dn]",
        // A common name holds at most 64 characters; the names that count are the alternative ones.
        `CN = ${commonName.slice(0, 64)}`,
        "[leaf]",
        "basicConstraints = critical, CA:FALSE",
        "keyUsage = critical, digitalSignature",
        "extendedKeyUsage = serverAuth",
        `subjectAltName = ${subjects.join(", ")}`,
        "subjectKeyIdentifier = hash",
        "authorityKeyIdentifier = keyid",
        "",
      ].join("\n"),
    );
    const [certificate, key] = [join(scratch, "leaf.crt"), join(scratch, "leaf.key")];
    await openssl([
      ...["req", "-x509", "-config", config, "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"],
      ...["-CA", authority.certificatePath, "-CAkey", authority.keyPath, "-nodes", "-days", String(days)],
      ...["-keyout", key, "-out", certificate],
    ]);
    return {
      certificatePem: await readFile(certificate, "utf8"),
      privateKeyPem: await readFile(key, "utf8"),
    };
  });
}

function dnsName(name: string): string {
  if (/^(\*\.)?[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*$/i.test(name)) return name;
  throw new Error(`"${name}" is not a DNS name; allowed: letters, digits, dashes and dots, a leading "*."`);
}

function ipAddress(ip: string): string {
  if (/^(\d{1,3}\.){3}\d{1,3}$|^[0-9a-f:]+$/i.test(ip)) return ip;
  throw new Error(`"${ip}" is not an IP address`);
}

async function inScratch<T>(home: LabHome, work: (scratch: string) => Promise<T>): Promise<T> {
  await mkdir(home.stateDir, { recursive: true, mode: 0o700 });
  const scratch = await mkdtemp(join(home.stateDir, "ca-"));
  try {
    return await work(scratch);
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

async function openssl(args: readonly string[]): Promise<void> {
  const run = await execa("openssl", args, { reject: false, timeout: 30_000, all: true });
  if (!run.failed) return;
  if (run.code === "ENOENT") {
    throw new Error(
      "openssl is not installed: the lab signs its certificates with it (apt-get install openssl)",
    );
  }
  throw new Error(
    `openssl failed: ${(run.all || String(run.shortMessage)).trim().split("\n").slice(-3).join("; ")}`,
  );
}
