import {
  createCipheriv,
  createDecipheriv,
  createHash,
  createHmac,
  randomBytes,
  randomInt,
  scryptSync,
  timingSafeEqual,
} from "node:crypto";

/** An id as Zitadel's: digits alone (sonyflake in the real one). */
export const newId = () => `3${Array.from({ length: 17 }, () => randomInt(10)).join("")}`;

export const newToken = () => randomBytes(48).toString("base64url");

export const hashOf = (token: string) => createHash("sha256").update(token).digest("hex");

export function hashPassword(password: string, salt = randomBytes(16).toString("hex")): string {
  return `${salt}:${scryptSync(password, salt, 32).toString("hex")}`;
}

export function passwordFits(password: string, hash: string): boolean {
  const [salt = ""] = hash.split(":");
  return timingSafeEqual(Buffer.from(hashPassword(password, salt)), Buffer.from(hash));
}

/** By AES-256-GCM; the master key's 32 characters are the key. */
export function encrypt(text: string, masterKey: string): Buffer {
  const nonce = randomBytes(12);
  const cipher = createCipheriv("aes-256-gcm", masterKey, nonce);
  const sealed = Buffer.concat([cipher.update(text, "utf8"), cipher.final()]);
  return Buffer.concat([nonce, cipher.getAuthTag(), sealed]);
}

/** @throws when another key has encrypted it */
export function decrypt(sealed: Buffer, masterKey: string): string {
  const cipher = createDecipheriv("aes-256-gcm", masterKey, sealed.subarray(0, 12));
  cipher.setAuthTag(sealed.subarray(12, 28));
  try {
    return Buffer.concat([cipher.update(sealed.subarray(28)), cipher.final()]).toString("utf8");
  } catch {
    throw new Error(
      "unable to decrypt the keys: the master key is another one than the one that encrypted them",
    );
  }
}

/** A key for another purpose. */
export const derivedKey = (masterKey: string, purpose: string) =>
  createHmac("sha256", masterKey).update(purpose).digest("base64url");
