/** The lab's `tls` provider: PrivateKey and SelfSignedCert of pulumi-tls 5.6. */
import { createHash, generateKeyPair, type KeyObject } from "node:crypto";
import { promisify } from "node:util";
import { type GeneratedKind, generatedPackage } from "../generated.ts";
import { type InputRules, withDefaults } from "../inputs.ts";
import type { Properties } from "../provider.ts";
import { opensshKey } from "./openssh.ts";
import { makeSelfSigned, readyForRenewal, selfSignedFailures, selfSignedRules } from "./self-signed-cert.ts";

const keyRules: InputRules = {
  algorithm: { kind: "string", required: true, replaces: true, allowed: ["RSA", "ECDSA", "ED25519"] },
  rsaBits: { kind: "number", replaces: true, default: 2048, minimum: 1024 },
  ecdsaCurve: {
    kind: "string",
    replaces: true,
    default: "P224",
    allowed: ["P224", "P256", "P384", "P521"],
  },
};

const newKeyPair = promisify(generateKeyPair);

const kinds: Readonly<Record<string, GeneratedKind>> = {
  "tls:index/privateKey:PrivateKey": {
    rules: keyRules,
    complete: (inputs) => withDefaults(keyRules, inputs),
    failures: () => [],
    generate: makeKey,
  },
  "tls:index/selfSignedCert:SelfSignedCert": {
    rules: selfSignedRules,
    complete: (inputs) => withDefaults(selfSignedRules, inputs),
    failures: selfSignedFailures,
    generate: makeSelfSigned,
    due: (outputs, inputs) => (readyForRenewal(outputs, inputs) ? "readyForRenewal" : undefined),
  },
};

async function makeKey(inputs: Properties) {
  const { privateKey, publicKey } = await keyPair(inputs);
  const openssh = opensshKey(privateKey);
  const der = publicKey.export({ type: "spki", format: "der" });
  return {
    id: createHash("sha1").update(der).digest("hex"),
    generated: {
      privateKeyPem: traditionalPem(privateKey),
      privateKeyPemPkcs8: privateKey.export({ type: "pkcs8", format: "pem" }).toString(),
      privateKeyOpenssh: openssh?.privateKey ?? "",
      publicKeyPem: publicKey.export({ type: "spki", format: "pem" }).toString(),
      publicKeyOpenssh: openssh?.publicKey ?? "",
      publicKeyFingerprintMd5: openssh?.fingerprintMd5 ?? "",
      publicKeyFingerprintSha256: openssh?.fingerprintSha256 ?? "",
    },
  };
}

function keyPair({ algorithm, rsaBits, ecdsaCurve }: Properties) {
  if (algorithm === "ED25519") return newKeyPair("ed25519", {});
  if (algorithm === "RSA") return newKeyPair("rsa", { modulusLength: Number(rsaBits) });
  const namedCurve = String(ecdsaCurve).replace("P", "P-");
  return newKeyPair("ec", { namedCurve: namedCurve === "P-224" ? "secp224r1" : namedCurve });
}

/** The format that is older than PKCS#8, where the algorithm has one. */
function traditionalPem(privateKey: KeyObject): string {
  const types: Readonly<Record<string, "pkcs1" | "sec1">> = { rsa: "pkcs1", ec: "sec1" };
  const type = types[privateKey.asymmetricKeyType ?? ""] ?? "pkcs8";
  return privateKey.export({ type, format: "pem" }).toString();
}

/** `tls`, as pulumi-tls 5.6.1 behaves. */
export const tlsPackage = generatedPackage("tls", "5.6.1", kinds);
