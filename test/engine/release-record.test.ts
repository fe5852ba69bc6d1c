import { spawnSync } from "node:child_process";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { deployedBy } from "../../components/host/command.ts";
import { shellQuote } from "../../components/host/connection.ts";
import { recordScript } from "../../components/release/record.ts";
import { backScript } from "../../ops/back.ts";

/**
 * The record of deployments as the host's shell keeps it: the real scripts in a real bash. Docker alone is stood in for,
 * by one that has a folder of slots and says what it was asked.
 */
const script = (path: string) =>
  readFileSync(fileURLToPath(new URL(`../../components/${path}`, import.meta.url)), "utf8");
const common = script("host/scripts/common.sh");
const service = `unit_app${process.pid}`;

let folder: string;
const records = () => join(folder, "records");
const logs = () => join(folder, "log", "deployments");

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "berth-record-"));
  mkdirSync(join(folder, "slots"));
  mkdirSync(join(folder, "bin"));
  // The image is on the host.
  writeFileSync(join(folder, "pulled"), "");
  const docker = `#!/bin/bash
cd ${shellQuote(join(folder, "slots"))}
case "$*" in
  "image inspect --format"*) [ -e ../pulled ] && echo abc1234567890abcdef ;;
  "image inspect"*) ;;
  "service ls"*berth.retain=true*) grep --files-with-matches true * ;;
  "service ls"*) ls ;;
  "service inspect --format {{.Spec.Name}}"*) shift 4; printf '%s\\n' "$@" ;;
  "service inspect --format {{index"*) cat "$5" ;;
  "service inspect --format {{range"*) [ -e "$5" ] && echo "secret jwt-of-$5" ;;
  "service inspect --format {{with"* | "service inspect --format {{.Spec.Mode"*) [ -e "$5" ] && cat "../tasks/$5" 2>/dev/null || echo 1 ;;
  "service inspect"*) [ -e "$3" ] ;;
  "service scale"*) mkdir -p ../tasks && echo "\${4#*=}" >"../tasks/\${4%=*}" ;;
  "ps --quiet"*) seq "\${HEALTHY_TASKS:-1}" ;;
  "service ps --quiet"*) seq "\${HEALTHY_TASKS:-1}" ;;
  "inspect --type task"*) shift 5; printf '%s\\n' "$@" ;;
  "inspect --format {{with .State.Health"*) shift 3; printf 'healthy%.0s\\n' "$@" ;;
  "service ps --format {{.CurrentState}} "*) grep --quiet --line-regexp 0 "../tasks/$5" 2>/dev/null || echo "Running 2 seconds ago" ;;
  "service ps"*) echo "Running no such image" ;;
  "service rm"*) rm "$3" && echo "$*" >>../calls ;;
  *) echo "$*" >>../calls ;;
esac
`;
  for (const [name, text] of [
    ["docker", docker],
    ["sudo", '#!/bin/sh\nexec "$@"\n'],
  ] as const) {
    writeFileSync(join(folder, "bin", name), text);
    chmodSync(join(folder, "bin", name), 0o755);
  }
});
afterEach(() => {
  rmSync(folder, { recursive: true });
  rmSync(`/run/lock/berth-records-${service}`, { force: true });
});

interface Command {
  readonly step: "pull" | "snapshot" | "migration" | "probe" | "switch";
  readonly version?: string;
  readonly slot?: string;
  readonly keep?: number;
  /** What the command does. */
  readonly body?: string;
  readonly accepted?: boolean;
  readonly routes?: string;
}

function bash(text: string) {
  const whole = `${common}\nmain() {\n${text}\n}\nmain </dev/null\n`;
  const env = {
    ...process.env,
    PATH: `${join(folder, "bin")}:${process.env.PATH}`,
    DEPLOYED_BY: "ann@laptop",
  };
  const { status, stdout, stderr } = spawnSync("bash", ["-s"], { input: whole, encoding: "utf8", env });
  return { status, stdout, stderr };
}

