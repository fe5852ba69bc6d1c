import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { execaSync } from "execa";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { shellQuote } from "../../components/host/connection.ts";
import { wholeScript } from "../../components/host/script.ts";
import { watchParameters, watchScript } from "../../components/watch/alerts.ts";
import { alertsSchema } from "../../components/watch/alerts-config.ts";

/** Who is told what and when: the host's own script in a real bash. monit's words and the receivers are the test's; test/lab/alerts.test.ts has real ones. */

const canary = "https://hooks.example/canary-4f1d9b7a";
let folder: string;
const at = (...names: string[]) => join(folder, ...names);

function install(more: Record<string, unknown> = {}): void {
  const parameters = {
    ...watchParameters({
      ...{ hostName: "main", stack: "production", domains: [] },
      config: alertsSchema.parse({ slack: true, ntfy: true, ...more }),
    }),
    ...{
      SETTINGS: at("settings"),
      STATE: at("state"),
      BACKUP_RECORDS: at("backups"),
      DEPLOYMENTS: at("deployments"),
    },
  };
  const assignments = Object.entries(parameters).map(
    ([name, value]) => `${name}=${shellQuote(String(value))}\n`,
  );
  const text = `#!/bin/bash\n${assignments.join("")}${wholeScript(watchScript(), "arguments and input")}`;
  writeFileSync(at("watch"), text, { mode: 0o755 });
}

function watch(...words: string[]) {
  const env = { PATH: `${at("bin")}:${process.env.PATH}`, RUNTIME_DIRECTORY: at("run") };
  const { exitCode, stdout, stderr } = execaSync(at("watch"), words, { env, reject: false });
  return { exitCode, stdout, stderr };
}

/** What monit says of the memory, and of the checks of a program. */
function monitSays(
  memory: string,
  used: string,
  programs: Record<string, [status: string, exit: number]> = {},
): void {
  const text = [
    "Monit 5.33.0 uptime: 1m\n",
    `System 'host'\n  status                       ${memory}\n  monitoring status            Monitored\n  memory usage                 1.0 GB [${used}%]\n`,
    ...Object.entries(programs).map(
      ([name, [status, exit]]) =>
        `Program '${name}'\n  status                       ${status}\n  monitoring status            Monitored\n  last exit value              ${exit}\n`,
    ),
  ];
  writeFileSync(at("monit-status"), text.join("\n"));
}

/** What was sent since the last call, as `<channel> <first words>`. */
function sent(): string[] {
  const log = existsSync(at("sent")) ? readFileSync(at("sent"), "utf8").trim().split("\n") : [];
  rmSync(at("sent"), { force: true });
  return log.filter((line) => line !== "");
}

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "berth-alerts-"));
  for (const name of ["bin", "run", "settings", "state", "backups", "deployments"]) mkdirSync(at(name));
  writeFileSync(
    at("settings", "secrets"),
    `SLACK_URL='${canary}'\nNTFY_URL='https://ntfy.example/t'\nHEARTBEAT_URL='https://beat.example/{host}'\n`,
  );
  const programs = {
    monit: `cat ${at("monit-status")}`,
    // Which channel it is for, and the message's first line; fails for the one that is down.
    docker: ":",
    curl: `[[ "$*" != *--unix-socket* ]] || exec cat ${at("tasks")}
echo "$*" >>${at("arguments")}
settings=$(cat)
body=$(sed -n 's/^data-binary = "@\\(.*\\)"$/\\1/p' <<<"$settings")
case $settings in *hooks.example*) channel=slack text=$(jq --raw-output .text "$body") ;; *ntfy.example*) channel=ntfy text=$(grep Title <<<"$settings") ;; *) channel=$(sed -n 's/^url = //p' <<<"$settings") text= ;; esac
if [ -e ${at("down-")}"$channel" ]; then echo "curl: (7) Failed to connect to ${canary} port 443" >&2; exit 7; fi
echo "$channel $(head -n 1 <<<"$text" | sed 's/.*Title: //; s/"$//')" >>${at("sent")}
[ "$channel" != slack ] || printf '%s\\n' "$text" >${at("message")}`,
  };
  for (const [name, text] of Object.entries(programs)) {
    writeFileSync(at("bin", name), `#!/bin/bash\n${text}\n`);
    chmodSync(at("bin", name), 0o755);
  }
  // monit has run for long.
  writeFileSync(at("run", "looks"), "99");
  install();
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const problem = [
  "slack PROBLEM: memory of the host: main on main",
  "ntfy PROBLEM: memory of the host: main on main",
];
const over = problem.map((line) => line.replace("PROBLEM", "OVER"));

