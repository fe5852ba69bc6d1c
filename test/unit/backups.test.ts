import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { parse } from "yaml";
import { backupParameters } from "../../components/backup/backup.ts";
import { backupsSchema } from "../../components/backup/backup-config.ts";
import { parseConfig } from "../../config.ts";
import { type BackupRecord, backupProblems, renderBackupRecords, renderBackups } from "../../ops/backups.ts";
import { policies } from "../../policy/configuration.ts";
import { systems } from "../../stacks/index.ts";
import { completeConfig, systemsOf } from "../program/committed-config.ts";
import { changedValues, problemsOf } from "./changed-config.ts";

const complete = completeConfig("production");
const store = {
  kind: "s3",
  endpoint: "https://fsn1.your-objectstorage.com",
  bucket: "berth-backups",
  region: "fsn1",
};
const secrets = {
  "berth:backupsAccessKeyId": "HOSTKEY",
  "berth:backupsSecretAccessKey": "canary-of-the-stores-key",
  "berth:backupsPassword": "canary-of-the-repositories-password",
};
const values = { ...complete.values, "berth:backups": JSON.stringify({ store }), ...secrets };
const secretKeys = [...complete.secretKeys, ...Object.keys(secrets)];
const problems = (input: Readonly<Record<string, string>>) => problemsOf(input, secretKeys);
const set = "npx pulumi config set --secret";

