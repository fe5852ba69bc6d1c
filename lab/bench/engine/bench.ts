import { mkdtempSync, rmSync, statSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import { createPulumiEngine } from "../../commands/pulumi-engine.ts";
import type { LabHome } from "../../home.ts";
import { createEngine } from "../../pulumi/engine/index.ts";
import type { Engine, EngineRun } from "../../pulumi/engine/run.ts";
import { provideInProcess } from "../../pulumi/providers/serve.ts";
import { table } from "../../render/table.ts";
import { simulatedPackage } from "./simulated.ts";

const operations = ["create", "no-op up", "no-op preview", "deploy of one", "destroy"] as const;

/** The times of one engine with one number of services. */
interface EngineTimes {
  readonly engine: string;
  readonly services: number;
  /** Size of the state after the creation, in bytes. */
  readonly stateBytes: number;
  readonly seconds: Readonly<Record<(typeof operations)[number], number>>;
  /** The same, divided by those of the smallest number of services. */
  readonly ratios: Readonly<Record<(typeof operations)[number], number>>;
}

interface EngineBenchReport {
  readonly processors: number;
  readonly times: readonly EngineTimes[];
}

/**
 * Measures engines with a program of simulated services, whose provider does nothing.
 * @throws when a run fails, with the engine's error
 */
export async function benchEngines(
  engines: readonly string[],
  services: readonly number[],
  progress: (message: string) => void,
): Promise<EngineBenchReport> {
  const times: EngineTimes[] = [];
  for (const engine of engines) {
    let first: EngineTimes["seconds"] | undefined;
    for (const count of [...services].sort((a, b) => a - b)) {
      const measured = await measure(engine, count, progress);
      first ??= measured.seconds;
      const ratio = (operation: (typeof operations)[number]) =>
        measured.seconds[operation] / (first ?? measured.seconds)[operation];
      times.push({ engine, services: count, ...measured, ratios: each(ratio) });
    }
  }
  return { processors: availableParallelism(), times };
}

function each(value: (operation: (typeof operations)[number]) => number): EngineTimes["seconds"] {
  const entries = operations.map((operation) => [operation, value(operation)] as const);
  return Object.fromEntries(entries) as unknown as EngineTimes["seconds"];
}

async function measure(
  name: string,
  services: number,
  progress: (message: string) => void,
): Promise<Pick<EngineTimes, "stateBytes" | "seconds">> {
  const folder = mkdtempSync(join(tmpdir(), "bench-engine-"));
  try {
    const engine = engineFor(name, folder);
    const stateFile = join(folder, "state.json");
    const run = (version: string): EngineRun => ({
      projectDir: join(import.meta.dirname, "program"),
      project: "bench",
      stack: "dev",
      config: { "bench:services": String(services), "bench:version": version },
      secretKeys: [],
      stateFile,
      passphrase: "bench",
      owner: "bench@lab",
    });
    const seconds: Record<string, number> = {};
    const time = async (operation: (typeof operations)[number], work: () => ReturnType<Engine["up"]>) => {
      const began = performance.now();
      const { ok, diagnostics } = await work();
      if (!ok) throw new Error(diagnostics.map(({ message }) => message).join("\n"));
      seconds[operation] = (performance.now() - began) / 1000;
      progress(`${name}, ${services} services: ${operation} ${seconds[operation].toFixed(2)} s`);
    };
    await time("create", () => engine.up(run("v1")));
    const stateBytes = statSync(stateFile).size;
    await time("no-op up", () => engine.up(run("v1")));
    await time("no-op preview", () => engine.preview(run("v1")));
    await time("deploy of one", () => engine.up(run("v2")));
    await time("destroy", () => engine.destroy(run("v2")));
    return { stateBytes, seconds: seconds as EngineTimes["seconds"] };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function engineFor(name: string, folder: string): Engine {
  if (name === "lab") return createEngine({ launch: async () => provideInProcess(simulatedPackage) });
  const home: LabHome = { name: "bench", cacheDir: folder, stateDir: folder, subnet: "", gateway: "" };
  return createPulumiEngine(home, [simulatedPackage]);
}

export function renderEngines({ processors, times }: EngineBenchReport): string {
  const rows = times.map(({ engine, services, stateBytes, seconds, ratios }) => [
    engine,
    String(services),
    `${(stateBytes / 1024).toFixed(0)} KiB`,
    ...operations.map((operation) => `${seconds[operation].toFixed(2)} (${ratios[operation].toFixed(1)})`),
  ]);
  return [
    "Seconds, and in brackets how many times those of the smallest number of services:",
    table(["engine", "services", "state", ...operations], rows),
    `on ${processors} processors`,
  ].join("\n\n");
}
