import { randomBytes } from "node:crypto";
import { existsSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import type { Engine, EngineResult, EngineRun } from "../contracts.ts";
import { createEngine } from "../engine/index.ts";
import type { LabHome } from "../home.ts";
import { providerPackages } from "../providers/index.ts";
import { serveProvider } from "../providers/serve.ts";
import { diagnosticLines } from "../render/steps.ts";
import type { StackConfiguration } from "../stack/configuration.ts";
import { readOrMake, writePrivateFile } from "../stack/private-file.ts";
import { type LabContext, owner, stateFile } from "./context.ts";
import { PulumiCli } from "./pulumi-cli.ts";
import { createPulumiEngine } from "./pulumi-engine.ts";

export const engineNames = ["lab", "pulumi"] as const;

/**
 * The engine of a run: the lab's own, or the `pulumi` on the PATH.
 * @throws when the name is neither.
 */
export function engineNamed(name: string, home: LabHome): Engine {
  if (name === "lab") return createEngine({ launch: launchProvider });
  if (name === "pulumi") return createPulumiEngine(home);
  throw new Error(`--engine: "${name}" is no engine; allowed: ${engineNames.join(", ")}`);
}

/**
 * Hands the state over from the engine that keeps it to the one of this run, when that is another: both write Pulumi's
 * format. Who keeps it is said by {@link recordKeeper}, when a run changes it.
 */
export async function handOver(context: LabContext, run: EngineRun, engine: string): Promise<void> {
  const keeper = stateKeeper(context.home, run.stack) ?? "lab";
  if (keeper === engine) return;
  const cli = await PulumiCli.open(context.home, run);
  if (engine === "lab") writePrivateFile(run.stateFile, await cli.exportState());
  else if (existsSync(run.stateFile)) await cli.importState(readFileSync(run.stateFile, "utf8"));
}

function keeperFile(home: LabHome, stack: string): string {
  return join(home.stateDir, `engine-${stack}`);
}

/** The engine that keeps the state of a stack; undefined while it has none. */
export function stateKeeper(home: LabHome, stack: string): string | undefined {
  const path = keeperFile(home, stack);
  return existsSync(path) ? readFileSync(path, "utf8").trim() : undefined;
}

/** Records which engine keeps the state from now on; undefined when a stack was destroyed. */
export function recordKeeper(home: LabHome, stack: string, engine: string | undefined): void {
  if (engine === undefined) rmSync(keeperFile(home, stack), { force: true });
  else writePrivateFile(keeperFile(home, stack), `${engine}\n`);
}

async function launchProvider(packageName: string) {
  const found = providerPackages.find(({ name }) => name === packageName);
  if (found === undefined) {
    const known = providerPackages.map(({ name }) => name).join(", ");
    throw new Error(`the lab has no provider "${packageName}"; it has: ${known}`);
  }
  return serveProvider(found);
}

/** The engine's input for one run of a stack. The passphrase is made up once a lab. */
export function engineRun(
  context: LabContext,
  stack: string,
  configuration: StackConfiguration,
  more: Pick<EngineRun, "onEvent" | "continueOnError" | "ignoreProtect"> = {},
): EngineRun {
  return {
    projectDir: context.projectDir,
    project: context.project,
    stack,
    ...configuration,
    stateFile: stateFile(context, stack),
    passphrase: readOrMake(join(context.home.stateDir, "passphrase"), () => randomBytes(32).toString("hex")),
    owner: owner(),
    ...more,
  };
}

/**
 * @throws the errors of a run that failed, in full.
 */
export function requireOk(result: EngineResult, what: string): void {
  if (result.ok) return;
  throw new Error(`${what} failed\n${diagnosticLines(result) || "the engine gave no reason"}`);
}
