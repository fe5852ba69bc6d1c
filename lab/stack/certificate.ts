import { X509Certificate } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { pebbleFiles } from "../acme/pebble.ts";
import type { LabHome } from "../home.ts";
import { ensureAuthority, issueCertificate } from "../images/authority.ts";
import { writePrivateFile } from "../write-file.ts";
import { recordCanary } from "./invented-secrets.ts";

export interface StackCertificate {
  /** The certificate and the authority's, PEM. */
  readonly chainPem: string;
  readonly privateKeyPem: string;
}

/** As long as Let's Encrypt's. */
const certificateDays = 90;
const renewBeforeDays = 30;

/** What `curl --cacert` needs to trust the lab: its own authority, and Pebble's when that has been asked for. */
export function authorityFile(home: LabHome): string {
  const { roots } = pebbleFiles(home);
  return existsSync(roots) ? roots : join(home.stateDir, "ca.crt");
}

/**
 * A certificate for all `domains`, issued by the lab's own authority. The same one as last time, unless a domain came or
 * went or it is about to expire, so that a second `up` changes nothing.
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
    // One line of it: a key may be printed with other line ends or indented.
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
