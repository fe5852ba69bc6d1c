import { readFileSync, statSync } from "node:fs";
import { labContext, stateFile } from "../../commands/context.ts";
import { readOutputs } from "../../commands/outputs.ts";
import { table } from "../../render/table.ts";
import { command, seconds } from "../command.ts";

/** A stack that has one system more than the one before; times in seconds. */
interface Grown {
  /** The system that was added. */
  readonly system: string;
  readonly systems: number;
  readonly machines: number;
  readonly resources: number;
  readonly stateBytes: number;
  /** The `up` that adds it, from a built image on; the first one boots the lab too. */
  readonly added: number;
  readonly preview: number;
  readonly noOpUp: number;
  /** An `up` to another version of the first system's first service. */
  readonly deployOfOne: number;
  /** Memory of the added system's containers without caches, in MiB, after the measured runs. */
  readonly memoryMebibytes: number;
}

interface GrowthReport {
  readonly processors: number;
  /** An `up` of a program that declares nothing, by the same engine, which starts as anybody's Pulumi program does. */
  readonly emptyUp: number;
  readonly grown: readonly Grown[];
}

interface GrowthOptions {
  readonly stack: string;
  /** In the order in which they are added. */
  readonly systems: readonly string[];
  /** The setting that makes a release of the first system, and its two values in turn. */
  readonly release: { readonly setting: string; readonly versions: readonly [string, string] };
  readonly progress: (message: string) => void;
}

/**
 * Adds one system after the other to a stack in a lab of its own (`BERTH_LAB`, default `bench`), and measures what each makes slower. Each
 * `up` that adds one is followed by a preview that must find nothing to do.
 * @throws with the output of a command that failed
 */
export async function runGrowth({ stack, systems, release, progress }: GrowthOptions): Promise<GrowthReport> {
  const context = labContext();
  const state = stateFile(context, stack);
  const onStack = ["--stack", stack];
  let version = 0;
  const setting = () => ["--set", `${release.setting}=${release.versions[version % 2]}`];
  const lab = async (...args: string[]) => {
    progress(args.join(" "));
    return seconds(() => command("lab/cli.ts", args));
  };
  const grown: Grown[] = [];
  progress("an up of a program without a resource");
  const emptyUp = await seconds(() => command("lab/bench/empty/up.ts", [], { fastStart: false }));
  await lab("down");
  try {
    for (const system of systems) {
      // Builds or fetches the images, which is not measured.
      await lab("preview", system, ...onStack, ...setting());
      const added = await lab("up", system, ...onStack, ...setting());
      const preview = await lab("preview", ...onStack, ...setting(), "--expect-no-changes");
      const noOpUp = await lab("up", ...onStack, ...setting());
      version += 1;
      await lab("preview", ...onStack, ...setting());
      const deployOfOne = await lab("up", ...onStack, ...setting());
      const { hosts, systems: running } = readOutputs(state);
      grown.push({
        ...{ system, systems: Object.keys(running).length, machines: Object.keys(hosts).length },
        ...{ resources: resourcesIn(state), stateBytes: statSync(state).size },
        ...{ added, preview, noOpUp, deployOfOne },
        memoryMebibytes: await memoryOf(system, running[system]?.host ?? "", onStack),
      });
    }
    return { processors: navigator.hardwareConcurrency, emptyUp, grown };
  } finally {
    await lab("down");
  }
}

function resourcesIn(state: string): number {
  const { deployment } = JSON.parse(readFileSync(state, "utf8")) as { deployment: { resources: unknown[] } };
  return deployment.resources.length;
}

/** As `docker stats` counts: without the page cache. */
async function memoryOf(system: string, host: string, onStack: readonly string[]): Promise<number> {
  const script = `for each in $(docker ps --quiet --filter label=berth.system=${system}); do docker stats --no-stream --format '{{.MemUsage}}' $each; done`;
  const said = await command("lab/cli.ts", ["ssh", host, ...onStack, "--", script]);
  const units: Readonly<Record<string, number>> = { KiB: 1 / 1024, MiB: 1, GiB: 1024 };
  return [...said.matchAll(/^([\d.]+)(KiB|MiB|GiB) \//gm)].reduce(
    (sum, [, number = "", unit = ""]) => sum + Number(number) * (units[unit] ?? 0),
    0,
  );
}

/** In brackets: how many times that of the first system alone. */
export function renderGrowth({ processors, emptyUp, grown }: GrowthReport): string {
  const [first] = grown;
  const times = (each: Grown, what: "preview" | "noOpUp" | "deployOfOne") =>
    `${each[what].toFixed(1)} (${(each[what] / (first ?? each)[what]).toFixed(2)})`;
  return [
    table(
      [
        ...["with", "systems", "machines", "resources", "state"],
        ...["added in", "its memory", "preview", "no-op up", "deploy of one"],
      ],
      grown.map((each) => [
        ...[`+ ${each.system}`, String(each.systems), String(each.machines), String(each.resources)],
        ...[`${(each.stateBytes / 1024).toFixed(0)} KiB`, each.added.toFixed(1)],
        `${each.memoryMebibytes.toFixed(0)} MiB`,
        ...[times(each, "preview"), times(each, "noOpUp"), times(each, "deployOfOne")],
      ]),
    ),
    `Seconds, and in brackets how many times those of the first system. An up of a program without a resource: ${emptyUp.toFixed(1)} s.`,
    `on ${processors} processors`,
  ].join("\n\n");
}