describe("berth:backups", () => {
  test("is complete with a store and three secrets", () => {
    expect(problems(values)).toEqual([]);
    expect(backupsSchema.parse({ store })).toMatchObject({
      at: "02:00",
      keep: { daily: 7, weekly: 4 },
      keepOf: {},
      drill: { on: "sunday", at: "04:00", memoryMebibytes: 512, newest: {} },
    });
  });

  const cases: [path: string, value: unknown, says: string][] = [
    ["store.kind", "ftp", 'berth:backups.store.kind: "ftp" is invalid; use one of: s3'],
    [
      "store.endpoint",
      "http://store.example",
      'berth:backups.store.endpoint: "http://store.example" is not an endpoint; use https:// and the store\'s host, without bucket and path, as in https://fsn1.your-objectstorage.com',
    ],
    [
      "store.endpoint",
      "https://store.example/berth-backups",
      'berth:backups.store.endpoint: "https://store.example/berth-backups" is not an endpoint; use https:// and the store\'s host, without bucket and path, as in https://fsn1.your-objectstorage.com',
    ],
    [
      "store.bucket",
      "Backups",
      'berth:backups.store.bucket: "Backups" is not a bucket\'s name; use 3 to 63 lower-case letters, digits, dashes and single dots, no IP address',
    ],
    [
      "store.region",
      "",
      'berth:backups.store.region: "" is not a region; use the store\'s own word, as in fsn1 or us-east-1',
    ],
    [
      "store.trustedAuthorityPem",
      "x",
      'berth:backups.store.trustedAuthorityPem: "x" is not a PEM certificate; cat the file that holds the chain',
    ],
    [
      "store.password",
      "x",
      "berth:backups.store.password: unknown key; use one of: kind, endpoint, bucket, region, trustedAuthorityPem",
    ],
    [
      "at",
      "2 am",
      'berth:backups.at: "2 am" is not a time of day; use hours and minutes in UTC, as in "02:00", with the quotes',
    ],
    [
      "at",
      "04:00",
      'berth:backups.drill.at: 04:00 is the time of the backup; use a later one, as in "04:00". Set it: npx pulumi config set --path berth:backups.drill.at TIME --stack production',
    ],
    ["keep.daily", 0, "berth:backups.keep.daily: 0 is too small; use 1 to 3650"],
    ["keep.weekly", 900, "berth:backups.keep.weekly: 900 is too large; use 1 to 520"],
    ["keepOf.togather.daily", 0, "berth:backups.keepOf.togather.daily: 0 is too small; use 1 to 3650"],
    [
      "keepOf.mfa",
      { daily: 30 },
      'berth:backups.keepOf.mfa: no system "mfa" in berth:systems; use one of: togather. Remove it: npx pulumi config rm --path berth:backups.keepOf.mfa --stack production',
    ],
    ["keep.hourly", 3, "berth:backups.keep.hourly: unknown key; use one of: daily, weekly"],
    [
      "drill.on",
      "friyay",
      'berth:backups.drill.on: "friyay" is invalid; use one of: daily, monday, tuesday, wednesday, thursday, friday, saturday, sunday',
    ],
    ["drill.memoryMebibytes", 64, "berth:backups.drill.memoryMebibytes: 64 is too small; use 256 or more"],
    [
      "drill.newest.mfa",
      { query: "SELECT now()", maxAgeHours: 1 },
      'berth:backups.drill.newest.mfa: no system "mfa" in berth:systems; use one of: togather. Remove it: npx pulumi config rm --path berth:backups.drill.newest.mfa --stack production',
    ],
    [
      "drill.newest.togather",
      { query: "", maxAgeHours: 0 },
      'berth:backups.drill.newest.togather.query: "" is not one query that reads; use a SELECT without a semicolon, as in SELECT max(created_at) FROM events\nberth:backups.drill.newest.togather.maxAgeHours: 0 is too small; use 1 to 87600',
    ],
  ];
  test.each(cases)("%s %j", (path, value, says) => {
    expect(problems(changedValues(values, `berth:backups.${path}`, value)).join("\n")).toBe(says);
  });

  test("asks for each secret that is missing, in clear or too weak, and shows none", () => {
    const { "berth:backupsPassword": _, ...without } = values;
    expect(problems(without)).toEqual([
      `berth:backupsPassword: missing; what backups are encrypted with; keep a copy elsewhere, no backup opens without it. Set it: openssl rand -base64 32 | ${set} berth:backupsPassword --stack production`,
    ]);
    expect(problemsOf(values, complete.secretKeys).join("\n")).toMatch(
      /berth:backupsAccessKeyId: is stored unencrypted.*\n.*backupsSecretAccessKey: is stored unencrypted.*\n.*backupsPassword: is stored unencrypted/,
    );
    const weak = problems({ ...values, "berth:backupsPassword": "hunter2" }).join("\n");
    expect(weak).toContain("berth:backupsPassword: [secret] is invalid");
    expect(weak).not.toContain("hunter2");
  });

  test("secrets without it are refused", () => {
    const { "berth:backups": _, ...without } = values;
    expect(problems(without)).toHaveLength(3);
    expect(problems(without)[0]).toContain(
      "berth:backupsAccessKeyId: there is no berth:backups that it belongs to",
    );
  });

  test("left out is said at each preview, but for development", () => {
    const warnings = (more: Readonly<Record<string, string>>) =>
      parseConfig(
        { stack: "production", values: more, isSecret: (key) => secretKeys.includes(key) },
        systems,
        policies,
      ).warnings.filter((warning) => warning.startsWith("berth:backups"));
    expect(warnings(complete.values)[0]).toContain("nothing leaves the host");
    expect(warnings(values)).toEqual([]);
  });

  test("of production's stack file, and its alerts, lack nothing but their secrets", () => {
    const { config } = parse(readFileSync(new URL("../../Pulumi.production.yaml", import.meta.url), "utf8"));
    const { values } = completeConfig("production", systemsOf("production"));
    for (const key of ["berth:backups", "berth:alerts"]) values[key] = JSON.stringify(config[key]);
    const own = {
      ...secrets,
      "berth:alertsEmailPassword": "canary-of-the-mail-server",
      "berth:alertsHeartbeatUrl": "https://beat.example/canary-{host}",
    };
    const missing = problems(values);
    expect(missing.map((problem) => problem.split(": missing; ")[0])).toEqual(Object.keys(own));
    for (const problem of missing)
      expect(problem).toMatch(/Set it: .+ \| npx pulumi config set --secret berth:\w+ --stack production$/);
    expect(problemsOf({ ...values, ...own }, [...complete.secretKeys, ...Object.keys(own)])).toEqual([]);
  });

  test("of the runbook is valid", () => {
    const text = readFileSync(new URL("../../docs/runbooks/backups.md", import.meta.url), "utf8");
    const [, yaml = ""] = /```yaml\n([\s\S]*?)```/.exec(text) ?? [];
    const shown = parse(yaml)["berth:backups"];
    expect(problems({ ...values, "berth:backups": JSON.stringify(shown) })).toEqual([]);
    const { newest: _, ...drill } = shown.drill;
    expect(backupsSchema.parse({ ...shown, drill })).toEqual(backupsSchema.parse({ store: shown.store }));
  });

  test("a system keeps its backups for a time of its own", () => {
    const kept = (of: string) => {
      const config = backupsSchema.parse({ store, keepOf: { "connected-repo": { daily: 30 } } });
      const { KEEP_DAILY, KEEP_WEEKLY } = backupParameters({
        ...{ of, stack: "production", environmentName: "production", config, data: [] },
      });
      return [KEEP_DAILY, KEEP_WEEKLY];
    };
    expect(kept("connected-repo")).toEqual([30, 4]);
    expect(kept("togather")).toEqual([7, 4]);
  });

  test("a newest row is of a database that the system has", () => {
    const parameters = (newest: object) =>
      backupParameters({
        ...{ of: "gadgetbot", stack: "production", environmentName: "production" },
        config: backupsSchema.parse({ store, drill: { newest: { gadgetbot: newest } } }),
        data: ["gadgetbot", "zitadel"].map((name) => ({
          ...{ kind: "database" as const, of: "gadgetbot", server: `gadgetbot_${name}`, name, after: [] },
          ...{ image: "postgres:16", dataPath: "/var/lib/postgresql/data" },
        })),
      });
    const check = { query: "SELECT now()", maxAgeHours: 1 };
    expect(() => parameters(check)).toThrow(
      "berth:backups.drill.newest.gadgetbot.database: missing; use one of: gadgetbot, zitadel",
    );
    expect(() => parameters({ ...check, database: "other" })).toThrow('"other" is no database of gadgetbot');
    expect(parameters({ ...check, database: "zitadel" })).toMatchObject({ NEWEST_DATABASE: "zitadel" });
  });
});

