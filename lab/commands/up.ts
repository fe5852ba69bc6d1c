import type { EngineResult } from "../pulumi/engine/run.ts";
import { type PhaseTime, runPhases, seconds, stopwatch } from "../render/phases.ts";
import { diagnosticLines, StepProgress, slowestSteps, stepCounts } from "../render/steps.ts";
import { table } from "../render/table.ts";
import { authorityFile } from "../stack/certificate.ts";
import { type LabContext, planRun, type RunOptions, stateFile } from "./context.ts";
import {
  type EngineChoice,
  engineNamed,
  engineRun,
  handOver,
  recordStateEngine,
  requireOk,
} from "./engine.ts";
import { readOutputs, type StackOutputs, type SystemOutput } from "./outputs.ts";
import { type Prepared, preparation, requireMachine } from "./prepare.ts";
import { recoverFirst } from "./recover-first.ts";
import { requireOneStack, writeSelection } from "./selection.ts";
import { askHealth, readStatus, statusTables } from "./status.ts";
import { withTunnels } from "./tunnels.ts";

/** Seconds that a system has to answer from outside after its deploy has succeeded. */
const answerSeconds = 30;

/** Options of `lab up`. */
interface UpOptions extends RunOptions {
  /** Update the state to what exists first, so that what was changed by hand is put back: Pulumi's `up --refresh`. */
  readonly refresh?: boolean;
}

/**
 * Boots the machines of a stack and deploys it: checks, prepares, recovers after a crash, runs the engine, requests the
 * systems' health from outside and prints their addresses.
 * @throws the first error; problems of the configuration before anything is created.
 */
export async function upCommand(
  context: LabContext,
  names: readonly string[],
  options: UpOptions,
): Promise<void> {
  const elapsed = stopwatch();
  const { stack } = options;
  const planned = planRun(context, options, names);
  requireOneStack(context.home, stack);
  await requireMachine();
  const engine = engineNamed(options, context);
  const { phases, prepared } = preparation(context, planned, options);
  let result: EngineResult | undefined;
  let outputs: StackOutputs | undefined;
  const times = await runPhases([
    ...phases,
    {
      title: "Recover after a crash",
      run: (progress) => recoverFirst(context, stack, configured(prepared), progress),
    },
    {
      title: `Converge ${planned.systems.join(", ")} (${stack})`,
      async run(progress) {
        writeSelection(context.home, stack, planned.systems);
        const run = engineRun(context, stack, configured(prepared), {
          continueOnError: true,
          onEvent: new StepProgress(progress).onEvent,
        });
        await handOver(context, run, options.engine);
        recordStateEngine(context.home, stack, options.engine);
        if (options.refresh)
          requireOk(await withTunnels(context, stack, () => engine.refresh(run)), "refresh");
        result = await engine.up(run);
        requireOk(result, "up");
      },
    },
    {
      title: "Request the systems' health from outside",
      async run(progress) {
        outputs = readOutputs(stateFile(context, stack));
        await waitForHealth(context, outputs, progress);
      },
    },
  ]);
  if (result && outputs)
    await printSummary(context, options, prepared, { ...result, outputs }, times, elapsed());
}

/** The configuration from an earlier phase. */
export function configured(prepared: Prepared) {
  if (prepared.configuration === undefined) throw new Error("the configuration does not exist yet");
  return prepared.configuration;
}

async function waitForHealth(
  context: LabContext,
  { hosts, systems }: StackOutputs,
  progress: (message: string) => void,
): Promise<void> {
  for (const [name, system] of Object.entries(systems)) {
    const address = hosts[system.host]?.address ?? "";
    const waited = stopwatch();
    for (;;) {
      const answer = await askHealth(context.home, system, address);
      progress(`${system.healthUrl} at ${address}: ${answer.text}`);
      if (answer.healthy) break;
      if (waited() > answerSeconds) {
        throw new Error(
          `${name} was deployed but does not answer at ${system.healthUrl} (${address}) after ${answerSeconds} s: ${answer.text}`,
        );
      }
      await new Promise((resolve) => setTimeout(resolve, 500));
    }
  }
}

async function printSummary(
  context: LabContext,
  { stack, engine, providers }: RunOptions,
  prepared: Prepared,
  result: EngineResult & { readonly outputs: StackOutputs },
  times: readonly PhaseTime[],
  total: number,
): Promise<void> {
  const notes = diagnosticLines(result);
  const { outputs } = result;
  const status = await readStatus(context, outputs);
  const parts = [
    ...(notes === "" ? [] : [notes]),
    statusTables(context, status, outputs),
    table(
      ["phase", "seconds"],
      [...times.map(({ title, seconds }) => [title, seconds.toFixed(1)]), ["total", total.toFixed(1)]],
    ),
    ...(result.steps.length === 0
      ? []
      : [`Slowest of ${stepCounts(result.steps)}:\n${slowestSteps(result.steps)}`]),
    table(
      ["image", "origin"],
      [...prepared.provenance].map(([image, provenance]) => [image, provenance]),
    ),
    [
      `Up in ${seconds(total)}: ${stepCounts(result.steps)}. To trust the lab in a browser: ${authorityFile(context.home)}`,
      "",
      "Try next:",
      ...suggestions(outputs.systems, stack, { engine, providers }),
    ].join("\n"),
  ];
  console.log(`\n${parts.join("\n\n")}`);
}

function suggestions(
  systems: Readonly<Record<string, SystemOutput>>,
  stack: string,
  { engine, providers }: EngineChoice,
): string[] {
  const place = stack === "production" ? "" : ` --stack ${stack}`;
  const chosen = [
    engine === "lab" ? "" : ` --engine ${engine}`,
    providers === "lab" ? "" : ` --providers ${providers}`,
  ];
  const flags = place + chosen.join("");
  const [system, { services } = { services: {} }] = Object.entries(systems)[0] ?? [];
  const [service] = Object.keys(services);
  const ideas: [string, string][] = [
    ...(system === undefined || service === undefined
      ? []
      : ([
          [
            `up --set ${system}:${service}.version=v1.1.0${flags}`,
            "deploy another version, without a failed request",
          ],
          [`load ${system} --rate 200 --seconds 60${place}`, "put it under load at the same time"],
        ] as [string, string][])),
    [`ssh${place}`, "look inside the machine"],
    [`preview --expect-no-changes${flags}`, "check that no change is left"],
    ["down", "end the lab"],
  ];
  const width = Math.max(...ideas.map(([command]) => command.length));
  return ideas.map(([command, why]) => `  npm run lab -- ${command.padEnd(width)}   ${why}`);
}
