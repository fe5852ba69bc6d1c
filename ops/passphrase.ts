import { createCipheriv, createDecipheriv, pbkdf2, pbkdf2Sync, randomBytes } from "node:crypto";
import { promisify } from "node:util";

/** Encrypts and decrypts with one key of Pulumi's passphrase secrets provider. */
export interface Crypter {
  /** The value of `secrets_providers.state.salt` in the deployment: the salt, and an encrypted known text to check a passphrase with. */
  readonly salt: string;
  /** `v1:<nonce>:<ciphertext and tag>`, both base64. */
  encrypt(plaintext: string): string;
  /** Throws when the text was not encrypted with this key. The error never contains the text. */
  decrypt(ciphertext: string): string;
}

// As in Pulumi's pkg/secrets/passphrase and sdk/go/common/resource/config/crypt.go.
const iterations = 1_000_000;
const keyBytes = 32;
const saltBytes = 8;
const nonceBytes = 12;
const tagBytes = 16;
const knownText = "pulumi";

// Deriving a key takes about a second; one process uses only a few.
const keys = new Map<string, Buffer>();

const keyName = (passphrase: string, salt: Buffer) => `${salt.toString("base64")}:${passphrase}`;

/** Derives the key of a salt beforehand, beside what else this process does; {@link openCrypter} finds it then. */
export async function deriveKey(passphrase: string, salt: string): Promise<void> {
  const bytes = Buffer.from(salt.split(":")[1] ?? "", "base64");
  const name = keyName(passphrase, bytes);
  if (!keys.has(name))
    keys.set(name, await promisify(pbkdf2)(passphrase, bytes, iterations, keyBytes, "sha256"));
}

function keyOf(passphrase: string, salt: Buffer): Buffer {
  const name = keyName(passphrase, salt);
  const cached = keys.get(name);
  if (cached) return cached;
  const key = pbkdf2Sync(passphrase, salt, iterations, keyBytes, "sha256");
  keys.set(name, key);
  return key;
}

function encryptWith(key: Buffer, plaintext: string): string {
  const nonce = randomBytes(nonceBytes);
  const cipher = createCipheriv("aes-256-gcm", key, nonce);
  const sealed = Buffer.concat([cipher.update(plaintext, "utf8"), cipher.final(), cipher.getAuthTag()]);
  return `v1:${nonce.toString("base64")}:${sealed.toString("base64")}`;
}

function decryptWith(key: Buffer, ciphertext: string): string {
  const [version, nonce, sealed, ...rest] = ciphertext.split(":");
  if (version !== "v1" || nonce === undefined || sealed === undefined || rest.length > 0) {
    throw new Error("a secret in the state is not in the form v1:<nonce>:<ciphertext>");
  }
  const bytes = Buffer.from(sealed, "base64");
  const decipher = createDecipheriv("aes-256-gcm", key, Buffer.from(nonce, "base64"));
  decipher.setAuthTag(bytes.subarray(bytes.length - tagBytes));
  return Buffer.concat([
    decipher.update(bytes.subarray(0, bytes.length - tagBytes)),
    decipher.final(),
  ]).toString("utf8");
}

/** A crypter with a fresh salt, for a new stack. */
export function newCrypter(passphrase: string): Crypter {
  const salt = randomBytes(saltBytes);
  const key = keyOf(passphrase, salt);
  return crypterOf(`v1:${salt.toString("base64")}:${encryptWith(key, knownText)}`, key);
}

/** {@link newCrypter}, its key derived when it is first needed: a preview of a new stack never needs it. */
export function lazyCrypter(passphrase: string): Crypter {
  let crypter: Crypter | undefined;
  const use = (): Crypter => {
    crypter ??= newCrypter(passphrase);
    return crypter;
  };
  return {
    get salt() {
      return use().salt;
    },
    encrypt: (plaintext) => use().encrypt(plaintext),
    decrypt: (ciphertext) => use().decrypt(ciphertext),
  };
}

/** The crypter of an existing stack. Throws when the passphrase is wrong, or the salt is not one of Pulumi's. */
export function openCrypter(passphrase: string, salt: string): Crypter {
  const [version, encoded, ...check] = salt.split(":");
  if (version !== "v1" || encoded === undefined || check.length !== 3) {
    throw new Error(
      "the salt of the state's secrets provider is not in the form v1:<salt>:v1:<nonce>:<ciphertext>",
    );
  }
  const key = keyOf(passphrase, Buffer.from(encoded, "base64"));
  let text: string | undefined;
  try {
    text = decryptWith(key, check.join(":"));
  } catch {
    text = undefined;
  }
  if (text !== knownText) throw new Error("incorrect passphrase for the secrets in the state");
  return crypterOf(salt, key);
}

function crypterOf(salt: string, key: Buffer): Crypter {
  return {
    salt,
    encrypt: (plaintext) => encryptWith(key, plaintext),
    decrypt(ciphertext) {
      try {
        return decryptWith(key, ciphertext);
      } catch {
        throw new Error("a secret in the state cannot be decrypted with this passphrase");
      }
    },
  };
}
