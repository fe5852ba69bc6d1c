/** SelfSignedCert of pulumi-tls 5.6, made by openssl: Node's crypto writes no certificates. */
import { X509Certificate } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { execa } from "execa";
import { type InputRules, text, texts } from "../inputs.ts";
import { isProperties } from "../property-values.ts";
import type { CheckFailure, Properties } from "../provider.ts";

const keyUsages: Readonly<Record<string, string>> = {
  digital_signature: "digitalSignature",
  key_encipherment: "keyEncipherment",
  data_encipherment: "dataEncipherment",
  key_agreement: "keyAgreement",
};
const extendedKeyUsages: Readonly<Record<string, string>> = {
  server_auth: "serverAuth",
  client_auth: "clientAuth",
};
const unused = "no stack uses it";

export const selfSignedRules: InputRules = {
  allowedUses: { kind: "strings", required: true, replaces: true },
  dnsNames: { kind: "strings", replaces: true },
  earlyRenewalHours: { kind: "number", default: 0, minimum: 0 },
  ipAddresses: { kind: "strings", replaces: true, refused: unused },
  isCaCertificate: { kind: "boolean", replaces: true, default: false, refused: unused },
  maxPathLength: { kind: "number", replaces: true, refused: unused },
  privateKeyPem: { kind: "string", required: true, replaces: true },
  privateKeyPemWo: { kind: "string", refused: unused },
  privateKeyPemWoVersion: { kind: "number", replaces: true, refused: unused },
  setAuthorityKeyId: { kind: "boolean", replaces: true, default: false, refused: unused },
  setSubjectKeyId: { kind: "boolean", replaces: true, default: false, refused: unused },
  subject: { kind: "string map", replaces: true },
  uris: { kind: "strings", replaces: true, refused: unused },
  validityPeriodHours: { kind: "number", required: true, replaces: true, minimum: 0 },
};

/** What is wrong beyond the rules. */
export function selfSignedFailures(inputs: Properties): CheckFailure[] {
  const known = { ...keyUsages, ...extendedKeyUsages };
  const unknownUse = texts(inputs, "allowedUses").find((use) => !(use in known));
  const { subject } = inputs;
  const unknownPart = isProperties(subject) && Object.keys(subject).find((part) => part !== "commonName");
  const hours = inputs.validityPeriodHours;
  const failures: CheckFailure[] = [];
  if (unknownUse !== undefined) {
    const reason = `"${unknownUse}" is not part of the lab; allowed: ${Object.keys(known).join(", ")}`;
    failures.push({ property: "allowedUses", reason });
  }
  if (unknownPart) {
    failures.push({
      property: "subject",
      reason: `"${unknownPart}" is not part of the lab; allowed: commonName`,
    });
  }
  if (typeof hours === "number" && hours % 24 !== 0) {
    failures.push({
      property: "validityPeriodHours",
      reason: `${hours} is not part of the lab; allowed: whole days`,
    });
  }
  return failures;
}

/** Within its early renewal a certificate counts as gone: the real provider replaces it by the next `up`. */
export function readyForRenewal(outputs: Properties, inputs: Properties, now = Date.now()): boolean {
  const end = Date.parse(text(outputs, "validityEndTime") ?? "");
  return now >= end - Number(inputs.earlyRenewalHours ?? 0) * 3_600_000;
}

/** Its id is the serial number, as a decimal number. */
export async function makeSelfSigned(inputs: Properties) {
  const scratch = await mkdtemp(join(tmpdir(), "berth-certificate-"));
  try {
    const config = join(scratch, "certificate.cnf");
    await writeFile(config, configuration(inputs));
    const days = String(Number(inputs.validityPeriodHours) / 24);
    const { stdout } = await execa(
      "sh",
      ["-c", 'cat | openssl req -x509 -new -config "$0" -days "$1" -key /dev/stdin', config, days],
      // The key is in no file and no argument. Through cat, since openssl cannot open the socket that Node makes.
      { input: text(inputs, "privateKeyPem") ?? "", timeout: 30_000 },
    );
    const certificate = new X509Certificate(stdout);
    return {
      id: BigInt(`0x${certificate.serialNumber}`).toString(),
      generated: {
        certPem: `${stdout.trim()}\n`,
        keyAlgorithm: (certificate.publicKey.asymmetricKeyType ?? "").replace(/^ec$/, "ecdsa").toUpperCase(),
        readyForRenewal: false,
        validityStartTime: certificate.validFromDate.toISOString(),
        validityEndTime: certificate.validToDate.toISOString(),
      },
    };
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

function configuration(inputs: Properties): string {
  const uses = texts(inputs, "allowedUses");
  const named = (table: Readonly<Record<string, string>>) =>
    uses.flatMap((use) => (table[use] === undefined ? [] : [table[use]])).join(", ");
  const line = (name: string, value: string) => (value === "" ? [] : [`${name} = ${value}`]);
  const { subject } = inputs;
  const commonName = isProperties(subject) ? (text(subject, "commonName") ?? "") : "";
  const names = texts(inputs, "dnsNames").map((name) => `DNS:${name}`);
  return [
    ...["[req]", "distinguished_name = dn", "prompt = no", "x509_extensions = own"],
    ...["[dn]", `CN = ${commonName}`, "[own]"],
    "basicConstraints = critical, CA:FALSE",
    ...line("keyUsage", named(keyUsages) && `critical, ${named(keyUsages)}`),
    ...line("extendedKeyUsage", named(extendedKeyUsages)),
    ...line("subjectAltName", names.join(", ")),
    "subjectKeyIdentifier = none",
    "authorityKeyIdentifier = none",
    "",
  ].join("\n");
}
