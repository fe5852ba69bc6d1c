import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import type { Recording } from "../conformance/format.ts";
import { labEngine } from "../conformance/lab-engine.ts";
import { compareWithRecording, runScenario } from "../conformance/runner.ts";
import { scenarioNamed } from "../conformance/scenarios/index.ts";

const recorded = join(import.meta.dirname, "..", "conformance", "recorded");
const recordings = readdirSync(recorded)
  .filter((file) => file.endsWith(".json"))
  .map((file) => JSON.parse(readFileSync(join(recorded, file), "utf8")) as Recording);

// A phase starts a program and takes about a second on an idle machine; the longest scenarios have six.
// Several run beside each other, on a machine that may be busy with other things.
const timeoutMilliseconds = 300_000;

describe("the lab's engine takes the same steps as the recorded real one", () => {
  test("there are recordings", () => {
    expect(recordings.length).toBeGreaterThan(0);
  });

  test.concurrent.each(recordings.map((recording) => [recording.scenario, recording] as const))(
    "%s",
    async (name, recording) => {
      const workDir = mkdtempSync(join(tmpdir(), "engine-conformance-"));
      const engine = labEngine(workDir);
      try {
        const outcomes = await runScenario(scenarioNamed(name), engine, join(workDir, "world.json"));
        expect(compareWithRecording(recording, outcomes)).toEqual([]);
      } finally {
        await engine.close();
        rmSync(workDir, { recursive: true });
      }
    },
    timeoutMilliseconds,
  );
});
