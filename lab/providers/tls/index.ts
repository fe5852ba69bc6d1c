/** The lab's `tls` provider: PrivateKey and SelfSignedCert of pulumi-tls 5.6. */
import { createHash, generateKeyPair, type KeyObject } from "node:crypto";
import { promisify } from "node:util";
import type { CheckFailure, LabProvider, Properties, ProviderPackage, ResourceRef } from "../../contracts.ts";
import { checkInputs, diffInputs, type InputRules, notPartOfTheLab, withDefaults } from "../inputs.ts";
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

interface TlsKind {
  readonly rules: InputRules;
  readonly failures: (inputs: Properties) => readonly CheckFailure[];
  readonly make: (inputs: Properties) => Promise<{ id: string; generated: Properties }>;
  /** Whether time alone replaces it. */
  readonly isDue: (outputs: Properties, inputs: Properties) => boolean;
}

const kinds: Readonly<Record<string, TlsKind>> = {
  "tls:index/privateKey:PrivateKey": {
    rules: keyRules,
    failures: () => [],
    make: makeKey,
    isDue: () => false,
  },
  "tls:index/selfSignedCert:SelfSignedCert": {
    rules: selfSignedRules,
    failures: selfSignedFailures,
    make: makeSelfSigned,
    isDue: readyForRenewal,
  },
};

/** Keys and certificates exist in the state alone, so reading and deleting touch nothing but it. */
class TlsProvider implements LabProvider {
  async configure(): Promise<void> {}

  async check(ref: ResourceRef, news: Properties) {
    const kind = kindOf(ref.type);
    const { inputs, failures } = checkInputs(ref.type, kind.rules, news);
    return { inputs, failures: failures.length > 0 ? failures : kind.failures(inputs) };
  }

  async diff(ref: ResourceRef, _id: string, oldInputs: Properties, outputs: Properties, news: Properties) {
    const { rules, isDue } = kindOf(ref.type);
    const diff = diffInputs(rules, oldInputs, {}, news);
    if (!isDue(outputs, news)) return diff;
    const due = "readyForRenewal";
    return { ...diff, changes: [...diff.changes, due], replaces: [...(diff.replaces ?? []), due] };
  }

  async create(ref: ResourceRef, inputs: Properties) {
    const { rules, make } = kindOf(ref.type);
    const complete = withDefaults(rules, inputs);
    const { id, generated } = await make(complete);
    return { id, outputs: { ...complete, ...generated } };
  }

  async read(ref: ResourceRef, id: string, inputs: Properties, outputs: Properties) {
    kindOf(ref.type);
    return { id, inputs, outputs };
  }

  async update(
    ref: ResourceRef,
    _id: string,
    _oldInputs: Properties,
    oldOutputs: Properties,
    news: Properties,
  ): Promise<Properties> {
    return { ...oldOutputs, ...withDefaults(kindOf(ref.type).rules, news) };
  }

  async delete(ref: ResourceRef): Promise<void> {
    kindOf(ref.type);
  }

  async invoke(token: string): Promise<Properties> {
    throw notPartOfTheLab(token, Object.keys(kinds));
  }
}

function kindOf(type: string): TlsKind {
  const kind = kinds[type];
  if (kind === undefined) throw notPartOfTheLab(type, Object.keys(kinds));
  return kind;
}

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
export const tlsPackage: ProviderPackage = {
  name: "tls",
  version: "5.6.1",
  create: () => new TlsProvider(),
};
