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
import { createPulumiEngine } from "./pulumi-engine.ts";

export const engineNames = ["lab", "pulumi"] as const;

/**
 * The engine of a run: the lab's own, or the `pulumi` on the PATH.
 * @throws when the name is neither, there is no `pulumi`, or the other engine keeps the state of this stack.
 */
export async function engineNamed(name: string, context: LabContext, stack: string): Promise<Engine> {
  const keeper = stateKeeper(context.home, stack);
  if (keeper !== undefined && keeper !== name) {
    throw new Error(
      `--engine: the state of ${stack} in this lab is kept by the engine "${keeper}", "${name}" would build it a second time. ` +
        `Go on with --engine ${keeper}, or begin anew: npm run lab -- destroy --stack ${stack} --engine ${keeper}`,
    );
  }
  if (name === "lab") return createEngine({ launch: launchProvider });
  if (name === "pulumi") return createPulumiEngine(context.home);
  throw new Error(`--engine: "${name}" is no engine; allowed: ${engineNames.join(", ")}`);
}

function keeperFile(home: LabHome, stack: string): string {
  return join(home.stateDir, `engine-${stack}`);
}

/** The engine that keeps the state of a stack; undefined while it has none. */
function stateKeeper(home: LabHome, stack: string): string | undefined {
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
