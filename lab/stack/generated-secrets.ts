import { randomBytes } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { type SecretRecords, updatedRecords } from "../../components/secrets/records.ts";
import type { SecretFormat } from "../../components/secrets/secret.ts";
import { writePrivateFile } from "../write-file.ts";

/** Secrets that an operator sets in production; the lab generates and keeps them, so that every `up` has the same. */
interface GeneratedSecrets {
  /** The value of `key` (`togather:jwtSecret`), generated on first use. */
  get(key: string, format: SecretFormat): string;
  /** Generates a new value, which replaces the old one. */
  rotate(key: string, format: SecretFormat): string;
}

/**
 * The generated secrets of one stack, in `<stateDir>/secrets-<stack>.json`, readable only by its owner.
 *
 * With `canary` (environment `BERTH_LAB_CANARY=1`) every value begins with a unique mark, and `<stateDir>/canaries.json`
 * lists all values, earlier ones included, so that a test can search for them in places where no secret may be.
 */
export function generatedSecrets(
  stateDir: string,
  stack: string,
  canary = process.env.BERTH_LAB_CANARY === "1",
): GeneratedSecrets {
  const path = join(stateDir, `secrets-${stack}.json`);
  const values: Record<string, string> = existsSync(path) ? JSON.parse(readFileSync(path, "utf8")) : {};
  if (canary) for (const [key, value] of Object.entries(values)) recordCanary(stateDir, key, value);
  const make = (key: string, format: SecretFormat): string => {
    const value = generateSecret(format, canary);
    values[key] = value;
    writePrivateFile(path, JSON.stringify(values, undefined, 2));
    if (canary) recordCanary(stateDir, key, value);
    return value;
  };
  return { get: (key, format) => values[key] ?? make(key, format), rotate: make };
}

/** The records of the generated secrets (age and fingerprint), kept in `<stateDir>/secret-records-<stack>.json`. */
export function generatedRecords(
  stateDir: string,
  stack: string,
  secrets: readonly (readonly [key: string, value: string])[],
): SecretRecords {
  const path = join(stateDir, `secret-records-${stack}.json`);
  const known: SecretRecords = existsSync(path) ? JSON.parse(readFileSync(path, "utf8")) : {};
  const today = new Date().toISOString().slice(0, 10);
  const records = { ...known, ...updatedRecords(Object.fromEntries(secrets), known, today) };
  writePrivateFile(path, JSON.stringify(records, undefined, 2));
  return records;
}

/** Only characters that are both base64 and hexadecimal digits, so that a mark fits every format; 24 characters are 18 bytes of base64. */
const canaryMarks = {
  base64: "BerthLabPlantedCanary000",
  hex: "be47be47ca4a47be47be47ca",
  text: "berth-canary-",
  characters: "BerthCanary0",
};

/** A random value that {@link SecretFormat} allows, a recognisable one when `canary`. */
export function generateSecret(format: SecretFormat, canary = false): string {
  switch (format.kind) {
    case "base64": {
      const value = randomBytes(format.bytes).toString("base64");
      return canary ? canaryMarks.base64 + value : value;
    }
    case "hex": {
      const value = randomBytes(format.bytes).toString("hex");
      return canary ? canaryMarks.hex + value : value;
    }
    case "characters": {
      const value = randomBytes(format.length).toString("hex");
      return (canary ? canaryMarks.characters + value : value).slice(0, format.length);
    }
    case "host":
      return `${randomBytes(8).toString("hex")}.example`;
    case "port":
      return String(1 + (randomBytes(2).readUInt16BE() % 65_535));
    case "address":
      return `${randomBytes(8).toString("hex")}@mail.example`;
    case "password":
      return `${canary ? canaryMarks.text : ""}${randomBytes(format.minimumLength).toString("hex")}-Aa1`;
    case "text": {
      const value = randomBytes(Math.max(16, Math.ceil(format.minimumLength / 2))).toString("hex");
      return canary ? canaryMarks.text + value : value;
    }
  }
}

/** Adds a value to `<stateDir>/canaries.json`: a list of `{ key, value }`, earlier values of a rotated key included. */
export function recordCanary(stateDir: string, key: string, value: string): void {
  // A port number occurs in many other texts.
  if (value.length < 8) return;
  const path = join(stateDir, "canaries.json");
  const known: { key: string; value: string }[] = existsSync(path)
    ? JSON.parse(readFileSync(path, "utf8"))
    : [];
  if (known.some((entry) => entry.value === value)) return;
  writePrivateFile(path, JSON.stringify([...known, { key, value }], undefined, 2));
}