function command({
  step,
  version = "v1.0.0",
  slot = "",
  keep = 0,
  body = ":",
  accepted = false,
  routes = "",
}: Command) {
  const parameters = {
    RELEASE_SYSTEM: "unit",
    RELEASE_SERVICE: service,
    RELEASE_ENVIRONMENT: "production",
    RELEASE_IMAGE: `registry.example/app:${version}`,
    RELEASE_VERSION: version,
    RELEASE_SLOT: slot,
    RELEASE_KEEP_MINUTES: String(keep),
    RELEASE_RECORDS: records(),
    RELEASE_LOGS: logs(),
    RELEASE_STEP: step,
    RELEASE_ACCEPTED: accepted ? "yes" : "no",
    ROUTES: routes,
    RELEASE_SAVES:
      "RELEASE_SYSTEM\nRELEASE_SERVICE\nRELEASE_ENVIRONMENT\nRELEASE_IMAGE\nRELEASE_VERSION\nRELEASE_SLOT\nRELEASE_KEEP_MINUTES\nRELEASE_RECORDS\nRELEASE_LOGS\nRELEASE_ACCEPTED\nROUTES\nRELEASE_SAVES",
  };
  const assignments = Object.entries(parameters).map(([name, value]) => `${name}=${shellQuote(value)}`);
  // The timer belongs to a host, not to whoever runs this test.
  return bash(
    [...assignments, recordScript, "slot_timer_install() { :; }", `step() {\n${body}\n}`, "release_run"].join(
      "\n",
    ),
  );
}

/** A release's last command, with the slot that Pulumi would have made. */
function release(version: string, slot: string, keep = 0) {
  writeFileSync(join(folder, "slots", slot), keep > 0 ? "true" : "");
  return command({ step: "switch", version, slot, keep });
}

type Line = Record<string, unknown>;
const state = () => JSON.parse(readFileSync(join(records(), `${service}.json`), "utf8")) as Line;
const lines = (path: string) =>
  (existsSync(path) ? readFileSync(path, "utf8") : "")
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as Line);
const history = () => lines(join(records(), `${service}.history.jsonl`));
const log = (id: unknown) => lines(join(logs(), `${String(id)}.log`));
const isOpen = () => existsSync(join(records(), `${service}.open.json`));
const slots = () => readdirSync(join(folder, "slots")).toSorted();
/** How many tasks a slot is to have; 1 unless somebody scaled it. */
const tasks = (slot: string) => {
  const file = join(folder, "tasks", slot);
  return existsSync(file) ? Number(readFileSync(file, "utf8")) : 1;
};
/** `ops back`, as it runs on the host. */
const goBack = (from: string, to: string) =>
  bash(backScript(service, from, to).replaceAll("/var/lib/berth/deployments", records()));

