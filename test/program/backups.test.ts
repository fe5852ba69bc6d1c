import { beforeAll, describe, expect, test } from "vitest";
import { type ProgramRun, runProgram } from "./support.ts";
import { inClear } from "./togather-tasks.ts";

/** What a stack with `berth:backups` registers, and what one without does not. */

const secrets = {
  "berth:backupsAccessKeyId": "canary-backups-key-id",
  "berth:backupsSecretAccessKey": "canary-backups-secret-key",
  "berth:backupsPassword": "canary-backups-password-0123",
};
const store = { kind: "s3", endpoint: "https://store.example", bucket: "berth-backups", region: "fsn1" };

let program: ProgramRun;
let without: ProgramRun;
beforeAll(async () => {
  without = await runProgram("production");
  program = await runProgram(
    "production",
    { "berth:backups": JSON.stringify({ store }), ...secrets },
    Object.keys(secrets),
  );
  expect(program.error).toBeUndefined();
});

const names = (run: ProgramRun) => run.registrations.map(({ urn }) => urn);

const withPointInTime = () =>
  runProgram(
    "production",
    { "berth:backups": JSON.stringify({ store, pointInTime: { everyMinutes: 2 } }), ...secrets },
    Object.keys(secrets),
  );

describe("point in time", () => {
  test("adds timers to the systems that have a database, and no resource", async () => {
    const more = await withPointInTime();
    expect(more.error).toBeUndefined();
    expect(names(more)).toEqual(names(program));
    const stdin = (run: ProgramRun, name: string) =>
      JSON.stringify(run.find("command:local:Command", `${name}-backup-timers`).inputs.stdin);
    const timers = stdin(more, "togather");
    for (const line of [
      "OnUnitInactiveSec=2min",
      "backup-togather wal",
      "OnCalendar=sun *-*-* 01:00:00 UTC",
      "backup-togather base",
      // systemd would end a timer of every two minutes after three times.
      "StartLimitIntervalSec=0",
    ])
      expect(timers).toContain(line);
    expect(stdin(program, "togather")).not.toContain("OnUnitInactiveSec");
    expect(stdin(more, "host-main")).not.toContain("OnUnitInactiveSec");
  });

  test("leaves the server as it is: nothing of it is restarted", async () => {
    const services = (run: ProgramRun) =>
      run.registrations.filter(({ type }) => type.startsWith("docker:")).map(({ inputs }) => inputs);
    expect(services(await withPointInTime())).toEqual(services(program));
  });
});

describe("backups", () => {
  test("add a script with timers and a drill for each system and for the host, and change nothing else", () => {
    const added = program.registrations.filter(({ urn }) => !names(without).includes(urn));
    expect(added.map(({ name }) => name).toSorted()).toEqual([
      "host-main-backup",
      "host-main-backup-drill",
      "host-main-backup-timers",
      "togather-backup",
      "togather-backup-drill",
      "togather-backup-timers",
    ]);
    const inputs = (run: ProgramRun) =>
      Object.fromEntries(run.registrations.map(({ urn, inputs }) => [urn, JSON.stringify(inputs)]));
    expect(inputs(program)).toMatchObject(inputs(without));
    expect(names(without).filter((urn) => urn.includes("backup"))).toEqual([]);
  });

  test("come after the release, the drill after the backup", () => {
    const timers = program.find("command:local:Command", "togather-backup-timers");
    expect(timers.dependsOn).toContain("togather_app-switch");
    expect(program.find("command:local:Command", "togather-backup-drill").dependsOn).toContain(
      "togather-backup-timers",
    );
  });

  test("have their secrets in no input in clear", () => {
    for (const { name, inputs } of program.registrations) {
      for (const value of Object.values(secrets)) expect(inClear(inputs), name).not.toContain(value);
    }
    const timers = JSON.stringify(
      program.find("command:local:Command", "togather-backup-timers").inputs.stdin,
    );
    expect(timers).toContain(secrets["berth:backupsPassword"]);
  });

  test("run as the deploy user at 02:00, the drill on Sundays", () => {
    const { stdin } = program.find("command:local:Command", "togather-backup-timers").inputs;
    const text = JSON.stringify(stdin);
    for (const line of ["OnCalendar=*-*-* 02:00:00 UTC", "OnCalendar=sun *-*-* 04:00:00 UTC", "User=deploy"])
      expect(text).toContain(line);
  });
});
