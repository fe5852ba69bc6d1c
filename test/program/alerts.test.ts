import { beforeAll, describe, expect, test } from "vitest";
import { type ProgramRun, runProgram } from "./support.ts";
import { inClear } from "./togather-tasks.ts";

/** What a stack with `berth:alerts` registers, and what one without does not. */

const secrets = {
  "berth:alertsSlackUrl": "https://hooks.example/canary-alerts-slack",
  "berth:alertsEmailPassword": "canary-alerts-email-password",
  "berth:alertsHeartbeatUrl": "https://beat.example/canary-alerts-heartbeat",
};
const alerts = {
  ...{ slack: true, heartbeatMinutes: 5 },
  email: { server: "smtp://mail.example:587", user: "berth", from: "a@example.org", to: ["b@example.org"] },
};

let program: ProgramRun;
let without: ProgramRun;
beforeAll(async () => {
  without = await runProgram("production");
  const settings = { "berth:alerts": JSON.stringify(alerts), ...secrets };
  program = await runProgram("production", settings, Object.keys(secrets));
  expect(program.error).toBeUndefined();
});

const urns = (run: ProgramRun) => run.registrations.map(({ urn }) => urn);
const stdin = () => JSON.stringify(program.find("command:local:Command", "main-alerts-watch").inputs.stdin);

describe("alerts", () => {
  test("add one command for each host, and change nothing else", () => {
    const added = program.registrations.filter(({ urn }) => !urns(without).includes(urn));
    expect(added.map(({ name, parent }) => [name, parent])).toEqual([
      ["main-alerts", "(stack)"],
      ["main-alerts-watch", "main-alerts"],
    ]);
    const inputs = (run: ProgramRun) =>
      Object.fromEntries(run.registrations.map(({ urn, inputs }) => [urn, JSON.stringify(inputs)]));
    expect(inputs(program)).toMatchObject(inputs(without));
    expect(urns(without).filter((urn) => urn.includes("alerts"))).toEqual([]);
  });

  test("come when the host is ready, and wait for no release", () => {
    const { dependsOn } = program.find("command:local:Command", "main-alerts-watch");
    expect(dependsOn).toContain("main-settings");
    expect(dependsOn.filter((name) => name.startsWith("togather"))).toEqual([]);
  });

  test("have their secrets in no input in clear", () => {
    for (const { name, inputs } of program.registrations) {
      for (const value of Object.values(secrets)) expect(inClear(inputs), name).not.toContain(value);
    }
    for (const value of Object.values(secrets)) expect(stdin()).toContain(value);
  });

  test("look at the domains that the host's edge serves, every minute, with a heartbeat", () => {
    for (const line of [
      "DOMAINS=togather.example",
      "set daemon 60",
      "every 5 cycles",
      "memory usage > 85 % for 5 cycles",
    ])
      expect(stdin()).toContain(line);
  });
});
