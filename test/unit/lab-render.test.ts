import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import { runPhases, seconds } from "../../lab/render/phases.ts";
import { StepProgress, shortName, stepCounts } from "../../lab/render/steps.ts";
import { table } from "../../lab/render/table.ts";

const urn =
  "urn:pulumi:production::berth::berth:index:System$berth:data:Postgres$docker:index/service:Service::togather_postgres";
const system = "urn:pulumi:production::berth::berth:index:System::togather";

describe("phases without a terminal", () => {
  test("print the running phase, the next one, and their end", async () => {
    const lines: string[] = [];
    const times = await runPhases(
      [
        { title: "First", run: async (progress) => progress("doing it") },
        { title: "Second", run: async () => undefined },
      ],
      { live: false, write: (line) => lines.push(line.replace(/\d+\.\d s/, "T")) },
    );
    expect(lines).toEqual([
      "[1/2] First (next: Second)",
      "[1/2]   T  doing it",
      "[1/2]   T  done: First",
      "[2/2] Second",
      "[2/2]   T  done: Second",
    ]);
    expect(times.map(({ title }) => title)).toEqual(["First", "Second"]);
  });

  test("a phase without output prints that it still runs, and fast progress is printed once a second", async () => {
    const lines: string[] = [];
    await runPhases(
      [
        {
          title: "Quiet",
          async run(progress) {
            for (let n = 0; n < 50; n += 1) progress(`[${n} done] step`);
            await sleep(700);
          },
        },
      ],
      { live: false, write: (line) => lines.push(line), heartbeatSeconds: 0.3 },
    );
    expect(lines.filter((line) => line.includes("still:")).length).toBeGreaterThan(0);
    expect(lines.filter((line) => /\d s {2}\[/.test(line)).length).toBeLessThan(3);
  });

  test("the first failure ends them and is thrown unchanged", async () => {
    const lines: string[] = [];
    const failure = new Error("the reason");
    const run = runPhases(
      [
        { title: "Fails", run: () => Promise.reject(failure) },
        { title: "Never", run: async () => void lines.push("ran") },
      ],
      { live: false, write: (line) => lines.push(line) },
    );
    await expect(run).rejects.toBe(failure);
    expect(lines).not.toContain("ran");
    expect(lines.at(-1)).toContain("failed: Fails");
  });
});

describe("steps", () => {
  test("short names", () => {
    expect(shortName(urn)).toBe("docker:Service togather_postgres");
    expect(shortName("urn:pulumi:production::berth::pulumi:pulumi:Stack::berth-production")).toBe(
      "pulumi:Stack berth-production",
    );
  });

  test("the oldest step is shown, components are not", () => {
    const said: string[] = [];
    const progress = new StepProgress((message) => said.push(message));
    progress.onEvent({ kind: "step-started", op: "create", urn: system });
    progress.onEvent({ kind: "step-started", op: "create", urn });
    progress.onEvent({ kind: "step-started", op: "update", urn: `${urn}2` });
    progress.onEvent({ kind: "step-done", op: "create", urn, seconds: 1 });
    progress.onEvent({ kind: "step-failed", op: "update", urn: `${urn}2`, seconds: 2 });
    expect(said).toEqual([
      "starting the program",
      "[0 done] creating docker:Service togather_postgres",
      "[0 done, 1 beside] creating docker:Service togather_postgres",
      "[1 done] updating docker:Service togather_postgres2",
      "failed after 2.0 s: updating docker:Service togather_postgres2",
    ]);
  });

  test("counts", () => {
    expect(stepCounts([])).toBe("nothing to do");
    const step = { op: "create", urn, seconds: 1, failed: false } as const;
    expect(stepCounts([step, step, { ...step, failed: true }])).toBe("2 create, 1 create failed");
  });
});

test("durations and tables", () => {
  expect(seconds(3.21)).toBe("3.2 s");
  expect(seconds(132)).toBe("2 min 12 s");
  expect(
    table(
      ["name", "n"],
      [
        ["a", 1],
        ["bcdef", 22],
      ],
    ),
  ).toBe("name    n\na       1\nbcdef  22");
});
