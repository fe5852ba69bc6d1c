import { beforeAll, describe, expect, test } from "vitest";
import { completeConfig } from "./committed-config.ts";
import { type ProgramRun, runProgram } from "./support.ts";

/** What `restoreFrom: backups` adds to a stack, where in the graph, and what it leaves as it is. */

const secrets = {
  "berth:backupsAccessKeyId": "canary-backups-key-id",
  "berth:backupsSecretAccessKey": "canary-backups-secret-key",
  "berth:backupsPassword": "canary-backups-password-0123",
};
const store = { kind: "s3", endpoint: "https://store.example", bucket: "berth-backups", region: "fsn1" };
const commandType = "command:local:Command";

/** Production with some of its systems and what more is declared, its hosts with these settings. */
function run(
  host: object,
  systems: readonly string[],
  more: Readonly<Record<string, string>> = {},
): Promise<ProgramRun> {
  const { values } = completeConfig("production", systems);
  const hosts = Object.entries(JSON.parse(values["berth:hosts"] ?? "{}") as Record<string, object>);
  const change = {
    ...{ "berth:backups": JSON.stringify({ store }), ...secrets, ...more },
    "berth:hosts": JSON.stringify(
      Object.fromEntries(hosts.map(([name, each]) => [name, { ...each, ...host }])),
    ),
  };
  return runProgram("production", change, Object.keys(secrets), systems);
}

const shown = (program: ProgramRun) =>
  Object.fromEntries(program.registrations.map(({ urn, inputs }) => [urn, JSON.stringify(inputs)]));

describe("restoreFrom", () => {
  const systems = ["togather", "mfa", "registry", "gadgetbot"];
  const builds = {
    "berth:builds": JSON.stringify({ mfa: { host: "code", image: "mfa/app", setting: "mfa:app" } }),
  };
  let program: ProgramRun;
  let without: ProgramRun;
  beforeAll(async () => {
    without = await run({}, systems, builds);
    program = await run({ restoreFrom: "backups" }, systems, builds);
    expect(without.error).toBeUndefined();
    expect(program.error).toBeUndefined();
  });
  const command = (name: string) => program.find(commandType, name);

  test("adds one command for each thing that is kept, and changes no other resource", () => {
    const before = shown(without);
    const added = program.registrations.filter(({ urn }) => !(urn in before));
    expect(added.map(({ name, parent, type }) => `${parent} ${type} ${name}`).toSorted()).toEqual([
      "code command:local:Command code-build-mfa-restore",
      "code-edge command:local:Command code-edge-restore",
      "gadget-edge command:local:Command gadget-edge-restore",
      "gadgetbot_database command:local:Command gadgetbot_database-restore",
      "gadgetbot_zitadel command:local:Command gadgetbot_zitadel-written-restore",
      "gadgetbot_zitadel-database command:local:Command gadgetbot_zitadel-database-restore",
      "main-edge command:local:Command main-edge-restore",
      "mfa_database command:local:Command mfa_database-restore",
      "mfa_redis command:local:Command mfa_redis-restore",
      "registry_server command:local:Command registry_server-restore",
      "togather_database command:local:Command togather_database-restore",
    ]);
    expect(shown(program)).toMatchObject(before);
  });

  test("a database is restored between its making and its extensions, snapshot and migration", () => {
    const restore = command("togather_database-restore");
    expect(restore.dependsOn).toEqual(
      expect.arrayContaining([
        "main-settings",
        "togather_database-database",
        "togather_database-owner-login",
      ]),
    );
    expect(restore.deletedWith).toBe("togather_postgres");
    expect(
      program.find("postgresql:index/extension:Extension", "togather_database-vector").dependsOn,
    ).toContain("togather_database-restore");
    for (const step of ["togather_app-snapshot", "togather_app-migration"])
      expect(command(step).dependsOn).toContain("togather_database-restore");
    expect(command("togather-backup-timers").dependsOn).toContain("togather_database-restore");
  });

  test("files are restored after their folder is there and before what uses them", () => {
    expect(command("mfa_redis-restore").dependsOn).toContain("mfa_redis-folders");
    expect(program.find("docker:index/service:Service", "mfa_redis").dependsOn).toContain(
      "mfa_redis-restore",
    );
    expect(program.find("docker:index/service:Service", "registry_server").dependsOn).toContain(
      "registry_server-restore",
    );
    expect(command("main-edge-certificates").dependsOn).toContain("main-edge-restore");
    expect(command("code-build-mfa").dependsOn).toContain("code-build-mfa-restore");
    expect(command("gadgetbot_zitadel-migration").dependsOn).toContain("gadgetbot_zitadel-written-restore");
  });

  test("secrets are in no input in clear, the output is secret, and a removal does nothing on the host", () => {
    const { inputs, additionalSecretOutputs } = command("togather_database-restore");
    const clear = JSON.stringify(inputs, (_, value) =>
      typeof value === "object" && value !== null && "4dabf18193072939515e22adb298388d" in value
        ? "[secret]"
        : value,
    );
    for (const value of Object.values(secrets)) expect(clear).not.toContain(value);
    expect(JSON.stringify(inputs.stdin)).toContain(secrets["berth:backupsPassword"]);
    expect(additionalSecretOutputs).toContain("stdout");
    expect(inputs.delete).toBeUndefined();
  });

  test("it reads what the lost host wrote: the prefix is the stack's and the system's", () => {
    const text = JSON.stringify(command("mfa_redis-restore").inputs.stdin);
    for (const line of [
      "STORE_PREFIX=production/mfa",
      "SOURCE='redis mfa_redis'",
      "FOLDER=/mnt/data/mfa/redis",
    ])
      expect(text).toContain(line);
  });
});

test("without backups of its own a host registers nothing that restores", async () => {
  const { registrations } = await runProgram("production");
  expect(registrations.filter(({ name }) => name.endsWith("-restore"))).toEqual([]);
});

test("what may begin empty is one of what the host keeps", async () => {
  const beginEmpty = ["database togather_postgres/other"];
  const { error } = await run({ restoreFrom: "backups", beginEmpty }, ["togather"]);
  expect(String(error)).toContain(
    'berth:hosts.main.beginEmpty: "database togather_postgres/other": nothing of main is called so; use one of: folder /mnt/data/acme, database togather_postgres/togather',
  );
});
