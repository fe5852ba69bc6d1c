import { fork } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { breakLock, createEngine, readState } from "../../lab/pulumi/engine/index.ts";
import type { EngineEvent, EngineRun } from "../../lab/pulumi/engine/run.ts";
import { stackType } from "../../lab/pulumi/engine/urn.ts";
import { Secret } from "../../lab/pulumi/engine/values.ts";
import { provideInProcess } from "../../lab/pulumi/providers/serve.ts";
import { testingProvider } from "../conformance/testing-provider.ts";
import { World } from "../conformance/world.ts";

const projectDir = join(import.meta.dirname, "engine-program");
const canary = "canary-8f1e0c5b77";
const timeoutMilliseconds = 60_000;

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "engine-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

const stateFile = () => join(folder, "state.json");
const engine = () =>
  createEngine({
    launch: async () => provideInProcess(testingProvider({ worldFile: join(folder, "world.json") })),
  });

function run(program: string, extra: Partial<EngineRun> = {}): EngineRun {
  return {
    projectDir,
    project: "engine",
    stack: "dev",
    config: { "engine:program": program, "engine:password": canary },
    secretKeys: ["engine:password"],
    stateFile: stateFile(),
    passphrase: "passphrase",
    owner: "test@here",
    ...extra,
  };
}

/** The outputs of the stack, as recorded. */
const stackOutputs = () =>
  readState(stateFile(), "passphrase").resources.find(({ type }) => type === stackType)?.outputs;

const short = (urn: string | undefined) => urn?.split("::").at(-1);

describe("secrets", () => {
  test("stay secret from the configuration to the state, the events and the outputs", {
    timeout: timeoutMilliseconds,
  }, async () => {
    const events: EngineEvent[] = [];
    const result = await engine().up(run("secrets", { onEvent: (event) => events.push(event) }));
    expect(result.diagnostics).toContainEqual({ severity: "info", message: "the password is [secret]" });
    expect(result.ok).toBe(true);
    expect(stackOutputs()).toEqual({ outputs: new Secret(`postgres://u:${canary}@h`) });
    expect(JSON.stringify([events, result])).not.toContain(canary);
    expect(readFileSync(stateFile(), "utf8")).not.toContain(canary);
    const failed = await engine().up(run("secret-in-an-error"));
    expect(failed.ok).toBe(false);
    expect(JSON.stringify(failed)).toContain("[secret]");
    expect(JSON.stringify(failed)).not.toContain(canary);
  });
});

test("a hook reads a secret output and says what it may, in the run that made it and in no other", {
  timeout: timeoutMilliseconds,
}, async () => {
  const said = `done 1f\n${JSON.stringify({ source: "redis mfa_redis", id: "1a", written: "2026-01-28T02:00:00Z", rows: 7, rpoSeconds: 5, rtoSeconds: 1 })}`;
  const config = { "engine:program": "secret-in-a-hook", "engine:said": said };
  const words =
    "redis mfa_redis: restored from backup 1a of 2026-01-28T02:00:00Z: 7 keys when it was written; RPO 5 s, RTO 1 s";
  const first = await engine().up(run("", { config, secretKeys: [] }));
  expect(first.ok, JSON.stringify(first.diagnostics)).toBe(true);
  expect(first.diagnostics).toContainEqual({ severity: "warning", message: words });
  const second = await engine().up(run("", { config, secretKeys: [] }));
  expect(second).toMatchObject({ ok: true, diagnostics: [], steps: [] });
});

/** As step_generator.go and step.go (ImportStep) of Pulumi 3.256 have it: import, then what the difference asks for. */
describe("the option import", { timeout: 3 * timeoutMilliseconds }, () => {
  const own = () => ({ stateFile: join(folder, "own.json") });
  const steps = async (program: string) => {
    const { ok, steps } = await engine().up(run(program, own()));
    return [ok, ...steps.map(({ op, urn }) => `${op} ${short(urn)}`)];
  };
  const recorded = () =>
    JSON.parse(readFileSync(own().stateFile, "utf8")).deployment.resources.at(-1) as Record<string, unknown>;
  beforeEach(async () => expect((await engine().up(run("original"))).ok).toBe(true));

  test("imports the existing resource and updates it to the declared inputs; a second run changes nothing", async () => {
    const preview = await engine().preview(run("import", own()));
    expect(preview.steps.map(({ op }) => op)).toContain("import");
    expect(await steps("import")).toEqual(
      expect.arrayContaining([true, "import imported", "update imported"]),
    );
    expect(recorded()).toMatchObject({ id: "original-1", importID: "original-1", outputs: { value: "new" } });
    expect(await steps("import")).toEqual([true]);
    expect(await steps("imported")).toEqual([true]);
    expect(recorded()).not.toHaveProperty("importID");
  });

  test("does not change the properties in ignoreChanges", async () => {
    const taken = await steps("import-as-it-is");
    expect(taken).toContain("import imported");
    expect(taken).not.toContain("update imported");
    expect(recorded()).toMatchObject({ id: "original-1", outputs: { value: "old" } });
    expect(await steps("imported")).toEqual([true, "update imported"]);
  });

  test("fails when the resource does not exist, and records nothing", async () => {
    const { ok, diagnostics } = await engine().up(run("import-missing", own()));
    expect(ok).toBe(false);
    expect(diagnostics.map(({ message }) => message).join()).toContain("resource 'some-id' does not exist");
    expect(recorded().type).not.toBe("testing:index:Thing");
  });

  test("with another id than the recorded one is refused", async () => {
    await steps("import");
    const { ok, diagnostics } = await engine().up(run("import-another", own()));
    expect(ok).toBe(false);
    expect(diagnostics.map(({ message }) => message).join()).toContain(
      "does not support the option import in the place of what a resource is already",
    );
  });
});

