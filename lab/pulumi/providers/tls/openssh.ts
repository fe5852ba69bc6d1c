/**
 * Encodes keys in OpenSSH's formats (PROTOCOL.key and RFC 4253, section 6.6), which Node's crypto does not write.
 */
import { createHash, type JsonWebKey, type KeyObject, randomBytes } from "node:crypto";

/** OpenSSH's names of the curves that it supports; P-224 is not one of them. */
const curveNames: Readonly<Record<string, string>> = {
  "P-256": "nistp256",
  "P-384": "nistp384",
  "P-521": "nistp521",
};

/** One key pair in OpenSSH's formats. */
interface OpensshKey {
  /** As `ssh-keygen` writes it, unencrypted and without a comment. */
  readonly privateKey: string;
  /** One line of authorized_keys, with its line break and without a comment. */
  readonly publicKey: string;
  readonly fingerprintMd5: string;
  readonly fingerprintSha256: string;
}

/** Undefined for a key that OpenSSH has no format for (ECDSA on P-224). */
export function opensshKey(privateKey: KeyObject): OpensshKey | undefined {
  // Node has no JSON Web Key for this curve either.
  if (privateKey.asymmetricKeyDetails?.namedCurve === "secp224r1") return undefined;
  const fields = keyFields(privateKey.export({ format: "jwk" }));
  const blob = Buffer.concat([string(fields.name), ...fields.publicPart]);
  return {
    privateKey: privateKeyFile(fields, blob),
    publicKey: `${fields.name} ${blob.toString("base64")}\n`,
    fingerprintMd5: createHash("md5").update(blob).digest("hex").match(/../g)?.join(":") ?? "",
    fingerprintSha256: `SHA256:${createHash("sha256").update(blob).digest("base64").replace(/=+$/, "")}`,
  };
}

interface KeyFields {
  readonly name: string;
  readonly publicPart: readonly Buffer[];
  /** The fields after the name in the private section. */
  readonly privatePart: readonly Buffer[];
}

function keyFields(jwk: JsonWebKey): KeyFields {
  if (jwk.kty === "OKP") {
    const publicKey = bytes(jwk.x);
    return {
      name: "ssh-ed25519",
      publicPart: [string(publicKey)],
      privatePart: [string(publicKey), string(Buffer.concat([bytes(jwk.d), publicKey]))],
    };
  }
  if (jwk.kty === "RSA") {
    const [n, e, d, qi, p, q] = [jwk.n, jwk.e, jwk.d, jwk.qi, jwk.p, jwk.q].map((part) =>
      integer(bytes(part)),
    ) as [Buffer, Buffer, Buffer, Buffer, Buffer, Buffer];
    return { name: "ssh-rsa", publicPart: [e, n], privatePart: [n, e, d, qi, p, q] };
  }
  const curve = curveNames[jwk.crv ?? ""];
  if (curve === undefined) throw new Error(`a key of type ${jwk.kty} on ${jwk.crv} has no OpenSSH format`);
  const point = Buffer.concat([Buffer.from([4]), bytes(jwk.x), bytes(jwk.y)]);
  const publicPart = [string(curve), string(point)];
  return {
    name: `ecdsa-sha2-${curve}`,
    publicPart,
    privatePart: [...publicPart, integer(bytes(jwk.d))],
  };
}

function privateKeyFile({ name, privatePart }: KeyFields, publicBlob: Buffer): string {
  const check = randomBytes(4);
  const comment = string("");
  const secrets = Buffer.concat([check, check, string(name), ...privatePart, comment]);
  // Padded with 1, 2, 3… to the block size of "none", which is 8.
  const padding = Buffer.from(
    Array.from({ length: (8 - (secrets.length % 8)) % 8 }, (_, index) => index + 1),
  );
  const one = Buffer.from([0, 0, 0, 1]);
  const [cipher, derivation, derivationOptions] = [string("none"), string("none"), string("")];
  const file = Buffer.concat([
    Buffer.from("openssh-key-v1\0"),
    cipher,
    derivation,
    derivationOptions,
    one,
    string(publicBlob),
    string(Buffer.concat([secrets, padding])),
  ]);
  const lines = file.toString("base64").match(/.{1,64}/g) ?? [];
  return ["-----BEGIN OPENSSH PRIVATE KEY-----", ...lines, "-----END OPENSSH PRIVATE KEY-----", ""].join(
    "\n",
  );
}

function bytes(base64url: string | undefined): Buffer {
  return Buffer.from(base64url ?? "", "base64url");
}

/** SSH's `string`: the length in four bytes, then the bytes. */
function string(value: string | Buffer): Buffer {
  const content = Buffer.from(value);
  const size = Buffer.alloc(4);
  size.writeUInt32BE(content.length);
  return Buffer.concat([size, content]);
}

/** SSH's `mpint`: no leading zeros, except one when the first bit would be read as a sign. */
function integer(value: Buffer): Buffer {
  const first = value.findIndex((byte) => byte !== 0);
  const content = first < 0 ? Buffer.alloc(0) : value.subarray(first);
  const signed = (content[0] ?? 0) >= 0x80;
  return string(signed ? Buffer.concat([Buffer.from([0]), content]) : content);
}