describe("an alert", () => {
  test("is told once on each way, and its end once", () => {
    monitSays("Resource limit matched", "88.0");
    expect(watch("tell").exitCode).toBe(0);
    expect(sent()).toEqual(problem);
    expect(readFileSync(at("message"), "utf8")).toMatch(
      /^PROBLEM: memory of the host: main on main\nhost: main \(stack production\)\nwhat: memory of the host: main\nvalue: 88.0 %\nthreshold: 85 %\nsince: .*Z\nwhat to do: docs\/runbooks\/alerts.md#memory\n$/,
    );
    // It goes on, and gets worse.
    monitSays("Resource limit matched", "98.0");
    watch("tell");
    expect(sent()).toEqual([]);
    expect(JSON.parse(watch("now").stdout)).toMatchObject({
      ...{ runs: true, tells: ["slack", "ntfy"], undelivered: null },
      alerts: [{ alert: "memory", of: "main", value: "98.0 %", threshold: "85 %" }],
    });
    monitSays("OK", "60.0");
    watch("tell");
    expect(sent()).toEqual(over);
    expect(readFileSync(at("message"), "utf8")).toMatch(
      /value: 98.0 % \(when it was last wrong\)\n(.*\n)*until: .*Z\n/,
    );
    watch("tell");
    expect(sent()).toEqual([]);
    expect(JSON.parse(watch("now").stdout).alerts).toEqual([]);
  });

  test("is told again after a day", () => {
    monitSays("Resource limit matched", "88.0");
    watch("tell");
    sent();
    const state = JSON.parse(readFileSync(at("state", "alerts.json"), "utf8"));
    for (const alert of Object.values(state) as { told: Record<string, number> }[])
      for (const channel of Object.keys(alert.told)) alert.told[channel] = Date.now() / 1000 - 86_401;
    writeFileSync(at("state", "alerts.json"), JSON.stringify(state));
    watch("tell");
    expect(sent()).toEqual(problem.map((line) => line.replace("PROBLEM", "STILL")));
    watch("tell");
    expect(sent()).toEqual([]);
  });

  test("is not over when monit has just started and calls all well, but when that lasts", () => {
    monitSays("Resource limit matched", "88.0");
    watch("tell");
    sent();
    rmSync(at("run", "looks"));
    monitSays("Initializing", "");
    watch("tell");
    monitSays("OK", "88.0");
    for (let looks = 2; looks <= 7; looks += 1) watch("tell");
    expect(sent()).toEqual([]);
    watch("tell");
    expect(sent()).toEqual(over);
  });

  test("reaches a way that was down when it is up again, and no other one twice", () => {
    monitSays("Resource limit matched", "88.0");
    writeFileSync(at("down-slack"), "");
    const said = watch("tell");
    expect(said).toMatchObject({ exitCode: 1, stderr: expect.stringContaining("not delivered by: slack") });
    expect(`${said.stdout}${said.stderr}`).not.toContain("canary-4f1d9b7a");
    expect(sent()).toEqual([problem[1]]);
    expect(JSON.parse(watch("now").stdout).undelivered).toMatch(/Z$/);
    rmSync(at("down-slack"));
    expect(watch("tell").exitCode).toBe(0);
    expect(sent()).toEqual([problem[0]]);
    expect(JSON.parse(watch("now").stdout).undelivered).toBeNull();
  });

  test("of a way that was taken away ends with it", () => {
    monitSays("Resource limit matched", "88.0");
    watch("tell");
    install({ slack: false });
    monitSays("OK", "60.0");
    sent();
    watch("tell");
    expect(sent()).toEqual([over[1]]);
  });
});

