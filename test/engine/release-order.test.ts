import { spawnSync } from "node:child_process";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { readScript } from "../../components/host/command.ts";
import { shellQuote } from "../../components/host/connection.ts";
import { type ReleaseStep, recorded } from "../../components/release/record.ts";
import { backScript } from "../../ops/back.ts";

/**
 * The order in which the slots of a service stop and start: the real scripts in a real bash. Docker is replaced by a script with a
 * folder that has the number of tasks of each slot, all healthy at once unless `unfit` lists the slot.
 */
const service = `unit_sync${process.pid}`;
const scripts = new URL("../../components/release/", import.meta.url).href;
let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "berth-order-"));
  for (const name of ["bin", "tasks"]) mkdirSync(join(folder, name));
  const docker = `#!/bin/bash
cd ${shellQuote(join(folder, "tasks"))}
slot_of() { for word in "$@"; do case $word in label=*swarm.service.name=*) echo "\${word##*=}" ;; esac; done; }
case "$*" in
  "image inspect"*) echo abc1234 ;;
  "service ls"*) ls ;;
  "service inspect --format {{.Spec.Name}}"*) shift 4; printf '%s\\n' "$@" ;;
  "service inspect --format {{with"* | "service inspect --format {{.Spec.Mode"*) cat "$5" 2>/dev/null ;;
  "service inspect --format {{index"*) echo true ;;
  "service inspect"*) [ -e "$3" ] ;;
  "service scale"*) echo "\${4#*=}" >"\${4%=*}"; echo "$4" >>../calls ;;
  "ps --quiet"*) slot=$(slot_of "$@"); for ((i = 0; i < $(cat "$slot"); i++)); do echo "$slot"; done ;;
  "inspect --format {{with .State.Health}}"*) shift 3; for each in "$@"; do grep -qxF "$each" ../unfit && echo unhealthy || echo healthy; done ;;
  "inspect --format {{.State.Status}}"*) grep -qxF "$4" ../unfit && echo "running, unhealthy" || echo "running, healthy" ;;
esac
`;
  const programs = { docker, sudo: '#!/bin/sh\nexec "$@"\n', sleep: "#!/bin/sh\nexec /bin/sleep 0.01\n" };
  for (const [name, text] of Object.entries(programs)) {
    writeFileSync(join(folder, "bin", name), text);
    chmodSync(join(folder, "bin", name), 0o755);
  }
  writeFileSync(join(folder, "unfit"), "");
});
afterEach(() => {
  rmSync(folder, { recursive: true });
  rmSync(`/run/lock/berth-records-${service}`, { force: true });
});

function bash(text: string) {
  const whole = `${readScript(scripts, "../host/scripts/common.sh")}\nmain() {\n${text}\n}\nmain </dev/null\n`;
  const env = { ...process.env, PATH: `${join(folder, "bin")}:${process.env.PATH}` };
  const { status, stderr } = spawnSync("bash", ["-s"], { input: whole, encoding: "utf8", env });
  return { status, stderr };
}

const takeOver = readScript(scripts, "./scripts/take-over.sh");

/** A step of a release of one task: the probe's own way to start a slot, or a take-over. */
function step(name: ReleaseStep, slot: string, order: "start-first" | "stop-first", body: string) {
  const { script, parameters } = recorded(
    {
      ...{ system: "unit", service, environment: "production", keepPreviousMinutes: 10, releaseAgain: false },
      image: {
        name: "unit/sync",
        version: slot,
        reference: `registry.example/sync:${slot}`,
        allowRoot: false,
      },
      starts: { order, tasks: 1 },
    },
    name,
    slot,
    {
      connection: undefined as never,
      script: body,
      deadlineSeconds: 60,
      parameters: { SLOT: slot, REPLICAS: 1, WATCH_SECONDS: 1 },
    },
  );
  const folders = {
    RELEASE_RECORDS: join(folder, "records"),
    RELEASE_LOGS: join(folder, "log", "deployments"),
  };
  const values = Object.entries({ ...parameters, ...folders }).map(
    ([key, value]) => `${key}=${shellQuote(String(value))}`,
  );
  // The timer must not be installed on the machine that runs this test.
  const run = script.replace(/release_run\n$/, "slot_timer_install() { :; }\nrelease_run\n");
  return bash(`${values.join("\n")}\n${run}`);
}

function release(slot: string, order: "start-first" | "stop-first", probe = ":") {
  writeFileSync(join(folder, "tasks", slot), order === "stop-first" ? "0\n" : "1\n");
  const probed = step("probe", slot, order, `slot_start "$SLOT" "$REPLICAS"\n${probe}\nslot_note_gap`);
  return probed.status === 0 ? step("switch", slot, order, takeOver) : probed;
}