describe("unsupported features", () => {
  test.each([
    ["transforms", "transforms"],
    ["error-hooks", "error hooks"],
    ["get", "the lab's engine does not support reading existing resources"],
    ["asset", "the lab's engine does not support assets and archives"],
    ["replace-with", "ReplaceWith"],
  ])("%s is refused by name", { timeout: timeoutMilliseconds }, async (program, message) => {
    const result = await engine().up(run(program));
    expect(result.ok).toBe(false);
    expect(result.diagnostics.map((diagnostic) => diagnostic.message).join("\n")).toContain(message);
  });
});

describe("the program", () => {
  test("reports what it prints, and its failure, once", { timeout: timeoutMilliseconds }, async () => {
    const result = await engine().up(run("throws"));
    expect(result.ok).toBe(false);
    const errors = result.diagnostics.filter(({ severity }) => severity === "error");
    expect(errors).toHaveLength(1);
    expect(errors[0]?.message).toContain("no such thing");
    expect(readState(stateFile(), "passphrase").pendingOperations).toEqual([]);
  });

  test("registers its outputs, and ends by itself, when a resource fails before them", {
    timeout: timeoutMilliseconds,
  }, async () => {
    const result = await engine().up(run("late-outputs"));
    expect(result.ok).toBe(false);
    expect(stackOutputs()).toEqual({ outputs: "said" });
    expect(result.diagnostics).toContainEqual({ severity: "info", message: "ended by itself" });
  });

  test("ends with the engine, however the engine ends", { timeout: timeoutMilliseconds }, async () => {
    const pidFile = join(folder, "pid");
    const script = fileURLToPath(new URL("../conformance/lab-engine-process.ts", import.meta.url));
    const child = fork(script, { execArgv: [], stdio: ["ignore", "inherit", "inherit", "ipc"] });
    const labRun = run("hangs", { env: { PID_FILE: pidFile } });
    child.send({ command: "up", worldFile: join(folder, "world.json"), run: labRun });
    while (!existsSync(pidFile)) await sleep(20);
    await sleep(100);
    const pid = Number(readFileSync(pidFile, "utf8"));
    const alive = () => {
      try {
        return process.kill(pid, 0);
      } catch {
        return false;
      }
    };
    expect(alive()).toBe(true);
    child.kill("SIGKILL");
    await once(child, "exit");
    // A busy machine may take long to end a process.
    for (let i = 0; i < 500 && alive(); i += 1) await sleep(20);
    expect(alive()).toBe(false);
    await expect(engine().up(run("things"))).rejects.toThrow("the deploy lock is stale: test@here");
    breakLock(stateFile());
    expect((await engine().up(run("things"))).ok).toBe(true);
  });
});

describe("the state", () => {
  test("is not changed by a preview, and interrupted operations are reported", {
    timeout: timeoutMilliseconds,
  }, async () => {
    const preview = await engine().preview(run("things"));
    expect(preview.steps.map(({ op, urn }) => `${op} ${short(urn)}`)).toContain("create b");
    expect(existsSync(stateFile())).toBe(false);
    await engine().up(run("things"));
    const before = readFileSync(stateFile(), "utf8");
    expect((await engine().preview(run("things-changed"))).ok).toBe(true);
    expect(readFileSync(stateFile(), "utf8")).toBe(before);
  });

  test("is compared with what exists by a preview that refreshes, which says what up would put back and records nothing", {
    timeout: 2 * timeoutMilliseconds,
  }, async () => {
    await engine().up(run("things"));
    const recorded = readFileSync(stateFile(), "utf8");
    const steps = async (more: Partial<EngineRun>) => {
      const { ok, steps } = await engine().preview(run("things", more));
      return [ok, ...steps.map(({ op, urn }) => `${op} ${short(urn)}`)];
    };
    expect(await steps({ refresh: true })).toEqual([true]);
    new World(join(folder, "world.json")).apply({ set: "a", outputs: { value: "by hand" } });
    expect(await steps({})).toEqual([true]);
    expect(await steps({ refresh: true })).toEqual([true, "update a", "update b"]);
    new World(join(folder, "world.json")).apply({ remove: "a" });
    const gone = await steps({ refresh: true });
    expect(gone).toEqual([true, "create a", "update b"]);
    expect(readFileSync(stateFile(), "utf8")).toBe(recorded);
    // The steps of the two runs that it stands for.
    await engine().refresh(run("things"));
    expect(await steps({})).toEqual(gone);
    expect((await engine().up(run("things"))).ok).toBe(true);
    expect(await steps({ refresh: true })).toEqual([true]);
  });

  test("shows no change right after an up; components, providers and ignoreChanges included", {
    timeout: timeoutMilliseconds,
  }, async () => {
    expect((await engine().up(run("everything"))).ok).toBe(true);
    const again = await engine().preview(run("everything"));
    expect(again.steps).toEqual([]);
    expect(again.ok).toBe(true);
    const refreshed = await engine().refresh(run("everything"));
    expect(refreshed).toMatchObject({ ok: true, steps: [] });
    const destroyed = await engine().destroy(run("everything"));
    expect(destroyed.ok).toBe(false);
    expect(JSON.stringify(destroyed.diagnostics)).toContain("cannot be deleted because it is protected");
    const forced = await engine().destroy(run("everything", { ignoreProtect: true }));
    expect(forced.ok).toBe(true);
    expect(readState(stateFile(), "passphrase").resources).toEqual([]);
  });
});