describe("a check", () => {
  const deployment = (outcome: string) =>
    writeFileSync(
      at("deployments", "togather_app.history.jsonl"),
      `${JSON.stringify({ service: "togather_app", version: "v1.1.0", timestamp: "2026-11-26T12:00:00Z", outcome, error: 'probe: "never" healthy' })}\n`,
    );

  test("says what is wrong, and that stays while it cannot look", () => {
    deployment("failed");
    expect(watch("look", "deployments")).toMatchObject({
      exitCode: 1,
      stdout: 'deployment togather_app: v1.1.0 failed at 2026-11-26T12:00:00Z: probe: "never" healthy',
    });
    monitSays("OK", "60.0", { deployments: ["Status failed", 1] });
    watch("tell");
    expect(sent()).toEqual(
      ["slack", "ntfy"].map((way) => `${way} PROBLEM: failed deployment: togather_app on main`),
    );
    writeFileSync(at("deployments", "togather_app.history.jsonl"), "no JSON\n");
    expect(watch("look", "deployments").exitCode).toBe(2);
    monitSays("OK", "60.0", { deployments: ["Status failed", 2] });
    watch("tell");
    expect(sent()).toEqual(
      ["slack", "ntfy"].map((way) => `${way} PROBLEM: the watch itself: deployments on main`),
    );
    deployment("success");
    expect(watch("look", "deployments").exitCode).toBe(0);
    monitSays("OK", "60.0", { deployments: ["OK", 0] });
    watch("tell");
    expect(sent().toSorted()).toEqual(
      ["the watch itself: deployments", "failed deployment: togather_app"]
        .flatMap((what) => ["slack", "ntfy"].map((way) => `${way} OVER: ${what} on main`))
        .toSorted(),
    );
  });

  test("of services tells a restart from an update, and what does not run", () => {
    const minutesAgo = (minutes: number) =>
      new Date(Date.now() - minutes * 60_000).toISOString().replace("Z", "123456Z");
    const task = (ID: string, service: string, State: string, more: object = {}, ForceUpdate = 0) => ({
      ...{ ID, ServiceID: service, Slot: 1, CreatedAt: minutesAgo(State === "running" ? 5 : 50) },
      Spec: { ForceUpdate, ContainerSpec: { Labels: { "berth.resource": service } } },
      Status: { State, Timestamp: minutesAgo(5), ...more },
      DesiredState: State === "running" || State === "pending" ? "running" : "shutdown",
    });
    const foreign = { ...task("7", "x", "failed"), Spec: { ContainerSpec: {} } };
    const tasks = [
      ...[
        task("1", "crashed", "failed", { Err: "task: non-zero exit (137)" }),
        task("2", "crashed", "running"),
      ],
      ...[task("3", "updated", "shutdown"), task("4", "updated", "running", {}, 1)],
      ...[task("5", "stuck", "pending", { Err: "no suitable node" }), task("6", "well", "running"), foreign],
      ...[task("8", "long ago", "failed", { Timestamp: minutesAgo(20) }), task("9", "long ago", "running")],
    ];
    writeFileSync(at("tasks"), JSON.stringify(tasks));
    expect(watch("look", "services")).toMatchObject({
      exitCode: 1,
      stdout:
        "restarts crashed: 1 within 15 minutes; the last: task: non-zero exit (137)\nrestarts stuck: does not run: no suitable node",
    });
  });

  test("of backups has the words of status", () => {
    const record = { backup: { attempt: "2026-11-26T02:00:00Z", problem: "1 of 2 failed" } };
    writeFileSync(at("backups", "togather.json"), JSON.stringify(record));
    expect(watch("look", "backups")).toMatchObject({
      exitCode: 1,
      stdout: "backup togather: backup of togather: 1 of 2 failed",
    });
  });
});

describe("the heartbeat", () => {
  test("asks for the host's URL, and is withheld when no message gets through", () => {
    expect(watch("heartbeat").exitCode).toBe(0);
    expect(sent()).toEqual(['"https://beat.example/main"']);
    writeFileSync(at("state", "undelivered"), "");
    execaSync("touch", ["--date", "20 minutes ago", at("state", "undelivered")]);
    expect(watch("heartbeat")).toMatchObject({
      exitCode: 1,
      stderr: expect.stringContaining("no heartbeat"),
    });
    expect(sent()).toEqual([]);
  });
});

test("what is set up is tried: a way that cannot be used is named, without its address", () => {
  expect(watch("hello").exitCode).toBe(0);
  expect(sent()).toEqual([
    "slack TEST: alerts of main come here",
    "ntfy TEST: alerts of main come here",
    '"https://beat.example/main"',
  ]);
  writeFileSync(at("down-slack"), "");
  const { exitCode, stderr } = watch("hello");
  expect(exitCode).toBe(1);
  expect(stderr).toContain(
    "berth:alerts: no message can be sent by slack: curl: (7) Failed to connect to its address",
  );
  expect(stderr).not.toContain("canary-4f1d9b7a");
  expect(readFileSync(at("arguments"), "utf8")).not.toMatch(/canary|hooks|ntfy/);
});
