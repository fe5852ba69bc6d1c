import { spawnSync } from "node:child_process";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { goBack } from "../../ops/back.ts";
import type { Backend } from "../../ops/backend.ts";
import { readDeployments, renderDeployments } from "../../ops/deployments.ts";
import { levelOf, logsScript, parseLine, sinceArgument } from "../../ops/logs.ts";
import { planRecovery } from "../../ops/plan.ts";
import { keptSlots, parseRecords, type ServiceState, versionOf } from "../../ops/records.ts";
import type { RunCommand } from "../../ops/run.ts";
import { deployment, host, object, resource, service } from "../unit/ops-fixtures.ts";

const record = {
  deployment_id: "20260128_143022_abc1234",
  environment: "production",
  service: "togather_app",
  version: "v1.0.0",
  git_commit: "abc1234567890abcdef",
  timestamp: "2026-01-28T14:30:22Z",
  deployed_by: "deploy-bot",
  image: "registry.example/app@sha256:00",
  slot: "togather_app-1",
  schema_version: 3,
  duration_seconds: 17.8,
  steps: { probe: 1.4, switch: 2 },
  outcome: "success" as const,
};
const { slot: _, ...shared } = record;
const state: ServiceState = {
  ...shared,
  system: "togather",
  version: "v1.1.0",
  active_slot: "togather_app-2",
  previous_slot: "togather_app-1",
  previous_slot_until: "2026-01-28T15:00:00Z",
};
const second = {
  ...record,
  deployment_id: "20260128_145000_def5678",
  version: "v1.1.0",
  slot: "togather_app-2",
};
const { outcome: __, ...unended } = { ...record, timestamp: "2026-01-28T16:00:00Z", slot: "" };
const open = { ...unended, tentative: false };

const files = (change: Partial<ServiceState> = {}) =>
  [
    "-- togather_app.history.jsonl",
    JSON.stringify(record),
    JSON.stringify(second),
    "-- togather_app.json",
    JSON.stringify({ ...state, ...change }),
    "-- togather_app.open.json",
    JSON.stringify(open),
    "",
  ].join("\n");

describe("the records of a host", () => {
  test("are read service by service", () => {
    const [records, ...others] = parseRecords(files());
    expect(others).toEqual([]);
    expect(records).toEqual({ service: "togather_app", state, open, history: [record, second] });
    expect(parseRecords("")).toEqual([]);
    expect(versionOf({ service: "togather_app", history: [record, second] }, "togather_app-1")).toBe(
      "v1.0.0",
    );
  });

  test("contain the kept slots: the previous one until its time is over, and the one in use after going back", () => {
    const at = Date.parse("2026-01-28T14:59:59Z");
    expect(keptSlots(parseRecords(files()), at)).toEqual(["togather_app-1"]);
    expect(keptSlots(parseRecords(files()), at + 1000)).toEqual([]);
    expect(keptSlots(parseRecords(files({ previous_slot_until: null })), at)).toEqual([]);
    const back = { outcome: "back" as const, active_slot: "togather_app-1", previous_slot: "togather_app-2" };
    expect(keptSlots(parseRecords(files({ ...back, previous_slot_until: null })), at)).toEqual([
      "togather_app-1",
    ]);
  });
});

describe("recovery", () => {
  const kept = object({ id: "1", uses: ["secret-1"] });
  const secret = (id: string) =>
    object({ kind: "secret", id, name: id, resource: "togather_app-jwt-secret" });
  const known = deployment([service("togather_app", { id: "2" })]);

  test("does not remove a kept slot and the objects that it uses", () => {
    const world = host([object({ id: "2" }), kept, secret("secret-1")], { kept: [kept.name] });
    expect(planRecovery(known, { hosts: [world], cloud: [] })).toEqual([]);
  });

  test("removes it when its time is over", () => {
    const world = host([object({ id: "2" }), kept, secret("secret-1")]);
    const actions = planRecovery(known, { hosts: [world], cloud: [] });
    expect(actions.map((action) => "object" in action && action.object.id)).toEqual(["1", "secret-1"]);
  });
});