describe("a deployment", () => {
  test("begins with the pull, and gets the image's commit when the image is there", () => {
    rmSync(join(folder, "pulled"));
    expect(command({ step: "pull", body: `echo >${join(folder, "pulled")}` }).status).toBe(0);
    const open = JSON.parse(readFileSync(join(records(), `${service}.open.json`), "utf8")) as Line;
    expect(open).toMatchObject({
      deployment_id: expect.stringMatching(/^\d{8}_\d{6}_abc1234$/),
      git_commit: "abc1234567890abcdef",
      steps: { pull: expect.any(Number) },
    });
    expect(readdirSync(logs())).toEqual([`${open.deployment_id}.log`]);
    command({ step: "snapshot" });
    release("v1.0.0", "app-1");
    expect(history()).toMatchObject([{ deployment_id: open.deployment_id, outcome: "success" }]);
    expect(log(open.deployment_id).map(({ step }) => step)).toEqual(
      expect.arrayContaining(["pull", "switch"]),
    );
  });

  test("whose pull fails is remembered without a commit", () => {
    rmSync(join(folder, "pulled"));
    command({ step: "pull", body: "fail 'cannot pull it'" });
    expect(history()).toMatchObject([
      {
        deployment_id: expect.stringMatching(/_unknown$/),
        git_commit: "unknown",
        outcome: "failed",
        error: "pull: cannot pull it",
      },
    ]);
    expect(isOpen()).toBe(false);
  });

  test("is one record from its first command to the switch, with the fields of the seed", () => {
    for (const step of ["snapshot", "migration"] as const) expect(command({ step }).status).toBe(0);
    const probed = command({ step: "probe", slot: "app-1", body: 'printf 4 >"$release_schema"' });
    expect(probed.status).toBe(0);
    expect(command({ step: "switch", slot: "app-1" }).status).toBe(0);
    expect(state()).toEqual({
      deployment_id: expect.stringMatching(/^\d{8}_\d{6}_abc1234$/),
      environment: "production",
      system: "unit",
      service,
      active_slot: "app-1",
      version: "v1.0.0",
      git_commit: "abc1234567890abcdef",
      timestamp: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/),
      deployed_by: "ann@laptop",
      previous_slot: null,
      previous_slot_until: null,
      duration_seconds: expect.any(Number),
      image: "registry.example/app:v1.0.0",
      schema_version: 4,
      steps: {
        snapshot: expect.any(Number),
        migration: expect.any(Number),
        probe: expect.any(Number),
        switch: expect.any(Number),
      },
      outcome: "success",
      refused_image: null,
    });
    expect(history().map(({ outcome, slot }) => [outcome, slot])).toEqual([["success", "app-1"]]);
    const entries = log(state().deployment_id);
    for (const entry of entries)
      expect(Object.keys(entry)).toEqual(["timestamp", "level", "step", "message"]);
    expect(new Set(entries.map(({ step }) => step))).toEqual(
      new Set(["snapshot", "migration", "probe", "switch"]),
    );
    expect(entries.at(-1)).toMatchObject({ level: "SUCCESS" });
    expect(isOpen()).toBe(false);
    for (const path of [records(), logs()]) expect(statSync(path).mode & 0o777).toBe(0o700);
    expect(statSync(join(records(), `${service}.json`)).mode & 0o777).toBe(0o600);
  });

  test("names the slot before, also when only a secret was rotated", () => {
    release("v1.0.0", "app-1");
    writeFileSync(join(folder, "slots", "app-2"), "");
    command({ step: "probe", slot: "app-2" });
    command({ step: "switch", slot: "app-2" });
    expect(state()).toMatchObject({ active_slot: "app-2", previous_slot: "app-1", version: "v1.0.0" });
    expect(Object.keys(history()[1]?.steps as object)).toEqual(["probe", "switch"]);
  });

  test("that fails ends there: the state stays, the history says why, without the secret", () => {
    release("v1.0.0", "app-1");
    command({ step: "snapshot", version: "v2" });
    const failed = command({
      step: "probe",
      version: "v2",
      slot: "app-2",
      body: "printf 'connect: DATABASE_URL=postgres://u:hunter2@h/d\\nsecond line\\n' >&2\nexit 3",
    });
    expect(failed.status).toBe(3);
    // What Pulumi shows is the command's own word, as ever.
    expect(failed.stderr).toContain("second line");
    expect(state()).toMatchObject({ active_slot: "app-1", version: "v1.0.0" });
    expect(history()[1]).toMatchObject({
      outcome: "failed",
      error: "probe: connect: DATABASE_URL=***REDACTED***",
    });
    expect(log(history()[1]?.deployment_id).at(-1)).toMatchObject({ level: "ERROR", step: "probe" });
    expect(isOpen()).toBe(false);
    for (const file of [records(), logs()].flatMap((path) =>
      readdirSync(path).map((name) => join(path, name)),
    )) {
      if (statSync(file).isFile()) expect(readFileSync(file, "utf8")).not.toContain("hunter2");
    }
  });

  test("that was interrupted is continued by the same release and ended by another", () => {
    command({ step: "snapshot", version: "v1" });
    expect(isOpen()).toBe(true);
    command({ step: "migration", version: "v1" });
    command({ step: "snapshot", version: "v2" });
    expect(history()).toEqual([expect.objectContaining({ version: "v1", outcome: "interrupted" })]);
    expect(Object.keys(history()[0]?.steps as object)).toEqual(["snapshot", "migration"]);
    command({ step: "switch", version: "v2", slot: "app-2" });
    expect(history().map(({ version, outcome }) => [version, outcome])).toEqual([
      ["v1", "interrupted"],
      ["v2", "success"],
    ]);
  });

  test("that another run has taken over meanwhile is left to that run", () => {
    const open = join(records(), `${service}.open.json`);
    const body = `jq --compact-output '.token = "another"' ${open} >${open}.new && mv ${open}.new ${open}\nexit 1`;
    expect(command({ step: "migration", version: "v1", body }).status).toBe(1);
    expect(JSON.parse(readFileSync(open, "utf8"))).toMatchObject({ token: "another", steps: {} });
    expect(history()).toEqual([]);
  });

  test("is none when what serves is scaled, gets other routes, or its snapshot other settings", () => {
    release("v1.0.0", "app-1");
    const before = [state(), history()];
    command({ step: "probe", slot: "app-1" });
    command({ step: "switch", slot: "app-1" });
    command({ step: "snapshot" });
    command({ step: "snapshot", version: "v2" });
    expect([state(), history()]).toEqual(before);
  });

  test("keeps a bounded history and a bounded number of logs", () => {
    release("v1.0.0", "app-1");
    const [line] = history();
    const many = Array.from({ length: 300 }, (_, index) =>
      JSON.stringify({ ...line, deployment_id: `${index}` }),
    );
    writeFileSync(join(records(), `${service}.history.jsonl`), `${many.join("\n")}\n`);
    for (let index = 100; index < 200; index++)
      writeFileSync(join(logs(), `20200101_000${index}_abc1234.log`), "");
    release("v2", "app-2");
    expect(history()).toHaveLength(200);
    expect(history().at(-1)).toMatchObject({ version: "v2" });
    expect(readdirSync(logs())).toHaveLength(50);
  });

  test("that cannot be recorded goes on", () => {
    writeFileSync(join(folder, "log"), "no folder");
    const run = command({ step: "probe", slot: "app-1", body: "echo worked" });
    expect(run).toMatchObject({ status: 0, stdout: "worked\n" });
  });

  test("leaves a command its own end", () => {
    const body = "trap 'echo cleaned' EXIT\nfalse\necho not reached";
    expect(command({ step: "probe", slot: "app-1", body })).toMatchObject({ status: 1, stdout: "cleaned\n" });
    expect(command({ step: "probe", slot: "app-1", body: "trap 'echo cleaned' EXIT\nexit 0" })).toMatchObject(
      {
        status: 0,
        stdout: "cleaned\n",
      },
    );
  });
});

