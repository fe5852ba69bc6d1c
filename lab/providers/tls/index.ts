/**
 * The lab's `tls` provider: PrivateKey of pulumi-tls 5.6. Certificates are left out, because the program takes its own
 * from an authority (Let's Encrypt, or the lab's).
 */
import { createHash, generateKeyPair, type KeyObject } from "node:crypto";
import { promisify } from "node:util";
import type { LabProvider, Properties, ProviderPackage, ResourceRef } from "../../contracts.ts";
import { checkInputs, diffInputs, type InputRules, notPartOfTheLab, withDefaults } from "../inputs.ts";
import { opensshKey } from "./openssh.ts";

const privateKeyType = "tls:index/privateKey:PrivateKey";

const rules: InputRules = {
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

/** A key exists in the state alone, so reading and deleting touch nothing but it. */
class TlsProvider implements LabProvider {
  async configure(): Promise<void> {}

  async check(ref: ResourceRef, news: Properties) {
    supported(ref.type);
    return checkInputs(ref.type, rules, news);
  }

  async diff(ref: ResourceRef, _id: string, oldInputs: Properties, _outputs: Properties, news: Properties) {
    supported(ref.type);
    return diffInputs(rules, oldInputs, {}, news);
  }

  async create(ref: ResourceRef, inputs: Properties) {
    supported(ref.type);
    const complete = withDefaults(rules, inputs);
    const { privateKey, publicKey } = await keyPair(complete);
    const openssh = opensshKey(privateKey);
    const der = publicKey.export({ type: "spki", format: "der" });
    return {
      id: createHash("sha1").update(der).digest("hex"),
      outputs: {
        ...complete,
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

  async read(ref: ResourceRef, id: string, inputs: Properties, outputs: Properties) {
    supported(ref.type);
    return { id, inputs, outputs };
  }

  async update(ref: ResourceRef): Promise<Properties> {
    throw new Error(`${ref.type} ${ref.name}: every change of a key replaces it`);
  }

  async delete(ref: ResourceRef): Promise<void> {
    supported(ref.type);
  }

  async invoke(token: string): Promise<Properties> {
    throw notPartOfTheLab(token, [privateKeyType]);
  }
}

function supported(type: string): void {
  if (type !== privateKeyType) throw notPartOfTheLab(type, [privateKeyType]);
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
