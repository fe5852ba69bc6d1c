/** `npm run bench`: measures how long an operator's commands take, in a separate lab. */
import { Command } from "commander";
import { labContext, placedSystems, planRun } from "../commands/context.ts";
import { findCommand } from "../docker/index.ts";
import { table } from "../render/table.ts";
import { type BenchReport, runBench, useBenchLab } from "./bench.ts";
import { runComparison } from "./compare/compare.ts";
import { renderComparison } from "./compare/render.ts";
import { benchEngines, renderEngines } from "./engine/bench.ts";
import { renderGrowth, runGrowth } from "./growth/growth.ts";

function render(report: BenchReport): string {
  const rows: [string, number][] = [
    ["from nothing to serving (images built before)", report.nothingToServing],
    ["up with nothing to do", report.noOpUp],
    ["up of a program without a resource", report.emptyUp],
    ["  its command started as Berth's", report.emptyFastUp],
    ["up with nothing to do of the same resources, declared one by one", report.plainUp],
    ["preview", report.preview],
    [`deploy of ${report.version}`, report.deploy],
    ...(report.deployToServing === undefined
      ? []
      : [["  until the new version serves", report.deployToServing] satisfies [string, number]]),
    ...report.steps.map(({ step, resource, seconds }): [string, number] => [
      `  ${step} (${resource})`,
      seconds,
    ]),
    ["  engine and command around the steps", report.deployOverhead],
    ["going back", report.rollback],
  ];
  return [
    table(
      ["what", "seconds"],
      rows.map(([what, seconds]) => [what, seconds.toFixed(2)]),
    ),
    table(
      ["ratio", ""],
      Object.entries(report.ratios).map(([name, value]) => [name, value.toFixed(2)]),
    ),
    `on ${report.processors} processors`,
  ].join("\n\n");
}

const progress = (message: string) => process.stderr.write(`bench: ${message}\n`);

/** The setting that releases the first service of a stack. */
function firstRelease(stack: string, set: string[]): string {
  const service = planRun(labContext(), { stack, set }, []).images.find((image) => image.service)?.service;
  return `${service?.replace("/", ":")}.version`;
}

const program = new Command("npm run bench --")
  .description("Measure the lab: from nothing to serving, a no-op up, a preview, a deploy step by step.")
  .option("--stack <name>", "the stack", "production")
  .option(
    "--setting <key>",
    "the setting whose change is a release; default: the version of the first service",
  )
  .option("--version-to <version>", "its new value", "v1.1.0")
  .option("--set <key=value>", "another setting of every run", (value, all: string[]) => [...all, value], [])
  .option("--json", "the report as JSON on standard output and nothing else")
  .action(async ({ stack, setting, versionTo, set, json }) => {
    const release = setting ?? firstRelease(stack, set);
    const report = await runBench({ stack, setting: release, version: versionTo, settings: set, progress });
    process.stdout.write(`${json ? JSON.stringify(report, null, 2) : render(report)}\n`);
  });

program
  .command("compare")
  .description(
    "Deploy the same versions by Berth and by docker stack deploy, good and broken, under the same load.",
  )
  .option("--system <name>", "the system; default: the first that has a folder lab/apps/<system>/compare")
  .option("--rate <number>", "requests a second", Number, 200)
  .option("--keep", "leave the lab running", false)
  .action(async ({ system, rate, keep }, command: Command) => {
    const { stack, set, json } = command.optsWithGlobals();
    const report = await runComparison({
      stack,
      system,
      settings: set,
      requestsPerSecond: rate,
      endLab: !keep,
      progress,
    });
    process.stdout.write(`${json ? JSON.stringify(report, null, 2) : renderComparison(report)}\n`);
  });

program
  .command("growth")
  .description("Add one system after the other to a stack, and measure what each makes slower.")
  .option("--systems <names>", "which, separated by commas, in this order; default: all of the stack file")
  .action(async ({ systems }, command: Command) => {
    const { stack, versionTo, json } = command.optsWithGlobals();
    useBenchLab();
    const report = await runGrowth({
      ...{ stack, progress, systems: systems?.split(",") ?? placedSystems(labContext(), stack) },
      release: { setting: firstRelease(stack, []), versions: ["v1.0.0", versionTo] },
    });
    process.stdout.write(`${json ? JSON.stringify(report, null, 2) : renderGrowth(report)}\n`);
  });

program
  .command("engine")
  .description("Measure the engines with 1, 10, 50 and 100 simulated services, whose provider does nothing.")
  .option("--services <numbers>", "how many, separated by commas", "1,10,50,100")
  .option("--engine <names>", "lab, pulumi, or both; default: lab, and pulumi where one is on the PATH")
  .action(async ({ services, engine }, command: Command) => {
    const present = (await findCommand("pulumi")) === undefined ? "lab" : "lab,pulumi";
    if (engine === undefined && present === "lab") progress("no pulumi on the PATH: the lab's engine alone");
    const numbers = String(services).split(",").map(Number);
    const report = await benchEngines((engine ?? present).split(","), numbers, progress);
    const { json } = command.optsWithGlobals();
    process.stdout.write(`${json ? JSON.stringify(report, null, 2) : renderEngines(report)}\n`);
  });

program.parseAsync().catch((error: unknown) => {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
});
