import { join } from "node:path";
import { stepsWithCause } from "./cause.ts";
import type { Command, Phase, PhaseResult, Recording, Scenario } from "./format.ts";
import { compareSteps } from "./order.ts";
import { World } from "./world.ts";

/** What an engine is asked to run: one phase of a scenario, everything decided. */
export interface PhaseRun {
  readonly command: Command;
  /** The Pulumi project: test/conformance/program. */
  readonly projectDir: string;
  /** `conformance:scenario`, `conformance:variant` and, for hooks, `conformance:world`. */
  readonly config: Readonly<Record<string, string>>;
  readonly continueOnError: boolean;
  /** The world of the provider `testing`. */
  readonly worldFile: string;
  /** When given, the engine must be ended with SIGKILL (or as abruptly as it can be) as soon as this says true. */
  readonly killWhen?: () => boolean;
}

/**
 * An engine under test, for one scenario: its state starts empty and carries over from run to run. The stack is `dev`, the
 * project `conformance`, the organisation (where an engine has them) `organization`.
 */
export interface ScenarioEngine {
  run(run: PhaseRun): Promise<Omit<PhaseResult, "calls">>;
  close(): Promise<void>;
}

/** A phase's result, and what existed afterwards. */
export interface PhaseOutcome extends PhaseResult {
  readonly phase: Phase;
  readonly variant: string;
  readonly world: Readonly<Record<string, readonly string[]>>;
}

/** The project of all scenarios. */
export const projectDir = join(import.meta.dirname, "program");

/**
 * Runs a scenario's phases on an engine whose provider `testing` keeps its world in `worldFile`.
 *
 * @throws Error when a phase ends otherwise than the scenario says, with the engine's own diagnostics.
 */
export async function runScenario(
  scenario: Scenario,
  engine: ScenarioEngine,
  worldFile: string,
): Promise<PhaseOutcome[]> {
  const world = new World(worldFile);
  const outcomes: PhaseOutcome[] = [];
  let variant = "v1";
  for (const [index, phase] of scenario.phases.entries()) {
    variant = phase.variant ?? variant;
    for (const change of phase.before ?? []) world.apply(change);
    world.clearJournal();
    world.setHang(phase.kill);
    const result = await engine.run({
      command: phase.run,
      projectDir,
      config: {
        "conformance:scenario": scenario.name,
        "conformance:variant": variant,
        "conformance:world": worldFile,
      },
      continueOnError: phase.continueOnError ?? false,
      worldFile,
      ...(phase.kill === undefined ? {} : { killWhen: () => world.hanging() }),
    });
    world.setHang(undefined);
    if (result.outcome !== phase.expect) {
      const said = result.diagnostics.map((diagnostic) => `  ${diagnostic.severity}: ${diagnostic.message}`);
      throw new Error(
        [
          `${scenario.name}, phase ${index + 1} (${phase.run} ${variant}): expected ${phase.expect}, got ${result.outcome}`,
          ...said,
        ].join("\n"),
      );
    }
    outcomes.push({ ...result, phase, variant, calls: world.calls(), world: world.summary() });
  }
  return outcomes;
}

/** Everything in which a run differs from its recording, one line each; empty when the engine conforms. */
export function compareWithRecording(recording: Recording, outcomes: readonly PhaseOutcome[]): string[] {
  return recording.phases.flatMap((recorded, index) => {
    const outcome = outcomes[index];
    const where = `phase ${index + 1} (${recorded.run} ${recorded.variant})`;
    if (outcome === undefined) return [`${where}: did not run`];
    const problems = compareSteps(stepsWithCause(recording, index), outcome.steps);
    // A failing run may leave more alone than was recorded: how far it gets is chance.
    const same =
      recorded.outcome === "ok" ? outcome.same : outcome.same.filter((urn) => recorded.same.includes(urn));
    problems.push(...difference("unchanged resources", recorded.same, same));
    problems.push(...difference("world", recorded.world, outcome.world));
    problems.push(...difference("deployment", recorded.deployment, outcome.deployment));
    if (recorded.calls !== undefined)
      problems.push(...difference("calls", recorded.calls, sortedCalls(outcome)));
    return problems.map((problem) => `${where}: ${problem}`);
  });
}

/** Calls in an order that does not depend on what ran in parallel: by thing, each thing's own in their order. */
export function sortedCalls(outcome: Pick<PhaseResult, "calls">): PhaseResult["calls"] {
  return [...outcome.calls].sort((a, b) => (a.thing < b.thing ? -1 : a.thing > b.thing ? 1 : 0));
}

/** Paths at which two JSON values differ. */
function difference(path: string, expected: unknown, actual: unknown): string[] {
  if (isObject(expected) && isObject(actual)) {
    const names = [...new Set([...Object.keys(expected), ...Object.keys(actual)])];
    return names.flatMap((name) => difference(`${path}.${name}`, expected[name], actual[name]));
  }
  return JSON.stringify(expected) === JSON.stringify(actual)
    ? []
    : [`${path}: recorded ${JSON.stringify(expected)}, got ${JSON.stringify(actual)}`];
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null;
}
