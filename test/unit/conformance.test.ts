import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { stepsWithCause } from "../conformance/cause.ts";
import { recordedDeployment } from "../conformance/deployment.ts";
import type { ObservedStep, Recording } from "../conformance/format.ts";
import { compareSteps, recordSteps } from "../conformance/order.ts";
import { scenarios } from "../conformance/scenarios/index.ts";

const recorded = join(import.meta.dirname, "..", "conformance", "recorded");

const urn = (name: string) => `urn:pulumi:dev::conformance::testing:index:Thing::${name}`;

function step(op: string, name: string, startedAt: number, endedAt: number, failed = false): ObservedStep {
  return { op, urn: urn(name), failed, startedAt, endedAt };
}

describe("recordings", () => {
  test("every scenario is recorded, and nothing else is", () => {
    const names = readdirSync(recorded).map((file) => file.replace(/\.json$/, ""));
    expect(names.sort()).toEqual(scenarios.map((scenario) => scenario.name).sort());
  });

  test.each(scenarios)("$name: the recording has the scenario's phases and its origin", (scenario) => {
    const text = readFileSync(join(recorded, `${scenario.name}.json`), "utf8");
    const recording = JSON.parse(text) as Recording;
    expect(recording.phases.map((phase) => [phase.run, phase.outcome])).toEqual(
      scenario.phases.map((phase) => [phase.run, phase.expect]),
    );
    expect(recording.recordedWith.engine).toMatch(/^pulumi v?3\.\d+\.\d+$/);
    expect(recording.recordedWith.runs).toBeGreaterThanOrEqual(2);
    expect(text).not.toContain(join(import.meta.dirname, "..", ".."));
  });
});

describe("order", () => {
  const oneWay = [step("create", "a", 0, 1), step("create", "b", 2, 3), step("create", "c", 4, 5)];
  const otherWay = [step("create", "b", 0, 1), step("create", "a", 2, 3), step("create", "c", 4, 5)];

  test("only the order that holds in every run is kept, without derived pairs", () => {
    expect(recordSteps([oneWay]).map(({ after }) => after)).toEqual([[], [0], [1]]);
    expect(recordSteps([oneWay, otherWay]).map(({ after }) => after)).toEqual([[], [], [0, 1]]);
  });

  test("either order conforms; an overlap, a failure or another step does not", () => {
    const steps = recordSteps([oneWay, otherWay]);
    expect(compareSteps(steps, otherWay)).toEqual([]);
    const early = [...oneWay.slice(0, 2), step("create", "c", 2, 5)];
    expect(compareSteps(steps, early)).toEqual([
      `create ${urn("c")} started before create ${urn("b")} had ended`,
    ]);
    const failed = [...oneWay.slice(0, 2), step("create", "c", 4, 5, true)];
    expect(compareSteps(steps, failed)).toEqual([`create ${urn("c")}: should not have failed`]);
    expect(compareSteps(steps, [...oneWay, step("delete", "c", 6, 7)])).toEqual([
      `missing: none; not expected: delete ${urn("c")}`,
    ]);
  });

  test("an order without a cause is not required", () => {
    const urn = (name: string) => step("", name, 0, 0).urn;
    const resource = (name: string, ...dependencies: string[]) => ({
      urn: urn(name),
      inputs: {},
      outputs: {},
      dependencies: dependencies.map(urn),
    });
    const recording: Recording = {
      scenario: "made up",
      recordedWith: { engine: "none", sdk: "none", date: "2026-01-01", runs: 1 },
      phases: (["preview", "up"] as const).map((run) => ({
        run,
        variant: "v1",
        outcome: "ok",
        steps: recordSteps([[...oneWay, step("delete", "d", 6, 7), step("delete", "e", 8, 9)]]),
        same: [],
        summary: {},
        diagnostics: [],
        deployment: { resources: [resource("a"), resource("b"), resource("c", "a")], pendingOperations: [] },
        world: {},
      })),
    };
    expect(stepsWithCause(recording, 0).map(({ after }) => after)).toEqual([[], [], [], [], []]);
    expect(stepsWithCause(recording, 1).map(({ after }) => after)).toEqual([
      [],
      [],
      [0],
      [0, 1, 2],
      [0, 1, 2],
    ]);
  });

  test("two runs with different steps cannot be recorded", () => {
    expect(() => recordSteps([oneWay, oneWay.slice(1)])).toThrow(
      /different steps: missing: create .*Thing::a/,
    );
  });
});

test("a deployment is compared without times, random ids and order, its secrets readable", () => {
  const secret = {
    "4dabf18193072939515e22adb298388d": "1b47061264138c4ac30d75fd1eb44270",
    plaintext: '"hidden"',
  };
  const provider = "urn:pulumi:dev::conformance::pulumi:providers:testing::default";
  expect(
    recordedDeployment({
      resources: [
        {
          urn: "urn:b",
          type: "testing:index:Thing",
          id: "b-1",
          inputs: { value: secret },
          outputs: {},
          provider: `${provider}::random-id`,
          dependencies: ["urn:z", "urn:a"],
          created: "2026-01-01T00:00:00Z",
        },
        { urn: provider, type: "pulumi:providers:testing", id: "random-id" },
      ],
      pending_operations: [{ type: "creating", resource: { urn: "urn:c" } }],
    }),
  ).toEqual({
    resources: [
      {
        urn: "urn:b",
        id: "b-1",
        inputs: { value: { "[secret]": "hidden" } },
        outputs: {},
        provider,
        dependencies: ["urn:a", "urn:z"],
      },
      { urn: provider, id: "[provider]", inputs: {}, outputs: {} },
    ],
    pendingOperations: ["creating urn:c"],
  });
});