describe("the previous slot", () => {
  test("stays for its time when it may; slots that never served go at once, and Pulumi's own are left to it", () => {
    release("v1", "app-1", 10);
    // A release that failed, and one of before the option was set.
    writeFileSync(join(folder, "slots", "app-failed"), "true");
    writeFileSync(join(folder, "slots", "app-of-pulumi"), "");
    const before = Date.now();
    release("v2", "app-2", 10);
    expect(state()).toMatchObject({ active_slot: "app-2", previous_slot: "app-1" });
    const until = Date.parse(String(state().previous_slot_until));
    expect(until - before).toBeGreaterThan(595_000);
    expect(until - before).toBeLessThan(615_000);
    const calls = readFileSync(join(folder, "calls"), "utf8").trim().split("\n");
    expect(calls).toEqual(expect.arrayContaining(["service rm app-failed", "secret rm jwt-of-app-failed"]));
    expect(slots()).toEqual(expect.arrayContaining(["app-1", "app-2", "app-of-pulumi"]));
  });

  test("goes with the release when none is kept", () => {
    release("v1", "app-1", 10);
    release("v2", "app-2", 0);
    expect(state()).toMatchObject({ previous_slot: "app-1", previous_slot_until: null });
    expect(slots()).toEqual(["app-2"]);
  });

  test("goes when its time is over, and not before", () => {
    release("v1", "app-1", 10);
    release("v2", "app-2", 10);
    const expire = () => bash(`${script("release/scripts/slots.sh")}\nslots_expire ${shellQuote(records())}`);
    expect(expire()).toMatchObject({ status: 0, stdout: "" });
    expect(slots()).toEqual(["app-1", "app-2"]);
    const over = { ...state(), previous_slot_until: "2020-01-01T00:00:00Z" };
    writeFileSync(join(records(), `${service}.json`), JSON.stringify(over));
    expect(expire().stdout).toContain("removed the slot app-1");
    expect(slots()).toEqual(["app-2"]);
    expect(state()).toMatchObject({ previous_slot: "app-1", previous_slot_until: null });
    expect(expire()).toMatchObject({ status: 0, stdout: "" });
  });

  test("is gone back to by its own switch; the next release takes both away", () => {
    release("v1", "app-1", 10);
    release("v2", "app-2", 10);
    expect(goBack("app-2", "app-1")).toMatchObject({ status: 0, stderr: "" });
    expect(state()).toMatchObject({
      active_slot: "app-1",
      previous_slot: "app-2",
      previous_slot_until: null,
      version: "v1",
      outcome: "back",
    });
    expect(history().map(({ version, outcome }) => [version, outcome])).toEqual([
      ["v1", "success"],
      ["v2", "success"],
      ["v1", "back"],
    ]);
    expect(slots()).toEqual(["app-1", "app-2"]);

    // A run that has something else to do (a route) does not send the requests to v2 again.
    const refused = command({ step: "switch", version: "v2", slot: "app-2", keep: 10 });
    expect(refused.status).toBe(1);
    expect(refused.stderr).toContain("has gone back from app-2 (v2) to app-1 (v1)");
    expect(state()).toMatchObject({ active_slot: "app-1", outcome: "back" });

    release("v1", "app-3", 10);
    expect(state()).toMatchObject({ active_slot: "app-3", outcome: "success", previous_slot_until: null });
    expect(slots()).toEqual(["app-3"]);
  });

  test("that was gone back to is kept when another version follows", () => {
    release("v1", "app-1", 10);
    release("v2", "app-2", 10);
    expect(goBack("app-2", "app-1").status).toBe(0);
    release("v3", "app-3", 10);
    expect(state()).toMatchObject({ active_slot: "app-3", previous_slot: "app-1" });
    expect(slots()).toEqual(["app-1", "app-3"]);
  });
});

