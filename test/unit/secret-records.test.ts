import { randomBytes, scryptSync } from "node:crypto";
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, describe, expect, test } from "vitest";
import { parse } from "yaml";
import {
  ageWarnings,
  fingerprint,
  otherStacksRecords,
  prepareFingerprints,
  reuseProblems,
  type SecretRecords,
  updatedRecords,
} from "../../components/secrets/records.ts";
import { ConfigError, parseConfig } from "../../config.ts";
import { overdue, recordSecrets, renderRecorded } from "../../ops/secrets.ts";
import { policies } from "../../policy/configuration.ts";
import { systems } from "../../stacks/index.ts";
import { completeConfig, testSecrets } from "../program/committed-config.ts";

const now = new Date("2026-06-01T12:00:00Z");
const folder = mkdtempSync(join(tmpdir(), "berth-records-"));
afterAll(() => rmSync(folder, { recursive: true }));

const jwt = { description: "", format: { kind: "base64", bytes: 32 }, rotateAfterDays: 90 } as const;
const key = "togather:jwtSecret";
const value = testSecrets[key] ?? "";
const recorded = (since: string, of = value): SecretRecords => ({
  [key]: { fingerprint: fingerprint(key, of), since },
});

describe("a fingerprint", () => {
  test("is equal only for the same value of the same key, and short", () => {
    expect(fingerprint(key, value)).toMatch(/^[0-9a-f]{16}$/);
    expect(fingerprint(key, value)).toBe(fingerprint(key, value));
    expect(fingerprint(key, `${value}x`)).not.toBe(fingerprint(key, value));
    expect(fingerprint("togather:other", value)).not.toBe(fingerprint(key, value));
  });

  test("is the one that stack files have, made by itself or with others", async () => {
    const [one, other] = [randomBytes(32).toString("hex"), randomBytes(32).toString("hex")];
    const ofStackFiles = (name: string, of: string) =>
      scryptSync(of, `berth:${name}`, 8, { N: 16_384, r: 8, p: 1 }).toString("hex");
    await prepareFingerprints([
      ["mfa:one", one],
      ["mfa:other", other],
    ]);
    expect(fingerprint("mfa:one", one)).toBe(ofStackFiles("mfa:one", one));
    expect(fingerprint("mfa:other", other)).toBe(ofStackFiles("mfa:other", other));
    expect(fingerprint("mfa:one", other)).toBe(ofStackFiles("mfa:one", other));
  });
});

describe("a secret in two environments", () => {
  const about = { stack: "production", environment: "production" };
  const others = (environment: string, of = value) => [
    { stack: "staging", environment, records: recorded("2026-05-01", of) },
  ];

  test("is refused, naming both stacks and the command, never the value", () => {
    const [problem, ...more] = reuseProblems([{ key, value, spec: jwt }], {
      ...about,
      others: others("staging"),
    });
    expect(more).toEqual([]);
    expect(problem).toBe(
      "togather:jwtSecret: [secret] is the one of the stack staging (staging); each environment has secrets of its own. " +
        "Set it: openssl rand -base64 32 | npx pulumi config set --secret togather:jwtSecret --stack production",
    );
    expect(problem).not.toContain(value);
  });

  test("another value, or the same environment's other stack, is not", () => {
    const secrets = [{ key, value, spec: jwt }];
    expect(reuseProblems(secrets, { ...about, others: others("staging", "another") })).toEqual([]);
    expect(reuseProblems(secrets, { ...about, others: others("production") })).toEqual([]);
  });

  test("nor is a zone or a domain that another stack has: all of them are said", () => {
    const { values, secretKeys } = completeConfig("production");
    const copied = join(folder, "Pulumi.copied.yaml");
    writeFileSync(
      copied,
      JSON.stringify({
        config: {
          "berth:environment": "production",
          "berth:dns": { zone: "elsewhere.example", otherZones: ["togather.example"] },
          "berth:systems": { app: { host: "main", domain: "togather.example" } },
        },
      }),
    );
    const isSecret = (name: string) => secretKeys.includes(name);
    const parse = () =>
      parseConfig(
        { stack: "production", values, isSecret, otherStacks: otherStacksRecords(folder, "production") },
        systems,
        policies,
      );
    const what = "and each of the two would change the other's records; use one of its own";
    expect(parse).toThrow(
      `Pulumi.production.yaml: 2 problems\n  ✖ berth:dns: the zone togather.example is the stack copied's, ${what}\n` +
        `  ✖ berth:systems.togather.domain: togather.example is the stack copied's, ${what}`,
    );
    rmSync(copied);
    expect(parse).not.toThrow();
  });

  test("the program finds it in the other stack's file", () => {
    writeFileSync(
      join(folder, "Pulumi.staging.yaml"),
      JSON.stringify({
        config: { "berth:environment": "staging", "berth:secretRecords": recorded("2026-05-01") },
      }),
    );
    writeFileSync(join(folder, "Pulumi.broken.yaml"), "config: [");
    const { values, secretKeys } = completeConfig("production");
    const otherStacks = otherStacksRecords(folder, "production");
    expect(otherStacks.map(({ stack }) => stack)).toEqual(["staging"]);
    const source = {
      stack: "production",
      values,
      isSecret: (name: string) => secretKeys.includes(name),
      otherStacks,
    };
    expect(() => parseConfig(source, systems, policies)).toThrow(ConfigError);
    expect(() => parseConfig(source, systems, policies)).toThrow(
      /^Pulumi\.production\.yaml: 1 problem\n {2}✖ togather:jwtSecret: \[secret\] is the one of the stack staging/,
    );
    expect(parseConfig({ ...source, otherStacks: [] }, systems, policies).warnings).toEqual([
      expect.stringMatching(/^berth:backups: not set/),
      expect.stringMatching(/^berth:alerts: not set/),
      "togather:jwtSecret, togather:adminApiKey: set, but not recorded, so neither age nor use in another environment is seen. " +
        "Record it: npm run ops -- record-secrets --stack production",
    ]);
  });
});

