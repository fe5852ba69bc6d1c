import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { parse } from "yaml";
import { backupParameters } from "../../components/backup/backup.ts";
import { backupsSchema } from "../../components/backup/backup-config.ts";
import { type BackupRecord, renderBackupRecords, renderPointInTime } from "../../ops/backups.ts";
import { parsePointInTime, renderRecovered } from "../../ops/point-in-time.ts";
import { completeConfig } from "../program/committed-config.ts";
import { changedValues, problemsOf } from "./changed-config.ts";

const store = { kind: "s3", endpoint: "https://store.example", bucket: "berth-backups", region: "fsn1" };
const secrets = {
  "berth:backupsAccessKeyId": "HOSTKEY",
  "berth:backupsSecretAccessKey": "key-of-the-store",
  "berth:backupsPassword": "password-of-the-repositories",
};
const complete = completeConfig("production");
const values = {
  ...complete.values,
  "berth:backups": JSON.stringify({ store, pointInTime: {} }),
  ...secrets,
};
const problems = (input: Readonly<Record<string, string>>) =>
  problemsOf(input, [...complete.secretKeys, ...Object.keys(secrets)]);

describe("berth:backups.pointInTime", () => {
  test("is off when it is left out, and has defaults when it is empty", () => {
    expect(backupsSchema.parse({ store }).pointInTime).toBeUndefined();
    expect(problems(values)).toEqual([]);
    expect(backupsSchema.parse({ store, pointInTime: {} }).pointInTime).toEqual({
      ...{ windowDays: 7, everyMinutes: 5, maxWalGigabytes: 4 },
      baseBackup: { on: "sunday", at: "01:00" },
    });
  });

  const cases: [path: string, value: unknown, says: string][] = [
    ["windowDays", 0, "windowDays: 0 is too small; use 1 to 60"],
    ["windowDays", 365, "windowDays: 365 is too large; use 1 to 60"],
    ["everyMinutes", 0, "everyMinutes: 0 is too small; use 1 to 60"],
    ["everyMinutes", 90, "everyMinutes: 90 is too large; use 1 to 60"],
    ["maxWalGigabytes", 0, "maxWalGigabytes: 0 is too small; use 1 to 1000"],
    [
      "baseBackup.on",
      "sun",
      'baseBackup.on: "sun" is invalid; use one of: daily, monday, tuesday, wednesday, thursday, friday, saturday, sunday',
    ],
    [
      "baseBackup.at",
      "25:00",
      'baseBackup.at: "25:00" is not a time of day; use hours and minutes in UTC, as in "02:00", with the quotes',
    ],
    ["slot", "mine", "slot: unknown key; use one of: windowDays, everyMinutes, maxWalGigabytes, baseBackup"],
  ];
  test.each(cases)("%s %j", (path, value, says) => {
    expect(problems(changedValues(values, `berth:backups.pointInTime.${path}`, value)).join("\n")).toBe(
      `berth:backups.pointInTime.${says}`,
    );
  });

  test("of the runbook is valid, and shows the defaults", () => {
    const text = readFileSync(new URL("../../docs/runbooks/backups.md", import.meta.url), "utf8");
    const blocks = [...text.matchAll(/```yaml\n([\s\S]*?)```/g)].map(([, yaml = ""]) => parse(yaml));
    const shown = blocks.find((block) => "pointInTime" in block);
    expect(backupsSchema.parse({ store, ...shown })).toEqual(backupsSchema.parse({ store, pointInTime: {} }));
  });

  test("is about databases alone", () => {
    const minutes = (kind: "database" | "folder") =>
      backupParameters({
        ...{ of: "togather", stack: "production", environmentName: "production" },
        config: backupsSchema.parse({ store, pointInTime: { everyMinutes: 3 } }),
        data: [
          kind === "folder"
            ? { kind, of: "togather", path: "/mnt/data/acme", after: [] }
            : {
                ...{ kind, of: "togather", server: "togather_postgres", name: "togather", after: [] },
                ...{ image: "postgres:16", dataPath: "/var/lib/postgresql/data" },
              },
        ],
      }).WAL_MINUTES;
    expect(minutes("database")).toBe(3);
    expect(minutes("folder")).toBe(0);
  });
});