describe("status", () => {
  const source = "database togather_postgres/togather";

  test("says what a drill measured, and what is wrong as the host says it", () => {
    const record: BackupRecord = {
      ...{ of: "togather", host: "main", problems: ["backup of togather: 1 of 2 failed"] },
      sources: { [source]: { attempt: "2026-11-26T02:00:30Z", problem: "", id: "1a2b3c4d", bytes: 2048 } },
      drills: {
        [source]: {
          ...{ ok: "2026-11-22T04:00:30Z", attempt: "2026-11-22T04:00:30Z", problem: "" },
          ...{ rows: 100, rpoSeconds: 7200, rtoSeconds: 12 },
        },
      },
    };
    const text = renderBackupRecords([record], backupProblems([record]));
    for (const said of ["7200 s", "12 s", "PROBLEM: backup of togather: 1 of 2 failed"])
      expect(text).toContain(said);
  });

  test("says that nothing leaves the hosts", () => {
    expect(renderBackupRecords([], [])).toContain("nothing leaves the hosts");
  });

  test("lists the newest backup first", () => {
    const entry = (id: string, time: string) => ({ id, time, source, bytes: 1024 });
    const text = renderBackups([
      entry("aaaaaaaa", "2026-11-24T02:00:00Z"),
      entry("bbbbbbbb", "2026-11-25T02:00:00Z"),
    ]);
    expect(text.indexOf("bbbbbbbb")).toBeLessThan(text.indexOf("aaaaaaaa"));
  });
});
