import { randomBytes } from "node:crypto";
import { existsSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import type { LabHome } from "../home.ts";
import { createEngine, type Launch } from "../pulumi/engine/index.ts";
import type { Engine, EngineResult, EngineRun } from "../pulumi/engine/run.ts";
import { providerPackages } from "../pulumi/providers/index.ts";
import {
  dynamicPackage,
  launchDynamicProvider,
  launchPlugin,
  requirePlugins,
} from "../pulumi/providers/plugin.ts";
import { provideInProcess } from "../pulumi/providers/serve.ts";
import { diagnosticLines } from "../render/steps.ts";
import type { StackConfiguration } from "../stack/check.ts";
import { readOrMake, writePrivateFile } from "../write-file.ts";
import { type LabContext, owner, stateFile } from "./context.ts";
import { PulumiCli } from "./pulumi-cli.ts";
import { createPulumiEngine } from "./pulumi-engine.ts";

export const engineNames = ["lab", "pulumi"] as const;
export const providersNames = ["lab", "real"] as const;

/** The engine that runs the program and the providers that create resources; each engine works with both kinds of providers. */
export interface EngineChoice {
  readonly engine: string;
  readonly providers: string;
}

/**
 * The engine of a run, the lab's own or the `pulumi` on the PATH, with the lab's providers or Pulumi's real plugins.
 * @throws when a name is none of these, or when a plugin is missing.
 */
export function engineNamed(
  { engine, providers }: EngineChoice,
  { home, projectDir }: Pick<LabContext, "home" | "projectDir">,
): Engine {
  if (!providersNames.some((name) => name === providers))
    throw new Error(`--providers: "${providers}" is invalid; use one of: ${providersNames.join(", ")}`);
  const plugins = providers === "real" ? requirePlugins(providerPackages) : undefined;
  const launchOther = plugins ? launchReal(plugins) : launchProvider;
  const launch: Launch = (name) =>
    name === dynamicPackage
      ? launchDynamicProvider(projectDir, (said) => report(name, said))
      : launchOther(name);
  if (engine === "lab") return createEngine({ launch });
  // Pulumi finds the real plugins itself, in the places that were just checked.
  if (engine === "pulumi") return createPulumiEngine(home, plugins ? [] : providerPackages);
  throw new Error(`--engine: "${engine}" is invalid; use one of: ${engineNames.join(", ")}`);
}

/**
 * Transfers the state from the engine that has it to the engine of this run, if they differ: both write Pulumi's format.
 * {@link recordStateEngine} records which engine has it.
 */
export async function handOver(context: LabContext, run: EngineRun, engine: string): Promise<void> {
  const keeper = stateEngine(context.home, run.stack) ?? "lab";
  if (keeper === engine) return;
  const cli = await PulumiCli.open(context.home, run);
  if (engine === "lab") writePrivateFile(run.stateFile, await cli.exportState());
  else if (existsSync(run.stateFile)) await cli.importState(readFileSync(run.stateFile, "utf8"));
}

function keeperFile(home: LabHome, stack: string): string {
  return join(home.stateDir, `engine-${stack}`);
}

/** The engine that has the state of a stack; undefined without a state. */
export function stateEngine(home: LabHome, stack: string): string | undefined {
  const path = keeperFile(home, stack);
  return existsSync(path) ? readFileSync(path, "utf8").trim() : undefined;
}

/** Records which engine has the state; undefined after a stack is destroyed. */
export function recordStateEngine(home: LabHome, stack: string, engine: string | undefined): void {
  if (engine === undefined) rmSync(keeperFile(home, stack), { force: true });
  else writePrivateFile(keeperFile(home, stack), `${engine}\n`);
}

async function launchProvider(packageName: string) {
  const found = providerPackages.find(({ name }) => name === packageName);
  if (found === undefined) {
    const known = providerPackages.map(({ name }) => name).join(", ");
    throw new Error(`the lab has no provider "${packageName}"; it has: ${known}`);
  }
  return provideInProcess(found);
}

function launchReal(plugins: ReadonlyMap<string, string>): Launch {
  return async (packageName) => {
    const path = plugins.get(packageName);
    if (path === undefined) {
      const known = [...plugins.keys()].join(", ");
      throw new Error(`the program uses the provider "${packageName}"; supported are only: ${known}`);
    }
    return launchPlugin(path, (message) => report(packageName, message));
  };
}

const report = (packageName: string, message: string) => process.stderr.write(`${packageName}: ${message}\n`);

/** The engine's input for one run of a stack. The passphrase is generated once per lab. */
export function engineRun(
  context: LabContext,
  stack: string,
  configuration: StackConfiguration,
  more: Pick<EngineRun, "onEvent" | "continueOnError" | "ignoreProtect" | "refresh"> = {},
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
  throw new Error(`${what} failed\n${diagnosticLines(result) || "the engine reported no reason"}`);
}