/** A backend whose one host answers scripts so. */
function answering(answer: (script: string) => string): { backend: Backend; run: RunCommand } {
  const backend: Backend = {
    stack: "production",
    description: "the stack production",
    opsCommand: "npm run ops --",
    deployCommands: (key, version) => [`deploy ${key}=${version}`],
    lock: async () => undefined,
    removeLock: async () => undefined,
    read: async () => deployment([]),
    write: async () => undefined,
  };
  return { backend, run: async (_command, _args, { input = "" }) => answer(input) };
}

describe("deployments", () => {
  test("are shown in their order, one that has not ended among them", async () => {
    const { backend, run } = answering(() => files());
    const lines = await readDeployments(backend, "togather", run);
    expect(lines.map(({ version, outcome }) => [version, outcome])).toEqual([
      ["v1.0.0", "success"],
      ["v1.1.0", "success"],
      ["v1.0.0", "unfinished"],
    ]);
    expect(renderDeployments(lines)).toContain(
      "20260128_143022_abc1234  togather_app  v1.0.0   abc123456789  deploy-bot  2026-01-28T14:30:22Z  17.8",
    );
  });

  test("of a system without any: an error that lists the systems that have some", async () => {
    const { backend, run } = answering(() => files());
    await expect(readDeployments(backend, "mfa", run)).rejects.toThrow(
      'no deployment of "mfa" is recorded on the hosts of production; there are some of: togather',
    );
  });
});

describe("going back", () => {
  const back = (answer: string, change: Partial<ServiceState> = {}, newerSchema = false, schema = 3) => {
    const { backend, run } = answering((script) =>
      script.includes("release_run")
        ? answer
        : files(change).replace(
            JSON.stringify(second),
            JSON.stringify({ ...second, schema_version: schema }),
          ),
    );
    return goBack(backend, "togather", undefined, { newerSchema, startedMs: performance.now(), run });
  };

  test("reports both slots, and the commands that update the configuration", async () => {
    const report = await back("drained after 0.500\n");
    expect(report).toMatchObject({
      from: { slot: "togather_app-2", version: "v1.1.0" },
      to: { slot: "togather_app-1", version: "v1.0.0" },
    });
    expect(report.secondsToDrained - report.secondsToServing).toBeCloseTo(0.5);
    expect(report.next.join("\n")).toContain("deploy togather:app.version=v1.0.0");
  });

  test("is impossible when the slot is deleted: the error says how to go back by a release", async () => {
    const failed = back("missing: is gone\n");
    await expect(failed).rejects.toThrow("the previous slot, togather_app-1, is gone. Go back by releasing");
    await expect(failed).rejects.toThrow("togather:app.version=v1.0.0");
    await expect(back("", { previous_slot: null })).rejects.toThrow("there is no previous slot");
  });

  test("to a slot that expects an older schema is refused with the options, until one is chosen", async () => {
    await expect(back("drained after 0.500\n", {}, false, 4)).rejects.toThrow(
      `togather_app: v1.0.0 expects schema version 3, and what serves has brought the database to 4. Nothing was changed. Ways:
  1. keep the newer schema. Right when its migrations only added: the old code does not notice.
      npm run ops -- back togather --newer-schema --stack production
  2. the same, then reverse the migrations (what they added is lost):
      npm run ops -- reverse-migration togather --to 3 --stack production`,
    );
    await expect(back("drained after 0.500\n", {}, true, 4)).resolves.toMatchObject({
      to: { version: "v1.0.0" },
    });
  });

  test("of a worker that is released with the app names the app's version, and the worker to return to", async () => {
    const { backend, run } = answering((script) =>
      script.includes("release_run")
        ? "drained after 0.500\n"
        : files() + files().replaceAll("togather_app", "togather_worker"),
    );
    const pulled = deployment([resource("command:local:Command", "togather_app-pull", { id: "1" })]);
    const report = await goBack({ ...backend, read: async () => pulled }, "togather", "worker", { run });
    expect(report.service).toBe("togather_worker");
    expect(report.next.join("\n")).toContain("deploy togather:app.version=v1.0.0");
    expect(report.next.at(-1)).toBe("To return to v1.1.0: npm run ops -- back togather worker");
  });

  test("does not wait for a running deploy: the error names the lock's owner and age", async () => {
    const { backend, run } = answering(() => files());
    const since = new Date(Date.now() - 90_000).toISOString();
    const lock = { owner: "ann@laptop", host: "laptop", pid: 4711, since, operation: "up" };
    const locked = goBack({ ...backend, lock: async () => lock }, "togather", undefined, { run });
    await expect(locked).rejects.toThrow(/is locked by ann@laptop \(process 4711, up\) for 9\d s/);
  });
});

