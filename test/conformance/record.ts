/**
 * Records the scenarios on a real engine:
 *
 *     node test/conformance/record.ts --pulumi /path/to/pulumi [--runs 2] [scenario…]
 *
 * Runs each several times with different delays, so that steps which may run side by side do, and keeps the order that held
 * every time.
 */
import { createHash } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { isDeepStrictEqual } from "node:util";
import { Command } from "commander";
import { cliEngine, cliVersion } from "./cli-engine.ts";
import type { RecordedPhase, Recording, Scenario } from "./format.ts";
import { recordSteps } from "./order.ts";
import { type PhaseOutcome, runScenario, sortedCalls } from "./runner.ts";
import { scenarioNamed, scenarios } from "./scenarios/index.ts";

/**
 * How long the provider takes for a thing in a run: at least 100 ms, enough for everything that an engine would start at the
 * same time to have started. Every second run turns the first one round (the slow are fast), so that of two independent
 * steps neither precedes the other in both.
 */
function delayMilliseconds(name: string, run: number): number {
  const hash = createHash("sha256")
    .update(`${Math.floor(run / 2)} ${name}`)
    .digest();
  const fraction = hash.readUInt16BE(0) / 0xffff;
  return 100 + 900 * (run % 2 === 0 ? fraction : 1 - fraction);
}

async function runOnce(scenario: Scenario, pulumi: string, run: number): Promise<PhaseOutcome[]> {
  const workDir = mkdtempSync(join(tmpdir(), "conformance-"));
  const worldFile = join(workDir, "world.json");
  const jitterMilliseconds = (name: string) => delayMilliseconds(name, run);
  const engine = await cliEngine({ pulumi, workDir, worldFile, jitterMilliseconds });
  try {
    return await runScenario(scenario, engine, worldFile);
  } finally {
    await engine.close();
    rmSync(workDir, { recursive: true });
  }
}

/**
 * What the runs of a phase must agree on. How far a failing run got with resources that it leaves alone is chance: of those
 * only the ones that it reached every time count.
 */
function agreed(outcomes: readonly PhaseOutcome[], recordCalls: boolean) {
  const [first, ...others] = outcomes as [PhaseOutcome, ...PhaseOutcome[]];
  const everyTime = first.same.filter((urn) => others.every((other) => other.same.includes(urn)));
  return outcomes.map(({ outcome, same, summary, deployment, world, calls }) => {
    const { same: _count, ...changes } = summary;
    return {
      same: outcome === "ok" ? same : everyTime,
      summary: outcome === "ok" ? summary : changes,
      ...(deployment === undefined ? {} : { deployment }),
      ...(recordCalls ? { calls: sortedCalls({ calls }) } : {}),
      world,
    };
  });
}

function merge(scenario: Scenario, runs: readonly PhaseOutcome[][]): RecordedPhase[] {
  return scenario.phases.map((phase, index) => {
    const outcomes = runs.map((run) => run[index] as PhaseOutcome);
    const first = outcomes[0] as PhaseOutcome;
    const [facts, ...otherFacts] = agreed(outcomes, scenario.recordCalls ?? false);
    for (const other of otherFacts) {
      if (isDeepStrictEqual(facts, other)) continue;
      const [expected, got] = [facts, other].map((value) => JSON.stringify(value));
      throw new Error(`${scenario.name}, phase ${index + 1} differs between runs:\n${expected}\n${got}`);
    }
    const steps = recordSteps(outcomes.map((outcome) => outcome.steps));
    return {
      run: phase.run,
      variant: first.variant,
      outcome: first.outcome,
      // A preview does no work: which of its steps came first says nothing.
      steps: steps.map((step) => (phase.run === "preview" ? { ...step, after: [] } : step)),
      diagnostics: first.diagnostics,
      ...(facts as NonNullable<typeof facts>),
    };
  });
}

async function record(names: string[], options: { pulumi: string; runs: string }): Promise<void> {
  const engine = `pulumi ${await cliVersion(options.pulumi)}`;
  const sdk = createRequire(import.meta.url)("@pulumi/pulumi/package.json") as { version: string };
  const wanted = names.length === 0 ? scenarios : names.map(scenarioNamed);
  for (const scenario of wanted) {
    const started = Date.now();
    try {
      const runs: PhaseOutcome[][] = [];
      for (let run = 0; run < Number(options.runs); run += 1)
        runs.push(await runOnce(scenario, options.pulumi, run));
      const date = new Date().toISOString().slice(0, 10);
      const recording: Recording = {
        scenario: scenario.name,
        recordedWith: { engine, sdk: sdk.version, date, runs: runs.length },
        phases: merge(scenario, runs),
      };
      const file = join(import.meta.dirname, "recorded", `${scenario.name}.json`);
      writeFileSync(file, `${JSON.stringify(recording, undefined, 1)}\n`);
      console.log(`recorded ${scenario.name} (${Math.round((Date.now() - started) / 1000)} s)`);
    } catch (error) {
      process.exitCode = 1;
      console.error(`not recorded: ${scenario.name}: ${error instanceof Error ? error.message : error}`);
    }
  }
}

await new Command()
  .requiredOption("--pulumi <path>", "the real CLI, its Node language host beside it or on the PATH")
  .option("--runs <number>", "how often each scenario runs; even, see delayMilliseconds", "2")
  .argument("[scenario...]", "names; all when none is given")
  .action(record)
  .parseAsync();
