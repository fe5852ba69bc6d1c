import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { beforeEach, describe, expect, test } from "vitest";
import { deployedBy } from "../../components/host/command.ts";
import {
  beforeEachNewHost,
  command,
  folder,
  history,
  type Line,
  lines,
  logs,
  records,
  release,
  service,
  state,
  tasks,
} from "./release-host.ts";

beforeEachNewHost();

const log = (id: unknown) => lines(join(logs(), `${String(id)}.log`));

const isOpen = () => existsSync(join(records(), `${service}.open.json`));

describe("a slot that was found healthy and never switched to", () => {
  const probe = (slot: string) => {
    writeFileSync(join(folder, "slots", slot), "");
    return command({ step: "probe", version: "v2.0.0", slot });
  };

  beforeEach(() => {
    mkdirSync(join(folder, "edge"));
    release("v1.0.0", "app-1");
  });

  test("stops when the next one is healthy; what serves goes on", () => {
    expect(probe("app-2").status).toBe(0);
    expect([tasks("app-1"), tasks("app-2")]).toEqual([1, 1]);
    expect(probe("app-3").status).toBe(0);
    expect([tasks("app-1"), tasks("app-2"), tasks("app-3")]).toEqual([1, 0, 1]);
  });

  test("goes on where a route leads to it, whatever the record says", () => {
    probe("app-2");
    writeFileSync(join(folder, "edge", "app.conf"), "server app-2:8080 resolve;\n");
    probe("app-3");
    expect([tasks("app-1"), tasks("app-2"), tasks("app-3")]).toEqual([1, 1, 1]);
  });
});

describe("a deployment", () => {
  test("starts with the pull, and gets the image's commit once it is pulled", () => {
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

  test("whose pull fails is recorded without a commit", () => {
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

  test("contains the previous slot, also when only a secret is rotated", () => {
    release("v1.0.0", "app-1");
    writeFileSync(join(folder, "slots", "app-2"), "");
    command({ step: "probe", slot: "app-2" });
    command({ step: "switch", slot: "app-2" });
    expect(state()).toMatchObject({ active_slot: "app-2", previous_slot: "app-1", version: "v1.0.0" });
    expect(Object.keys(history()[1]?.steps as object)).toEqual(["probe", "switch"]);
  });

  test("that fails ends: the state is unchanged, the history has the reason, without the secret", () => {
    release("v1.0.0", "app-1");
    command({ step: "snapshot", version: "v2" });
    const failed = command({
      step: "probe",
      version: "v2",
      slot: "app-2",
      body: "printf 'connect: DATABASE_URL=postgres://u:hunter2@h/d\\nsecond line\\n' >&2\nexit 3",
    });
    expect(failed.status).toBe(3);
    // Pulumi shows the command's own output.
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

  test("that another run has taken over is completed by that run", () => {
    const open = join(records(), `${service}.open.json`);
    const body = `jq --compact-output '.token = "another"' ${open} >${open}.new && mv ${open}.new ${open}\nexit 1`;
    expect(command({ step: "migration", version: "v1", body }).status).toBe(1);
    expect(JSON.parse(readFileSync(open, "utf8"))).toMatchObject({ token: "another", steps: {} });
    expect(history()).toEqual([]);
  });

  test("is not recorded when only replicas, routes or snapshot settings change", () => {
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

  test("that cannot be recorded continues", () => {
    writeFileSync(join(folder, "log"), "no folder");
    const run = command({ step: "probe", slot: "app-1", body: "echo worked" });
    expect(run).toMatchObject({ status: 0, stdout: "worked\n" });
  });

  test("keeps a command's exit code and EXIT trap", () => {
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

describe("who deployed", () => {
  test("is the workflow's actor or the user, and contains only safe characters", () => {
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
