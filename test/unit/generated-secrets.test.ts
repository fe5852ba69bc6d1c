import { readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type SecretFormat, secretProblem } from "../../components/secrets/secret.ts";
import { generatedSecrets, generateSecret } from "../../lab/stack/generated-secrets.ts";
import { home, withEmptyLabs } from "./lab-stack-fixtures.ts";

withEmptyLabs();

describe("generated secrets", () => {
  const format: fc.Arbitrary<SecretFormat> = fc.oneof(
    fc.record({
      kind: fc.constantFrom("base64" as const, "hex" as const),
      bytes: fc.integer({ min: 1, max: 96 }),
    }),
    fc.record({ kind: fc.constant("text" as const), minimumLength: fc.integer({ min: 1, max: 200 }) }),
    fc.record({ kind: fc.constant("characters" as const), length: fc.integer({ min: 1, max: 200 }) }),
  );

  test("every generated value is accepted by the configuration, canary or not", () => {
    fc.assert(
      fc.property(format, fc.boolean(), (wanted, canary) => {
        expect(secretProblem(wanted, generateSecret(wanted, canary))).toBeUndefined();
      }),
    );
  });

  test("stay the same until they are rotated, and only their owner can read them", () => {
    const hex: SecretFormat = { kind: "hex", bytes: 32 };
    const first = generatedSecrets(home.stateDir, "trial").get("a:key", hex);
    expect(generatedSecrets(home.stateDir, "trial").get("a:key", hex)).toBe(first);
    expect(generatedSecrets(home.stateDir, "other").get("a:key", hex)).not.toBe(first);
    const rotated = generatedSecrets(home.stateDir, "trial").rotate("a:key", hex);
    expect(rotated).not.toBe(first);
    expect(generatedSecrets(home.stateDir, "trial").get("a:key", hex)).toBe(rotated);
    expect(statSync(join(home.stateDir, "secrets-trial.json")).mode & 0o777).toBe(0o600);
  });

  test("canaries are listed, including rotated and earlier ones", () => {
    const base64: SecretFormat = { kind: "base64", bytes: 32 };
    const plain = generatedSecrets(home.stateDir, "trial", false).get("a:first", base64);
    const planted = generatedSecrets(home.stateDir, "trial", true);
    const second = planted.get("a:second", base64);
    const third = planted.rotate("a:second", base64);
    const listed = JSON.parse(readFileSync(join(home.stateDir, "canaries.json"), "utf8"));
    expect(listed).toEqual([
      { key: "a:first", value: plain },
      { key: "a:second", value: second },
      { key: "a:second", value: third },
    ]);
    expect(second).toMatch(/^BerthLabPlantedCanary000/);
    expect(statSync(join(home.stateDir, "canaries.json")).mode & 0o777).toBe(0o600);
  });
});