describe("a slot that does not serve", () => {
  test("stops when the switch has replaced it, whether Pulumi deletes it or it stays to be gone back to", () => {
    release("v1", "app-1");
    release("v2", "app-2");
    expect([tasks("app-1"), tasks("app-2")]).toEqual([0, 1]);
    release("v3", "app-3", 10);
    expect([tasks("app-2"), tasks("app-3")]).toEqual([0, 1]);
    release("v4", "app-4", 10);
    expect(slots()).toContain("app-3");
    expect([tasks("app-3"), tasks("app-4")]).toEqual([0, 1]);
  });

  test("stops when its probe has failed, after what the probe says of it; the one that serves never does", () => {
    release("v1", "app-1");
    writeFileSync(join(folder, "slots", "app-2"), "");
    const body = 'docker ps --quiet >/dev/null\necho "it says why" >&2\nexit 1';
    expect(command({ step: "probe", version: "v2", slot: "app-2", body }).stderr).toBe("it says why\n");
    expect([tasks("app-1"), tasks("app-2")]).toEqual([1, 0]);
    expect(command({ step: "probe", slot: "app-1", version: "v1", body: "exit 1" }).status).toBe(1);
    expect(tasks("app-1")).toBe(1);
  });

  test("starts again to be gone back to, with as many tasks as the one that serves; that one stops then", () => {
    release("v1", "app-1", 10);
    release("v2", "app-2", 10);
    mkdirSync(join(folder, "tasks"), { recursive: true });
    writeFileSync(join(folder, "tasks", "app-2"), "3\n");
    process.env.HEALTHY_TASKS = "3";
    try {
      expect(goBack("app-2", "app-1")).toMatchObject({ status: 0, stderr: "" });
    } finally {
      delete process.env.HEALTHY_TASKS;
    }
    expect([tasks("app-1"), tasks("app-2")]).toEqual([3, 0]);
    expect(state()).toMatchObject({ active_slot: "app-1", version: "v1", outcome: "back" });
  });

  test("that does not become healthy is not gone back to, and stops again", () => {
    release("v1", "app-1", 10);
    release("v2", "app-2", 10);
    process.env.HEALTHY_TASKS = "0";
    try {
      const text = backScript(service, "app-2", "app-1")
        .replaceAll("/var/lib/berth/deployments", records())
        .replace(/START_SECONDS='\d+'/, "START_SECONDS=0");
      expect(bash(text).stdout).toContain(
        "missing: has 0 of 1 healthy tasks after 0 s: Running no such image",
      );
    } finally {
      delete process.env.HEALTHY_TASKS;
    }
    expect([tasks("app-1"), tasks("app-2")]).toEqual([0, 1]);
    expect(state()).toMatchObject({ active_slot: "app-2" });
  });
});

