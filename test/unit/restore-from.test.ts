import { describe, expect, test } from "vitest";
import { backupsSchema } from "../../components/backup/backup-config.ts";
import { describeRestored, restoreParameters, sayRestored } from "../../components/backup/restore.ts";
import { completeConfig } from "../program/committed-config.ts";
import { changedValues, problemsOf } from "./changed-config.ts";

/** `restoreFrom` of a host: what is refused, what its script is told, what is said of its answer. */

const complete = completeConfig("production");
const store = { kind: "s3", endpoint: "https://store.example", bucket: "berth-backups", region: "fsn1" };
const secrets = {
  "berth:backupsAccessKeyId": "HOSTKEY",
  "berth:backupsSecretAccessKey": "canary-of-the-stores-key",
  "berth:backupsPassword": "canary-of-the-repositories-password",
};
const values = { ...complete.values, "berth:backups": JSON.stringify({ store }), ...secrets };
const problems = (
  changes: Readonly<Record<string, unknown>>,
  input: Readonly<Record<string, string>> = values,
) =>
  problemsOf(
    Object.entries(changes).reduce(
      (changed, [key, value]) => changedValues(changed, `berth:hosts.main.${key}`, value),
      input,
    ),
    [...complete.secretKeys, ...Object.keys(secrets)],
  );
const rm = "npx pulumi config rm --path berth:hosts.main";

describe("a host's restoreFrom", () => {
  test("is backups, and may say what begins empty", () => {
    expect(problems({ restoreFrom: "backups" })).toEqual([]);
    expect(problems({ restoreFrom: "backups", beginEmpty: ["redis mfa_redis"] })).toEqual([]);
  });

  const cases: [changes: Readonly<Record<string, unknown>>, says: string][] = [
    [{ restoreFrom: "s3" }, 'berth:hosts.main.restoreFrom: "s3" is invalid; use one of: backups'],
    [{ restoreFrom: true }, "berth:hosts.main.restoreFrom: true is invalid; use one of: backups"],
    [
      { restoreFrom: { id: "1a2b3c4d" } },
      'berth:hosts.main.restoreFrom: {"id":"1a2b3c4d"} is invalid; use one of: backups',
    ],
    [
      { beginEmpty: ["redis mfa_redis"] },
      `berth:hosts.main.beginEmpty: everything begins empty without restoreFrom. Remove it: ${rm}.beginEmpty --stack production`,
    ],
    [
      { restoreFrom: "backups", beginEmpty: "redis mfa_redis" },
      'berth:hosts.main.beginEmpty: "redis mfa_redis" has the wrong type; expected array',
    ],
    [
      { restoreFrom: "backups", beginEmpty: [""] },
      'berth:hosts.main.beginEmpty.0: "" is nothing that a host keeps; use database SERVER/NAME, redis SERVER or folder /PATH, as up names it',
    ],
    [
      { restoreFrom: "backups", beginEmpty: [7] },
      "berth:hosts.main.beginEmpty.0: 7 has the wrong type; expected string",
    ],
  ];
  test.each(cases)("%j", (changes, says) => {
    expect(problems(changes).join("\n")).toBe(says);
  });

  test("without backups is refused, with what sets or removes it", () => {
    expect(problems({ restoreFrom: "backups" }, complete.values)).toEqual([
      `berth:hosts.main.restoreFrom: backups, and there is no berth:backups that says where they are. Set that (docs/runbooks/backups.md), or remove it: ${rm}.restoreFrom --stack production`,
    ]);
  });
});

describe("the script", () => {
  const place = {
    ...{ stack: "production", environmentName: "production" },
    config: backupsSchema.parse({ store }),
  };

  test("is told of one source, by the name that the backup has given it", () => {
    expect(
      restoreParameters(
        {
          ...{ kind: "database", of: "togather", server: "togather_postgres", name: "togather" },
          ...{ image: "postgres:16", dataPath: "/var/lib/postgresql/data" },
        },
        place,
      ),
    ).toMatchObject({
      ...{
        SOURCE: "database togather_postgres/togather",
        SERVER: "togather_postgres",
        OF_DATABASE: "togather",
      },
      ...{ STORE_PREFIX: "production/togather", FOLDER: "" },
    });
    const path = "/mnt/data/git/app.git";
    expect(
      restoreParameters({ kind: "folder", of: "host-main", path, owner: "deploy" }, place),
    ).toMatchObject({
      ...{ SOURCE: `folder ${path}`, STORE_PREFIX: "production/host-main", FOLDER: path, OWNER: "deploy" },
    });
  });

  test("does not run again when the retention or the drill changes", () => {
    const data = { kind: "redis", of: "mfa", server: "mfa_redis", path: "/mnt/data/mfa/redis" } as const;
    const changed = backupsSchema.parse({ store, keep: { daily: 30 }, drill: { on: "daily" }, at: "01:00" });
    expect(restoreParameters(data, { ...place, config: changed })).toEqual(restoreParameters(data, place));
  });
});

describe("what a run says", () => {
  const source = "database togather_postgres/togather";
  const said = (answer: object) => describeRestored({ source, ...answer });

  test("names the backup, its age and the time, and the rows", () => {
    const about = { id: "1a2b3c4d", written: "2026-01-28T02:00:11Z", rpoSeconds: 51_234, rtoSeconds: 12 };
    expect(said({ ...about, tables: 14, rows: 5210, problems: [] })).toBe(
      `${source}: restored from backup 1a2b3c4d of 2026-01-28T02:00:11Z: 14 tables, 5210 rows; RPO 51234 s, RTO 12 s`,
    );
    expect(said({ ...about, rows: 7 })).toContain(": 7 keys when it was written; RPO");
    expect(said({ ...about, files: 3 })).toContain(": 3 files; RPO");
  });

  test("names a newer backup that is damaged, what begins empty, and what was left alone", () => {
    const problems = [{ id: "9f", time: "2026-01-29T02:00:00Z", said: "it is truncated" }];
    expect(said({ id: "1a", written: "2026-01-28T02:00:00Z", files: 1, problems })).toContain(
      "\n  backup 9f of 2026-01-29T02:00:00Z could not be restored: it is truncated",
    );
    expect(said({ empty: true, problems: [] })).toBe(
      `${source}: begins empty, as beginEmpty says; the store has no good backup of it`,
    );
    expect(said({ left: "3 tables, views and sequences" })).toBe(
      `${source}: left alone, there are 3 tables, views and sequences`,
    );
  });

  test("is a warning where something was lost, once for each source", async () => {
    const lines: string[] = [];
    const say = (level: string) => async (text: string) => void lines.push(`${level}: ${text}`);
    const to = { warn: say("warning"), info: say("info") };
    for (const answer of [{ left: "3 tables, views and sequences" }, { empty: true }])
      await sayRestored(`done 1f\n${JSON.stringify({ source, ...answer })}`, to);
    expect(lines).toEqual([
      `info: ${source}: left alone, there are 3 tables, views and sequences`,
      `warning: ${source}: begins empty, as beginEmpty says; the store has no good backup of it`,
    ]);
  });
});
