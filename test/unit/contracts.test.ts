/** The lab's providers compared with recordings of the real plugins: test/contracts/README.md. */
import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { isAccepted, said } from "../contracts/accepted.ts";
import { openBackend } from "../contracts/backends.ts";
import { service } from "../contracts/cases/docker.ts";
import { contracts } from "../contracts/cases/index.ts";
import { readRecording } from "../contracts/files.ts";
import { type DiffAnswer, succeeded } from "../contracts/format.ts";
import { compareLives, compareTakeover, type FoundDifference } from "../contracts/lab.ts";
import { runProgram } from "../program/support.ts";

const open = (found: readonly FoundDifference[]) => found.filter((each) => !isAccepted(each)).map(said);

describe.concurrent.each(contracts)("$type", (type) => {
  test("treats a state that the real plugin wrote as the real plugin does", async () => {
    expect(open(await compareTakeover(type, readRecording(type.type)))).toEqual([]);
  });

  test("checks, creates, reads, changes and deletes as the real plugin does", async (context) => {
    const backend = await openBackend(type.plugin, {});
    if (backend === undefined) {
      const reason = `${type.plugin} needs an engine of its own: node test/contracts/check.ts`;
      process.stdout.write(`skipped: ${type.type}: ${reason}\n`);
      return context.skip(reason);
    }
    try {
      expect(open(await compareLives(type, readRecording(type.type), backend))).toEqual([]);
    } finally {
      await backend.close();
    }
  });
});

describe("scaling a slot", () => {
  const { cases } = readRecording(service.type);
  const ofTheTask = (name: string, change: string) => {
    const diff = cases[name]?.changes[change]?.diff;
    if (!succeeded<DiffAnswer>(diff)) throw new Error(`"${name}", ${change}: not recorded`);
    const named = [...diff.changedKeys, ...diff.replaceKeys, ...Object.keys(diff.detailed ?? {})];
    return named.filter((path) => path.startsWith("taskSpec"));
  };

  test.each(["two replicas", "no replica", "a label"])("has no diff in the task: %s", (change) => {
    expect(ofTheTask("a slot", change)).toEqual([]);
  });

  test.each(["two replicas", "a label"])("would replace it without its sysctl: %s", (change) => {
    expect(ofTheTask("a slot without a sysctl", change)).toContain("taskSpec.containerSpec.sysctl");
  });

  test("is compared for a slot as the program declares it", async () => {
    const program = await runProgram("production");
    const { inputs } = program.find(service.type, "togather_app");
    const asked = service.cases.find(({ name }) => name === "a slot")?.inputs({}) ?? {};
    type Parts = { taskSpec: { containerSpec: Record<string, unknown> } };
    const parts = (of: object) => {
      const { taskSpec } = of as Parts;
      return [of, taskSpec, taskSpec.containerSpec].map((part) => Object.keys(part).sort());
    };
    expect(parts(inputs)).toEqual(parts(asked));
    const { init, sysctl } = (asked as unknown as Parts).taskSpec.containerSpec;
    expect((inputs as Parts).taskSpec.containerSpec).toMatchObject({ init, sysctl });
  });
});

test("a tmpfs mount is the same after a refresh as the program writes it, and would not be with a sticky bit", async () => {
  const { cases } = readRecording(service.type);
  expect(cases["a service that stays"]?.unchangedAfterRead).toMatchObject({ changes: "none" });
  expect(cases["a service with a sticky bit"]?.unchangedAfterRead).toMatchObject({ changes: "some" });
  const program = await runProgram("production");
  const { taskSpec } = program.find(service.type, "togather_postgres").inputs as {
    taskSpec: { containerSpec: { mounts: { tmpfsOptions?: { mode: number } }[] } };
  };
  const modes = taskSpec.containerSpec.mounts.flatMap(({ tmpfsOptions }) => tmpfsOptions?.mode ?? []);
  expect(modes).toEqual([0o777]);
});

test("every type that the program registers is recorded", () => {
  const registered = new Set(
    ["development", "production", "staging"].flatMap((stack) => {
      const file = new URL(`../program/registered/${stack}.txt`, import.meta.url);
      // Components, Pulumi's own, and what Pulumi's host for dynamic providers runs: the same code in the lab.
      return readFileSync(file, "utf8").match(/^(?!berth:|pulumi:|pulumi-nodejs:)\S+:\S+:\S+/gm) ?? [];
    }),
  );
  expect([...registered].sort()).toEqual(contracts.map(({ type }) => type).sort());
});
