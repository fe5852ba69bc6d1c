import { X509Certificate } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { pebbleFiles } from "../acme/pebble.ts";
import type { LabHome } from "../home.ts";
import { ensureAuthority, issueCertificate } from "../images/authority.ts";
import { writePrivateFile } from "../write-file.ts";
import { recordCanary } from "./generated-secrets.ts";

export interface StackCertificate {
  /** The certificate and the authority's, PEM. */
  readonly chainPem: string;
  readonly privateKeyPem: string;
}

/** As in Let's Encrypt's certificates. */
const certificateDays = 90;
const renewBeforeDays = 30;

/** The file for `curl --cacert`: the lab's authority, and Pebble's roots if it has been used. */
export function authorityFile(home: LabHome): string {
  const { roots } = pebbleFiles(home);
  return existsSync(roots) ? roots : join(home.stateDir, "ca.crt");
}

/**
 * A certificate for all `domains`, issued by the lab's own authority. Reused until the domains change or it is about
 * to expire, so that a second `up` changes nothing.
 */
export async function stackCertificate(
  home: LabHome,
  stack: string,
  domains: readonly string[],
): Promise<StackCertificate> {
  const names = [...new Set(domains)].sort();
  const certificatePath = join(home.stateDir, `tls-${stack}.pem`);
  const keyPath = join(home.stateDir, `tls-${stack}.key`);
  if (!existsSync(keyPath) || !stillGood(certificatePath, names)) {
    const authority = await ensureAuthority(home);
    const issued = await issueCertificate(home, names, [], certificateDays);
    writePrivateFile(keyPath, issued.privateKeyPem);
    writePrivateFile(certificatePath, issued.certificatePem + authority.certificatePem);
  }
  const privateKeyPem = readFileSync(keyPath, "utf8");
  if (process.env.BERTH_LAB_CANARY === "1") {
    // One line is enough: a key may be printed with other line ends or indentation.
    const [, line = ""] = privateKeyPem.split("\n");
    recordCanary(home.stateDir, "berth:tlsPrivateKeyPem", line);
  }
  return { chainPem: readFileSync(certificatePath, "utf8"), privateKeyPem };
}

function stillGood(path: string, names: readonly string[]): boolean {
  if (!existsSync(path)) return false;
  const certificate = new X509Certificate(readFileSync(path));
  const held = (certificate.subjectAltName ?? "").split(", ").map((entry) => entry.replace(/^DNS:/, ""));
  const daysLeft = (Date.parse(certificate.validTo) - Date.now()) / 86_400_000;
  return daysLeft > renewBeforeDays && held.sort().join() === names.join();
}