/** What was scaled since the last call, in order: `slot=tasks`. */
function scaled(): string[] {
  const path = join(folder, "calls");
  if (!existsSync(path)) return [];
  const calls = readFileSync(path, "utf8").trim().split("\n");
  rmSync(path);
  return calls;
}
const tasksOf = (slot: string) => Number(readFileSync(join(folder, "tasks", slot), "utf8"));
const record = () =>
  JSON.parse(readFileSync(join(folder, "records", `${service}.json`), "utf8")) as Record<string, unknown>;

describe("stop-first", () => {
  beforeEach(() => {
    expect(release("one", "stop-first")).toEqual({ status: 0, stderr: "" });
    expect(scaled()).toEqual(["one=1"]);
  });

  test("the old slot stops before the new one starts", () => {
    expect(release("two", "stop-first").status).toBe(0);
    expect(scaled()).toEqual(["one=0", "two=1"]);
    expect(record()).toMatchObject({ active_slot: "two", previous_slot: "one", outcome: "success" });
    const logs = join(folder, "log", "deployments");
    const said = readdirSync(logs).map((name) => readFileSync(join(logs, name), "utf8"));
    expect(said.filter((log) => /"nothing of unit_sync\d+ ran for \d+\.\d s"/.test(log))).toHaveLength(1);
  });

  test("the old one runs again when the new one is not healthy", () => {
    const { status, stderr } = release("two", "stop-first", 'fail "not healthy"');
    expect([status, stderr]).toEqual([1, "not healthy\n"]);
    expect(scaled()).toEqual(["one=0", "two=1", "two=0", "one=1"]);
    expect(record()).toMatchObject({ active_slot: "one" });
  });

  test("the old one runs again when the new one does not stay healthy, and the same switch starts it anew", () => {
    writeFileSync(join(folder, "tasks", "two"), "0\n");
    expect(step("probe", "two", "stop-first", 'slot_start "$SLOT" "$REPLICAS"').status).toBe(0);
    expect(step("switch", "two", "stop-first", 'fail "died"').status).toBe(1);
    expect([tasksOf("one"), tasksOf("two")]).toEqual([1, 0]);
    scaled();
    // Pulumi does the probe, which has succeeded, not again.
    expect(step("switch", "two", "stop-first", takeOver).status).toBe(0);
    expect(scaled()).toEqual(["one=0", "two=1"]);
  });

  test("the old one also runs again after a probe that its deadline ends", () => {
    expect(release("two", "stop-first", "kill -TERM $$; exec /bin/sleep 2").status).not.toBe(0);
    expect([tasksOf("one"), tasksOf("two")]).toEqual([1, 0]);
  });

  test("going back stops one slot and starts the other", () => {
    expect(release("two", "stop-first").status).toBe(0);
    scaled();
    const saved = join(folder, "records", `${service}.slots`);
    const script = backScript(service, "two", "one").replace(/^SAVED=.*$/m, `SAVED=${shellQuote(saved)}`);
    const env = { ...process.env, PATH: `${join(folder, "bin")}:${process.env.PATH}` };
    const { status, stderr } = spawnSync("bash", ["-s"], { input: script, encoding: "utf8", env });
    expect([status, stderr]).toEqual([0, ""]);
    expect(scaled().slice(0, 2)).toEqual(["two=0", "one=1"]);
    expect([tasksOf("one"), tasksOf("two")]).toEqual([1, 0]);
    expect(record()).toMatchObject({ active_slot: "one", outcome: "back" });
  });
});

describe("start-first, without routes", () => {
  beforeEach(() => {
    expect(release("one", "start-first").status).toBe(0);
    scaled();
  });

  test("the old slot stops when the new one has taken over", () => {
    expect(release("two", "start-first").status).toBe(0);
    expect(scaled()).toEqual(["one=0"]);
  });

  test("a new slot that does not stay healthy is stopped, and the old one never stops", () => {
    writeFileSync(join(folder, "tasks", "two"), "1\n");
    const unfit = `echo two >>${shellQuote(join(folder, "unfit"))}\n${takeOver}`;
    const { status, stderr } = step("switch", "two", "start-first", unfit);
    expect(status).toBe(1);
    expect(stderr).toMatch(
      /^two was healthy and did not stay so \(running, unhealthy\); the slot of before goes on/,
    );
    expect(scaled()).toEqual(["two=0"]);
    expect(tasksOf("one")).toBe(1);
  });
});