describe("after going back", () => {
  const rotated = (more: Partial<Command> = {}) => {
    writeFileSync(join(folder, "slots", "app-3"), "true");
    const parts = { version: "v2", slot: "app-3", keep: 10, ...more };
    const probed = command({ step: "probe", ...parts });
    return probed.status === 0 ? command({ step: "switch", ...parts }) : probed;
  };

  test("a new slot of the version that was left is refused before it is probed, and stops", () => {
    release("v1", "app-1", 10);
    release("v2", "app-2", 10);
    goBack("app-2", "app-1");
    const refused = rotated({ body: "echo probed" });
    expect(refused).toMatchObject({ status: 1, stdout: "" });
    expect(refused.stderr).toContain("has gone back from app-3 (v2) to app-1 (v1)");
    expect(refused.stderr).toContain(
      `npx pulumi config set --path unit:${service.replace("unit_", "")}.releaseAgain v2`,
    );
    expect([tasks("app-1"), tasks("app-3")]).toEqual([1, 0]);
    expect(state()).toMatchObject({ active_slot: "app-1", outcome: "back" });
  });

  test("it is released again when the configuration says so, and another version always", () => {
    release("v1", "app-1", 10);
    release("v2", "app-2", 10);
    goBack("app-2", "app-1");
    expect(rotated({ accepted: true }).status).toBe(0);
    expect(state()).toMatchObject({ active_slot: "app-3", outcome: "success", version: "v2" });
    goBack("app-3", "app-1");
    expect(release("v3", "app-4").status).toBe(0);
    expect(state()).toMatchObject({ active_slot: "app-4", outcome: "success" });
  });

  test("a slot of the same image with another secret is no version that was left", () => {
    release("v2", "app-1", 10);
    release("v2", "app-2", 10);
    goBack("app-2", "app-1");
    expect(rotated().status).toBe(0);
    expect(state()).toMatchObject({ active_slot: "app-3" });
  });

  test("the routes are those of now, not of when the slot was made", () => {
    const body = 'echo "$ROUTES" >>"$RELEASE_RECORDS/routes"';
    const routed = (version: string, slot: string, routes: string) =>
      command({ step: "switch", version, slot, keep: 10, body, routes });
    for (const slot of ["app-1", "app-2"]) writeFileSync(join(folder, "slots", slot), "true");
    routed("v1", "app-1", "app-1 open to all");
    routed("v2", "app-2", "app-2 open to all");
    // No release: the routes alone are narrowed.
    routed("v2", "app-2", "app-2 for the office");
    expect(goBack("app-2", "app-1").status).toBe(0);
    expect(readFileSync(join(records(), "routes"), "utf8").trim().split("\n").at(-1)).toBe(
      "app-1 for the office",
    );
  });
});

describe("who deployed", () => {
  test("is the actor of a workflow or the user, and never more than a harmless word", () => {
    const evaluate = (actor: string) => {
      const text = `sh -c "DEPLOYED_BY=${deployedBy} env" | sed -n 's/^DEPLOYED_BY=//p'`;
      const { stdout } = spawnSync("sh", ["-c", text], {
        encoding: "utf8",
        env: { PATH: process.env.PATH ?? "", GITHUB_ACTOR: actor },
      });
      return stdout.trim();
    };
    expect(evaluate("octo-cat")).toMatch(/^octo-cat@[A-Za-z0-9.-]+$/);
    expect(evaluate("")).toMatch(/^[a-z0-9._-]+@[A-Za-z0-9.-]+$/);
    const nasty = fc.string({ unit: "binary-ascii" }).filter((text) => !text.includes("\0"));
    fc.assert(
      fc.property(nasty, (actor) => {
        expect(evaluate(actor)).toMatch(/^[A-Za-z0-9@._-]{1,100}$/);
      }),
      { numRuns: 30, examples: [["x'; touch /tmp/owned; '"], ['"$(id)"'], ["a\nb"], ["`id`"]] },
    );
  });
});