describe("logs", () => {
  test.each([
    ['{"level":"error","msg":"x"}', 6, "ERROR"],
    ['{"level":"ERROR","msg":"x"}', 6, "ERROR"],
    ['{"severity":"Warning"}', 6, "WARN"],
    ['{"level":50,"msg":"pino"}', 6, "ERROR"],
    ['{"level":30,"msg":"pino"}', 3, "INFO"],
    ['{"time":"2026-01-28T14:30:22Z","status":502}', 6, "INFO"],
    ["2026/11/21 15:08:53 [notice] 97#97: exit", 3, "INFO"],
    ["2026/11/21 15:08:53 [error] 97#97: *1 connect() failed", 3, "ERROR"],
    ["2026-11-21 15:08:53.120 UTC [42] LOG:  checkpoint complete", 3, "INFO"],
    ["2026-11-21 15:08:53.120 UTC [42] FATAL:  the database system is starting up", 3, "ERROR"],
    ["[WARN] slow query", 6, "WARN"],
    ["SUCCESS deployed", 6, "INFO"],
    ["    at Server.listen (node:net:1)", 3, "ERROR"],
    ["listening", 6, "INFO"],
    ['{"level": broken', 6, "INFO"],
  ] as const)("the level of %s on priority %i is %s", (message, priority, level) => {
    expect(levelOf(message, priority)).toBe(level);
  });

  test("a line passes the host's pipe unchanged", () => {
    fc.assert(
      fc.property(
        fc.string({ unit: "grapheme" }).filter((text) => !text.includes("\0")),
        (message) => {
          const written = JSON.stringify({ MESSAGE: message });
          const { stdout } = spawnSync("jq", ["--raw-output", "[.MESSAGE] | @tsv"], {
            input: written,
            encoding: "utf8",
          });
          const line = parseLine(`1795273728212407\ttogather_app-1.1.abc\t6\t${stdout.slice(0, -1)}`);
          expect(line).toMatchObject({ time: "2026-11-21T15:08:48.212Z", slot: "togather_app-1", message });
        },
      ),
      { numRuns: 40 },
    );
    expect(parseLine("what ssh says")).toBeUndefined();
  });

  test.each([
    ["1h", "-1h"],
    ["90s", "-90s"],
    ["2026-01-28T14:30:22Z", "@1769610622"],
  ])("--since %s", (since, argument) => {
    expect(sinceArgument(since)).toBe(argument);
  });

  test("invalid arguments never reach a shell", () => {
    for (const since of ["yesterday", "1h'; reboot '", "", "2026-99-99"])
      expect(() => sinceArgument(since), since).toThrow("use 30s, 15m, 2h or 3d");
    for (const system of ["x y", "$(id)", "a;b"]) expect(() => logsScript({ system, since: "1h" })).toThrow();
    expect(() => logsScript({ system: "togather", service: "app'", since: "1h" })).toThrow();
  });
});
