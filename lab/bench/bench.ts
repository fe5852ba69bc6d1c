import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { labHome } from "../home.ts";
import { command, seconds } from "./command.ts";
import { secondsUntilAnswer } from "./first-answer.ts";
import { releaseStep, StepWatch, type WatchedStep } from "./step-watch.ts";

/** All times in seconds; those of runs that change nothing are the medians of {@link rounds}, one round after the other. */
export interface BenchReport {
  readonly version: string;
  readonly processors: number;
  /** Without a lab, images already built: Docker, cloud, server, convergence, first healthy answer. */
  readonly nothingToServing: number;
  /** An `up` without changes. */
  readonly noOpUp: number;
  /** An `up` of a program that declares nothing, by the same engine, which starts as anybody's Pulumi program does. */
  readonly emptyUp: number;
  /** The same, the command started as Berth's, by `scripts/fast-start.js`; the program itself is not. */
  readonly emptyFastUp: number;
  /** An `up` without changes of a program that declares the same resources one by one. */
  readonly plainUp: number;
  readonly preview: number;
  /** An `up` to another version, from the command to its end. */
  readonly deploy: number;
  /** From that command to the first answer of the new version from outside; undefined when nothing says the version. */
  readonly deployToServing: number | undefined;
  readonly rollback: number;
  /** Steps of that deploy, in the order in which they started. */
  readonly steps: readonly { readonly step: string; readonly resource: string; readonly seconds: number }[];
  /** Time of engine and command: the deploy minus its steps. */
  readonly deployOverhead: number;
  /** Ratios of times of this run, which can be compared between machines. */
  readonly ratios: Readonly<Record<string, number>>;
}

const rounds = 5;

interface BenchOptions {
  readonly stack: string;
  /** The setting that makes a new release: `<system>:<service>.version`. */
  readonly setting: string;
  readonly version: string;
  /** Other settings of every run, `key=value` as for `lab up --set`. */
  readonly settings?: readonly string[];
  readonly progress: (message: string) => void;
}

/** The lab of the benchmarks, unless another one is named. */
export function useBenchLab(): void {
  process.env.BERTH_LAB ??= "bench";
  process.env.BERTH_LAB_SUBNET ??= "198.18.250.0/24";
}

/**
 * Measures an operator's commands, in a separate lab (`BERTH_LAB`, default `bench`), which is ended before
 * and after.
 * @throws with the output of a command that failed
 */
export async function runBench(options: BenchOptions): Promise<BenchReport> {
  useBenchLab();
  const home = labHome();
  const stack = ["--stack", options.stack, ...(options.settings ?? []).flatMap((each) => ["--set", each])];
  const change = ["--set", `${options.setting}=${options.version}`];
  const measure = async (what: string, args: readonly string[]) => {
    options.progress(what);
    return seconds(() => command("lab/cli.ts", args));
  };

  // The previews build or fetch all images that the measured commands need.
  await measure("building images: committed versions", ["preview", ...stack]);
  await measure("building images: the new version", ["preview", ...stack, ...change]);
  await measure("ending the lab, keeping its images", ["down"]);
  try {
    const nothingToServing = await measure("from nothing to serving", ["up", ...stack]);
    const { noOpUp, emptyUp, emptyFastUp, plainUp, preview } = await withoutChanges(options, stack);
    const stateFile = join(home.stateDir, `${options.stack}.json`);
    const watch = new StepWatch(stateFile);
    const { version } = options;
    const { seconds: deployToServing, result: deploy } = await secondsUntilAnswer(
      { home, stateFile, system: options.setting.split(":")[0] ?? "", version },
      () => measure(`a deploy of ${version}`, ["up", ...stack, ...change]),
    );
    watch.close();
    const rollback = await measure("going back", ["up", ...stack]);
    const steps = watch.steps.flatMap(stepSeconds);
    const inSteps = steps.reduce((sum, { seconds }) => sum + seconds, 0);
    return {
      version: options.version,
      processors: navigator.hardwareConcurrency,
      nothingToServing: round(nothingToServing),
      noOpUp: round(noOpUp),
      emptyUp: round(emptyUp),
      emptyFastUp: round(emptyFastUp),
      plainUp: round(plainUp),
      preview: round(preview),
      deploy: round(deploy),
      deployToServing: deployToServing && round(deployToServing),
      rollback: round(rollback),
      steps,
      deployOverhead: round(deploy - inSteps),
      ratios: {
        "no-op up / up of an empty program": round(noOpUp / emptyUp),
        "no-op up / up of an empty program, its command started as Berth's": round(noOpUp / emptyFastUp),
        "no-op up / up of the same resources, declared one by one": round(noOpUp / plainUp),
        "no-op up / preview": round(noOpUp / preview),
        "deploy / no-op up": round(deploy / noOpUp),
        "rollback / deploy": round(rollback / deploy),
        "from nothing / deploy": round(nothingToServing / deploy),
      },
    };
  } finally {
    await measure("ending the lab", ["down"]);
  }
}

/** What takes a second or two, and is compared: in rounds, so that a machine that is slow for a moment slows all of it. */
async function withoutChanges({ stack, settings = [], progress }: BenchOptions, onStack: readonly string[]) {
  const folder = mkdtempSync(join(tmpdir(), "bench-plain-"));
  try {
    await command("lab/bench/plain/prepare.ts", [stack, folder]);
    const measured = {
      noOpUp: () => command("lab/cli.ts", ["up", ...onStack]),
      emptyUp: () => command("lab/bench/empty/up.ts", [], { fastStart: false }),
      emptyFastUp: () => command("lab/bench/empty/up.ts", []),
      plainUp: () => command("lab/bench/plain/up.ts", [stack, folder, ...settings]),
      preview: () => command("lab/cli.ts", ["preview", "--expect-no-changes", ...onStack]),
    };
    type Name = keyof typeof measured;
    const names = Object.keys(measured) as Name[];
    const times: Record<Name, number[]> = {
      noOpUp: [],
      emptyUp: [],
      emptyFastUp: [],
      plainUp: [],
      preview: [],
    };
    for (let round = 1; round <= rounds; round += 1) {
      progress(`an up with nothing to do, of three programs, and a preview: ${round} of ${rounds}`);
      for (const name of names) times[name].push(await seconds(measured[name]));
    }
    const median = (name: Name) => times[name].toSorted((a, b) => a - b)[rounds >> 1] ?? 0;
    return Object.fromEntries(names.map((name) => [name, median(name)])) as Record<Name, number>;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function stepSeconds(step: WatchedStep): BenchReport["steps"] {
  const name = releaseStep(step) ?? step.operation;
  if (step.endedMs === undefined) return [];
  return [{ step: name, resource: step.name, seconds: round((step.endedMs - step.startedMs) / 1000) }];
}

function round(seconds: number): number {
  return Math.round(seconds * 100) / 100;
}