describe("--at", () => {
  const now = new Date("2026-11-26T12:00:00Z");

  test.each([
    ["2026-11-26T11:59:59Z", "2026-11-26T11:59:59Z"],
    ["2026-11-26T12:00:00+01:00", "2026-11-26T11:00:00Z"],
    ["2026-11-25T22:30:00-05:30", "2026-11-26T04:00:00Z"],
    ["2024-02-29T00:00:00Z", "2024-02-29T00:00:00Z"],
  ])("%s", (text, utc) => expect(parsePointInTime(text, now)).toBe(utc));

  test.each([
    [
      "yesterday",
      '--at "yesterday" is not a time; use a date and a time to the second, as in 2026-11-26T12:00:00Z',
    ],
    ["2026-11-26", "is not a time"],
    ["2026-11-26 11:00:00Z", "is not a time"],
    ["2026-11-26T11:00Z", "is not a time"],
    ["2026-11-26T11:00:00.5Z", "is not a time"],
    ["2026-11-26T11:00:00Z'; DROP TABLE events", "is not a time"],
    ["2026-11-26T11:00:00", "has no time zone; add Z for UTC or an offset, as in 2026-11-26T11:00:00Z"],
    ["2026-02-30T11:00:00Z", "is no day or time that there is"],
    ["2026-11-26T25:00:00Z", "is no day or time that there is"],
    ["2026-11-26T11:00:00+25:00", "is no day or time that there is"],
    ["2026-11-26T12:00:01Z", "is in the future; now it is 2026-11-26T12:00:00Z"],
  ])("%s is refused", (text, says) => expect(() => parsePointInTime(text, now)).toThrow(says));
});

describe("status", () => {
  const server = "togather_postgres";
  const ok = "2026-11-26T11:56:00Z";
  const good = {
    ...{ attempt: ok, problem: "", until: ok, everyMinutes: 5 },
    windows: [
      { from: "2026-11-18T01:00:00Z", until: "2026-11-21T08:00:00Z" },
      { from: "2026-11-21T09:00:00Z", until: ok },
    ],
    base: { ok: "2026-11-22T01:10:00Z", attempt: "2026-11-22T01:10:00Z", problem: "" },
  };
  const record = (more: object): BackupRecord => ({
    ...{ of: "togather", host: "main", problems: [], sources: {} },
    drills: { [`point in time ${server}`]: { ok, attempt: ok, problem: "" } },
    pointInTime: { [server]: { ...good, ...more } },
  });

  test("lists each window, and how much would be lost now", () => {
    const lines = renderPointInTime([record({})]).split("\n");
    expect(lines.filter((line) => line.includes(server))).toHaveLength(2);
    expect(renderBackupRecords([record({})], [])).toContain("2026-11-21T09:00:00Z");
    expect(renderPointInTime([record({ windows: [] })])).toContain("none");
  });

  test("says nothing of a host that keeps none, whose records are older", () => {
    const { pointInTime: _, ...older } = record({});
    expect(renderPointInTime([older])).toBe("");
  });
});

test("what was brought back is said with the command that puts it in place", () => {
  const found = {
    ...{
      snapshot: "togather_production_20261126_120500.tar",
      at: "2026-11-26T12:00:00Z",
      tables: "3",
      seconds: 9,
    },
    ...{ reached: "2026-11-26 11:59:58.12+00", newestRow: "" },
  };
  const restore = "npm run ops -- restore togather --stack production";
  const text = renderRecovered(found, restore);
  expect(text).toContain(`${restore} togather_production_20261126_120500.tar`);
  expect(text).toContain("The last transaction before ended at 2026-11-26 11:59:58.12+00.");
  expect(text).not.toContain("newest row");
  expect(renderRecovered({ ...found, reached: "", newestRow: "2026-11-20" }, restore)).toMatch(
    /No transaction ended[\s\S]*The newest row is of 2026-11-20/,
  );
});
