/** SelfSignedCert of pulumi-tls 5.6. */
import { X509Certificate } from "node:crypto";
import { type ExtendedUsage, type KeyUsage, makeCertificate } from "../../../certificates.ts";
import { type InputRules, text, texts } from "../inputs.ts";
import { isProperties } from "../property-values.ts";
import type { CheckFailure, Properties } from "../provider.ts";

const keyUsages: Readonly<Record<string, KeyUsage>> = {
  digital_signature: "digitalSignature",
  key_encipherment: "keyEncipherment",
  data_encipherment: "dataEncipherment",
  key_agreement: "keyAgreement",
};
const extendedKeyUsages: Readonly<Record<string, ExtendedUsage>> = {
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

/** Problems that the rules cannot express. */
export function selfSignedFailures(inputs: Properties): CheckFailure[] {
  const known = { ...keyUsages, ...extendedKeyUsages };
  const unknownUse = texts(inputs, "allowedUses").find((use) => !(use in known));
  const { subject } = inputs;
  const unknownPart = isProperties(subject) && Object.keys(subject).find((part) => part !== "commonName");
  const failures: CheckFailure[] = [];
  if (unknownUse !== undefined) {
    const reason = `"${unknownUse}" is not supported by the lab; use one of: ${Object.keys(known).join(", ")}`;
    failures.push({ property: "allowedUses", reason });
  }
  if (unknownPart) {
    failures.push({
      property: "subject",
      reason: `"${unknownPart}" is not supported by the lab; use one of: commonName`,
    });
  }
  return failures;
}

/** During its early renewal period a certificate is replaced by the next `up`, as in the real provider. */
export function readyForRenewal(outputs: Properties, inputs: Properties, now = Date.now()): boolean {
  const end = Date.parse(text(outputs, "validityEndTime") ?? "");
  return outputs.readyForRenewal === true || now >= end - Number(inputs.earlyRenewalHours ?? 0) * 3_600_000;
}

/** Its id is the serial number, as a decimal number. */
export async function makeSelfSigned(inputs: Properties) {
  const uses = texts(inputs, "allowedUses");
  const { subject } = inputs;
  const certPem = await makeCertificate({
    commonName: isProperties(subject) ? (text(subject, "commonName") ?? "") : "",
    privateKeyPem: text(inputs, "privateKeyPem") ?? "",
    names: texts(inputs, "dnsNames"),
    validHours: Number(inputs.validityPeriodHours),
    usages: uses.flatMap((use) => keyUsages[use] ?? []),
    extendedUsages: uses.flatMap((use) => extendedKeyUsages[use] ?? []),
  });
  const certificate = new X509Certificate(certPem);
  const generated = {
    certPem,
    keyAlgorithm: (certificate.publicKey.asymmetricKeyType ?? "").replace(/^ec$/, "ecdsa").toUpperCase(),
    validityStartTime: certificate.validFromDate.toISOString(),
    validityEndTime: certificate.validToDate.toISOString(),
  };
  return {
    id: BigInt(`0x${certificate.serialNumber}`).toString(),
    generated: { ...generated, readyForRenewal: readyForRenewal(generated, inputs) },
  };
}
