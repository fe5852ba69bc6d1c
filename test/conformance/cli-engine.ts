import { spawn } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { delimiter, dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { execa } from "execa";
import { serveProvider } from "../../lab/pulumi/providers/serve.ts";
import { type Deployment, recordedDeployment } from "./deployment.ts";
import type { Diagnostic, ObservedStep, PhaseResult } from "./format.ts";
import type { PhaseRun, ScenarioEngine } from "./runner.ts";
import { testingProvider } from "./testing-provider.ts";

const stack = "organization/conformance/dev";
/** A phase takes about 3 s; the longest waits for delays of its own. */
const deadlineSeconds = 120;

/** One line of the file that `--event-log` writes, as far as it is used here. */
interface CliEvent {
  readonly sequence: number;
  readonly resourcePreEvent?: { readonly metadata: StepMetadata };
  readonly resOutputsEvent?: { readonly metadata: StepMetadata };
  readonly resOpFailedEvent?: { readonly metadata: StepMetadata };
  readonly diagnosticEvent?: { readonly urn?: string; readonly message: string; readonly severity: string };
  readonly summaryEvent?: { readonly resourceChanges: Readonly<Record<string, number>> };
}
interface StepMetadata {
  readonly op: string;
  readonly urn: string;
}

export interface CliEngineOptions {
  /** The `pulumi` to run; its language host is looked for beside it, then on the PATH. */
  readonly pulumi: string;
  /** A folder of its own, for the state, the stack's configuration and the event logs. */
  readonly workDir: string;
  readonly worldFile: string;
  /** See testing-provider.ts. */
  readonly jitterMilliseconds: (name: string) => number;
}

/** A real Pulumi CLI with a local backend, the provider `testing` attached to it. */
export async function cliEngine(options: CliEngineOptions): Promise<ScenarioEngine> {
  const { pulumi, workDir } = options;
  const stateDir = join(workDir, "state");
  mkdirSync(stateDir, { recursive: true });
  // The stack's configuration file appears beside the Pulumi.yaml that `stack init` finds: here, not in the project.
  writeFileSync(join(workDir, "Pulumi.yaml"), "name: conformance\nruntime: nodejs\n");
  const configFile = join(workDir, "Pulumi.dev.yaml");
  const served = await serveProvider(
    testingProvider({ worldFile: options.worldFile, jitterMilliseconds: options.jitterMilliseconds }),
  );
  const env = {
    ...process.env,
    PATH: [dirname(pulumi), dirname(process.execPath), process.env.PATH].join(delimiter),
    PULUMI_BACKEND_URL: `file://${stateDir}`,
    PULUMI_CONFIG_PASSPHRASE: "conformance",
    PULUMI_DEBUG_COMMANDS: "true",
    PULUMI_DEBUG_PROVIDERS: `testing:${served.address.split(":").at(-1)}`,
    PULUMI_SKIP_UPDATE_CHECK: "true",
  };
  await execa(pulumi, ["stack", "init", stack, "--non-interactive"], { cwd: workDir, env });
  let phases = 0;

  return {
    run: async (run) => {
      phases += 1;
      const eventLog = join(workDir, `events-${phases}.jsonl`);
      const outcome = await runCli(pulumi, cliArguments(run, configFile, eventLog), run, env);
      if (outcome === "killed") {
        // The dead engine's lock stays; taking it away is the operator's first step after a crash.
        await execa(pulumi, ["cancel", "--yes", "--stack", stack], { cwd: workDir, env });
      }
      const deployment = run.command === "preview" ? undefined : await exportDeployment(pulumi, workDir, env);
      return { outcome, ...parseEvents(eventLog), deployment };
    },
    close: () => served.close(),
  };
}

/** @throws Error when the CLI cannot be started. */
export async function cliVersion(pulumi: string): Promise<string> {
  return (await execa(pulumi, ["version"])).stdout.trim();
}

function cliArguments(run: PhaseRun, configFile: string, eventLog: string): string[] {
  const args = [run.command, "--non-interactive", "--stack", stack, "--config-file", configFile];
  // More than any scenario has steps, so that no step waits for a free place.
  args.push("--event-log", eventLog, "--parallel", "64");
  if (run.command !== "preview") args.push("--yes", "--skip-preview");
  if (run.command === "preview" || run.command === "up") {
    for (const [key, value] of Object.entries(run.config)) args.push("--config", `${key}=${value}`);
  }
  if (run.continueOnError) args.push("--continue-on-error");
  return args;
}

async function runCli(
  pulumi: string,
  args: readonly string[],
  run: PhaseRun,
  env: NodeJS.ProcessEnv,
): Promise<PhaseResult["outcome"]> {
  // A group of its own, so that a kill takes the language host and the program along, as the end of a machine would.
  const child = spawn(pulumi, args, { cwd: run.projectDir, env, detached: true, stdio: "ignore" });
  let exitCode: number | undefined;
  const ended = new Promise<void>((resolve, reject) => {
    child.once("error", reject);
    child.once("exit", (code) => {
      exitCode = code ?? 1;
      resolve();
    });
  });
  const kill = (): void => {
    if (child.pid !== undefined) process.kill(-child.pid, "SIGKILL");
  };
  const deadline = Date.now() + deadlineSeconds * 1000;
  let killed = false;
  while (exitCode === undefined) {
    await Promise.race([ended, sleep(25)]);
    if (exitCode !== undefined) break;
    if (run.killWhen?.() === true && !killed) {
      killed = true;
      kill();
    } else if (Date.now() > deadline) {
      kill();
      throw new Error(`pulumi ${args.join(" ")}: not done after ${deadlineSeconds} seconds`);
    }
  }
  if (killed) return "killed";
  return exitCode === 0 ? "ok" : "fail";
}

function parseEvents(eventLog: string): Pick<PhaseResult, "steps" | "same" | "summary" | "diagnostics"> {
  const events = existsSync(eventLog)
    ? readFileSync(eventLog, "utf8")
        .split("\n")
        .filter((line) => line.endsWith("}"))
        .map((line) => JSON.parse(line) as CliEvent)
    : [];
  const started: { op: string; urn: string; at: number }[] = [];
  const steps: ObservedStep[] = [];
  const same = new Set<string>();
  const diagnostics: Diagnostic[] = [];
  let summary: Readonly<Record<string, number>> = {};
  for (const event of events) {
    const start = event.resourcePreEvent?.metadata;
    const end = event.resOutputsEvent?.metadata ?? event.resOpFailedEvent?.metadata;
    if (start !== undefined) started.push({ op: start.op, urn: start.urn, at: event.sequence });
    if (end !== undefined) {
      // A refresh ends as what it found: same, update or delete.
      const index = started.findIndex(
        (step) => step.urn === end.urn && (step.op === end.op || step.op === "refresh"),
      );
      const [step] = index < 0 ? [] : started.splice(index, 1);
      if (end.op === "same" && step?.op !== "refresh") {
        same.add(end.urn);
      } else if (step !== undefined) {
        const failed = event.resOpFailedEvent !== undefined;
        const found = step.op === "refresh" ? { found: end.op } : {};
        steps.push({
          op: step.op,
          urn: end.urn,
          failed,
          startedAt: step.at,
          endedAt: event.sequence,
          ...found,
        });
      }
      // What is left is a second event, for the outputs that a component registers: it belongs to no step.
    }
    if (event.diagnosticEvent !== undefined && event.diagnosticEvent.severity !== "debug") {
      const { severity, urn, message } = event.diagnosticEvent;
      diagnostics.push({ severity, ...(urn ? { urn } : {}), message: withoutPlaces(message) });
    }
    summary = event.summaryEvent?.resourceChanges ?? summary;
  }
  return { steps, same: [...same].sort(), summary, diagnostics };
}

/** A message without its stack, and without where this repository lies. */
function withoutPlaces(message: string): string {
  const root = join(import.meta.dirname, "..", "..");
  return message
    .split("\n")
    .filter((line) => !/^\s+at /.test(line))
    .join("\n")
    .replaceAll(root, ".")
    .trim();
}

async function exportDeployment(pulumi: string, workDir: string, env: NodeJS.ProcessEnv) {
  const { stdout } = await execa(pulumi, ["stack", "export", "--show-secrets", "--stack", stack], {
    cwd: workDir,
    env,
  });
  return recordedDeployment((JSON.parse(stdout) as { deployment: Deployment }).deployment);
}
