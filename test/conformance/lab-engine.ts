import { fork } from "node:child_process";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { breakLock, createEngine, encodeDeployment, readState } from "../../lab/pulumi/engine/index.ts";
import type { EngineEvent, EngineResult, EngineRun } from "../../lab/pulumi/engine/run.ts";
import { provideInProcess } from "../../lab/pulumi/providers/serve.ts";
import { type Deployment, recordedDeployment } from "./deployment.ts";
import type { Command, ObservedStep, PhaseResult } from "./format.ts";
import type { PhaseRun, ScenarioEngine } from "./runner.ts";
import { testingProvider } from "./testing-provider.ts";

const passphrase = "conformance";
const killDeadlineSeconds = 60;

/** The part of a run that can be handed to another process. */
export interface LabRun {
  readonly command: Command;
  readonly worldFile: string;
  readonly run: Omit<EngineRun, "onEvent">;
}

/** What that process sends back. */
export type LabMessage = { readonly event: EngineEvent } | { readonly result: EngineResult };

/** Runs the lab's engine with the provider `testing`. */
export function runLabEngine(
  { command, worldFile, run }: LabRun,
  onEvent: (event: EngineEvent) => void,
): Promise<EngineResult> {
  const engine = createEngine({
    launch: async (packageName) => {
      if (packageName !== "testing") throw new Error(`no provider "${packageName}" here`);
      return provideInProcess(testingProvider({ worldFile }));
    },
  });
  return engine[command]({ ...run, onEvent });
}

/** The lab's engine, as the conformance suite runs engines. Its state lives in `workDir`. */
export function labEngine(workDir: string): ScenarioEngine {
  const stateFile = join(workDir, "state.json");
  return {
    async run(phase) {
      const events: EngineEvent[] = [];
      const outcome = await runPhase(phase, stateFile, events);
      return {
        outcome,
        ...observe(phase.command, events),
        summary: {},
        deployment: phase.command === "preview" ? undefined : await plainDeployment(stateFile),
      };
    },
    close: async () => {},
  };
}

async function runPhase(
  phase: PhaseRun,
  stateFile: string,
  events: EngineEvent[],
): Promise<PhaseResult["outcome"]> {
  const labRun: LabRun = {
    command: phase.command,
    worldFile: phase.worldFile,
    run: {
      projectDir: phase.projectDir,
      project: "conformance",
      stack: "dev",
      config: phase.config,
      secretKeys: [],
      stateFile,
      passphrase,
      continueOnError: phase.continueOnError,
      owner: "conformance@test",
    },
  };
  if (phase.killWhen === undefined) {
    const { ok } = await runLabEngine(labRun, (event) => events.push(event));
    return ok ? "ok" : "fail";
  }
  const outcome = await runToBeKilled(labRun, phase.killWhen, events);
  if (outcome === "killed") breakLock(stateFile);
  return outcome;
}

/** Runs the engine in a process of its own, which is killed as soon as `killWhen` says so. */
async function runToBeKilled(
  labRun: LabRun,
  killWhen: () => boolean,
  events: EngineEvent[],
): Promise<PhaseResult["outcome"]> {
  const script = fileURLToPath(new URL("lab-engine-process.ts", import.meta.url));
  const child = fork(script, { execArgv: [], stdio: ["ignore", "inherit", "inherit", "ipc"] });
  let result: EngineResult | undefined;
  child.on("message", (message: LabMessage) => {
    if ("event" in message) events.push(message.event);
    else result = message.result;
  });
  let ended = false;
  const exited = new Promise<void>((resolve) => {
    child.once("close", () => {
      ended = true;
      resolve();
    });
  });
  child.send(labRun);
  const deadline = Date.now() + killDeadlineSeconds * 1000;
  while (!ended && !killWhen()) {
    if (Date.now() > deadline) {
      child.kill("SIGKILL");
      throw new Error(`the moment to kill the engine did not come within ${killDeadlineSeconds} seconds`);
    }
    await Promise.race([exited, sleep(10)]);
  }
  child.kill("SIGKILL");
  await exited;
  if (result === undefined) return "killed";
  return result.ok ? "ok" : "fail";
}

/** The same reading of events that the recorder makes of a real engine's event log. */
function observe(
  command: Command,
  events: readonly EngineEvent[],
): Pick<PhaseResult, "steps" | "same" | "diagnostics"> {
  const started: { op: string; urn: string; at: number }[] = [];
  const steps: ObservedStep[] = [];
  const same = new Set<string>();
  const diagnostics: { severity: string; urn?: string; message: string }[] = [];
  for (const [at, event] of events.entries()) {
    if (event.kind === "diagnostic") {
      const { severity, urn, message } = event;
      diagnostics.push({ severity, message, ...(urn && { urn }) });
    } else if (event.kind === "step-started") started.push({ op: event.op, urn: event.urn, at });
    else {
      // A refresh ends as what it found: same, update or delete.
      const index = started.findIndex(
        ({ op, urn }) => urn === event.urn && (op === event.op || op === "refresh"),
      );
      const [step] = index < 0 ? [] : started.splice(index, 1);
      if (step === undefined) continue;
      const failed = event.kind === "step-failed";
      // A real engine's preview has no event for the end of a step that failed, only a diagnostic.
      if (failed && command === "preview") continue;
      if (event.op === "same" && step.op !== "refresh") same.add(event.urn);
      else {
        const found = step.op === "refresh" ? { found: event.op } : {};
        steps.push({ op: step.op, urn: step.urn, failed, startedAt: step.at, endedAt: at, ...found });
      }
    }
  }
  return { steps, same: [...same].sort(), diagnostics };
}

async function plainDeployment(stateFile: string) {
  const state = readState(stateFile, passphrase);
  const crypter = {
    salt: state.crypter.salt,
    encrypt: (text: string) => text,
    decrypt: (text: string) => text,
  };
  const { deployment } = JSON.parse(encodeDeployment({ ...state, crypter })) as { deployment: Deployment };
  // With that crypter the "ciphertext" is the plain text, which the recordings keep under its own name.
  const renamed = JSON.stringify(deployment).replaceAll('"ciphertext":', '"plaintext":');
  return recordedDeployment(JSON.parse(renamed) as Deployment);
}