describe("a secret's age", () => {
  const warnings = (records: SecretRecords) =>
    ageWarnings([{ key, value, spec: jwt }], records, { stack: "production", now });

  test.each([
    ["of today", "2026-06-01", false],
    ["of a quarter", "2026-03-03", false],
    ["of a quarter and a day", "2026-03-02", true],
  ])("%s", (_what, since, warns) => {
    expect(warnings(recorded(since))).toEqual(
      warns
        ? [
            "togather:jwtSecret: is 91 days old, to be rotated after 90. Rotate it: openssl rand -base64 32 | " +
              "npx pulumi config set --secret togather:jwtSecret --stack production, then npm run ops -- record-secrets --stack production",
          ]
        : [],
    );
  });

  test("without a record, or with that of an earlier value, it is unknown, and that is said", () => {
    const unknown = [
      "togather:jwtSecret: set, but not recorded, so neither age nor use in another environment is seen. " +
        "Record it: npm run ops -- record-secrets --stack production",
    ];
    expect(warnings({})).toEqual(unknown);
    expect(warnings(recorded("2026-05-31", "the value before"))).toEqual(unknown);
  });

  test("a secret without a rotation interval is never too old", () => {
    const { rotateAfterDays: _, ...spec } = jwt;
    expect(ageWarnings([{ key, value, spec }], recorded("2001-01-01"), { stack: "x", now })).toEqual([]);
  });
});

// Properties of the records: a recorded secret never counts as unrecorded, and dates change only with values.
test("an unchanged value keeps its date, a new value gets today's, a removed value loses its record", () => {
  const secrets = fc.dictionary(fc.constantFrom("a:x", "a:y"), fc.constantFrom("one", "two"));
  fc.assert(
    fc.property(secrets, secrets, (first, second) => {
      const old = updatedRecords(first, {}, "2026-01-01");
      const next = updatedRecords(second, old, "2026-02-01");
      expect(Object.keys(next).toSorted()).toEqual(Object.keys(second).toSorted());
      for (const [name, text] of Object.entries(second)) {
        expect(next[name]?.since).toBe(first[name] === text ? "2026-01-01" : "2026-02-01");
      }
    }),
    { numRuns: 5 },
  );
});

describe("record-secrets", () => {
  test("writes date and fingerprint, keeps the rest of the file, and changes nothing the second time", async () => {
    const path = join(folder, "Pulumi.production.yaml");
    copyFileSync(new URL("../../Pulumi.production.yaml", import.meta.url), path);
    const said: string[] = [];
    let current = value;
    const record = (day: string) =>
      recordSecrets({
        projectDir: folder,
        stack: "production",
        definitions: systems,
        now: new Date(day),
        run: async (command, args) => {
          said.push([command, ...args].join(" "));
          return JSON.stringify({
            [key]: { value: current, secret: true },
            "berth:environment": { value: "production", secret: false },
          });
        },
      });
    const first = await record("2026-01-28");
    expect(said).toEqual(["pulumi config --show-secrets --json --stack production --non-interactive"]);
    expect(first.secrets).toEqual([{ key, since: "2026-01-28", change: "new" }]);
    const text = readFileSync(path, "utf8");
    expect(text).toMatch(/^# The production stack/);
    expect(text).toContain('since: "2026-01-28"');
    expect(text).not.toContain(value);
    expect(renderRecorded(first)).not.toContain(value);
    expect(parse(text).config["berth:secretRecords"]).toEqual(recorded("2026-01-28"));

    expect((await record("2026-02-28")).secrets).toEqual([{ key, since: "2026-01-28", change: "same" }]);
    expect(readFileSync(path, "utf8")).toBe(text);

    current = Buffer.from("canary-jwt-secret-another-value-0").toString("base64");
    expect((await record("2026-03-01")).secrets).toEqual([{ key, since: "2026-03-01", change: "rotated" }]);
  });

  test("refuses unencrypted secrets", async () => {
    await expect(
      recordSecrets({
        projectDir: folder,
        stack: "production",
        definitions: systems,
        run: async () => JSON.stringify({ [key]: { value: "x", secret: false } }),
      }),
    ).rejects.toThrow("Pulumi.production.yaml: togather:jwtSecret: is stored in clear");
  });
});

describe("ops status", () => {
  test.each([
    ["togather_app-jwt-secret", "2026-03-01T00:00:00Z", 90],
    ["togather_app-jwt-secret", "2026-05-01T00:00:00Z", undefined],
    ["togather_app-admin-api-key", "2020-01-01T00:00:00Z", undefined],
    ["other_app-jwt-secret", "2020-01-01T00:00:00Z", undefined],
  ])("%s of %s", (resource, createdAt, days) => {
    expect(overdue(resource, createdAt, systems, now)).toBe(days);
  });
});
