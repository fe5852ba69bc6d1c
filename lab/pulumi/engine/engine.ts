import { Reported, RunContext, type RunOptions } from "./context.ts";
import { Deployment } from "./deployment.ts";
import { takeLock } from "./lock.ts";
import { type DeploymentFacts, Monitor, organization } from "./monitor.ts";
import { Program } from "./program.ts";
import { refreshAll } from "./refresh.ts";
import type { Launch } from "./registry.ts";
import { ProviderRegistry } from "./registry.ts";
import { Reporter } from "./reporter.ts";
import type { Deployment as RecordedDeployment } from "./resource-state.ts";
import type { Engine, EngineResult, EngineRun } from "./run.ts";
import { Snapshot } from "./snapshot.ts";
import { openState } from "./state.ts";

const defaultParallel = 8;
// Seconds that a program has to exit once it has nothing to wait for.
const programGraceSeconds = 10;

/** What an engine needs from its surroundings. */
interface EngineOptions {
  /** Starts an instance of a provider package. Called once per provider resource and run. */
  readonly launch: Launch;
}

type Operation = "preview" | "up" | "refresh" | "destroy";

/**
 * The lab's deployment engine: Pulumi's semantics for the features that the program uses; any other feature is refused
 * with an error that names it. It is for the lab alone; production uses Pulumi's engine.
 */
export function createEngine(options: EngineOptions): Engine {
  return {
    preview: (run) => operate("preview", run, options),
    up: (run) => operate("up", run, options),
    refresh: (run) => operate("refresh", run, options),
    destroy: (run) => operate("destroy", run, options),
  };
}

/** Throws only before anything is changed: when the lock is held or the state cannot be read. */
async function operate(
  operation: Operation,
  run: EngineRun,
  { launch }: EngineOptions,
): Promise<EngineResult> {
  const preview = operation === "preview";
  const unlock = preview ? () => {} : takeLock(run.stateFile, run.owner, operation);
  try {
    const reporter = new Reporter(run.onEvent);
    for (const key of run.secretKeys) reporter.addSecret(run.config[key] ?? "");
    const runOptions: RunOptions = {
      project: run.project,
      stack: run.stack,
      preview,
      continueOnError: run.continueOnError ?? false,
      ignoreProtect: run.ignoreProtect ?? false,
      parallel: run.parallel ?? defaultParallel,
    };
    const registry = new ProviderRegistry(launch, preview);
    // It loads its modules while the state is read.
    const program =
      operation === "preview" || operation === "up"
        ? await startProgram(run, runOptions, reporter)
        : undefined;
    let snapshot: Snapshot | undefined;
    try {
      const recorded = await openState(run.stateFile, run.passphrase);
      for (const state of recorded.resources) {
        reporter.addSecretsOf(state.inputs);
        reporter.addSecretsOf(state.outputs);
      }
      if (!preview) warnOfPending(recorded, reporter);
      const base = preview && run.refresh ? await found(recorded, runOptions, reporter, launch) : recorded;
      if (base === undefined) return reporter.result(false);
      snapshot = new Snapshot(base, preview ? undefined : run.stateFile);
      const context = new RunContext(runOptions, registry, snapshot, reporter, base.resources);
      if (operation === "refresh") return reporter.result(await refreshAll(context));
      if (operation === "destroy" && !mayDestroy(context)) return reporter.result(false);
      const deployment = new Deployment(context, run.config, run.secretKeys);
      if (program === undefined) {
        await deployment.complete();
        await deployment.end();
      } else {
        await program.run(deployment);
        // While the program ends.
        snapshot.flush();
        await program.end();
      }
      return reporter.result(!deployment.failed);
    } finally {
      await program?.stop();
      await registry.close();
      snapshot?.flush();
    }
  } finally {
    unlock();
  }
}

/**
 * The recorded resources as they exist now; undefined after an error, which has been reported. As in Pulumi, what it reads is no step of the
 * preview (pkg/resource/deploy/step.go: a RefreshStep is not logical): only what `up` would do about it is.
 */
async function found(
  recorded: RecordedDeployment,
  options: RunOptions,
  reporter: Reporter,
  launch: Launch,
): Promise<RecordedDeployment | undefined> {
  const registry = new ProviderRegistry(launch, false);
  const snapshot = new Snapshot(recorded, undefined);
  try {
    const ok = await refreshAll(new RunContext(options, registry, snapshot, reporter, recorded.resources));
    if (!ok) return undefined;
    reporter.forgetSteps();
    return { ...recorded, resources: snapshot.resources() };
  } finally {
    await registry.close();
  }
}

/** Delete hooks are functions of the program, so without the program they cannot be called. */
function mayDestroy({ previous, reporter }: RunContext): boolean {
  const hooked = previous.filter(({ hooks }) => hooks.BeforeDelete || hooks.AfterDelete);
  for (const { urn, hooks } of hooked) {
    const names = [...(hooks.BeforeDelete ?? []), ...(hooks.AfterDelete ?? [])].join(", ");
    reporter.say("error", `the program does not run, and the resource has delete hooks: ${names}`, urn);
  }
  if (hooked.length > 0)
    reporter.say("error", "take delete hooks off in the program and run up before destroy");
  return hooked.length === 0;
}

/** A program that has been started, and waits until a deployment takes its requests. */
interface StartedProgram {
  /** Resolves when the program has registered everything, or has failed, and what it asked for is done. */
  run(deployment: Deployment): Promise<void>;
  /** Waits until it has ended, and notes in the deployment if it failed. */
  end(): Promise<void>;
  /** Ends it at once, where it still runs. */
  stop(): Promise<void>;
}

async function startProgram(
  run: EngineRun,
  options: RunOptions,
  reporter: Reporter,
): Promise<StartedProgram> {
  const facts: DeploymentFacts = {
    project: run.project,
    stack: run.stack,
    organization,
    config: run.config,
    secretKeys: run.secretKeys,
    preview: options.preview,
    parallel: options.parallel,
  };
  const { promise: ready, resolve: serve } = Promise.withResolvers<Deployment>();
  const monitor = new Monitor(facts, ready, reporter);
  const program = new Program({
    projectDir: run.projectDir,
    address: await monitor.listen(),
    facts,
    env: run.env ?? {},
    onLine: (line) => reporter.say("info", line),
  });
  let ended: Promise<void> = Promise.resolve();
  return {
    async run(deployment) {
      serve(deployment);
      ended = program.ended.then((message) => {
        // After an error elsewhere, the program's own failure need not be reported.
        if (message === undefined || deployment.isCancelled) return;
        deployment.fail(message === "" ? new Reported(message) : new Error(message));
      });
      await Promise.race([deployment.programFinished, ended, deployment.cancelled]);
      await deployment.complete();
      // A program that an error cuts off may still be sending its outputs.
      if (deployment.isCancelled) {
        await Promise.race([deployment.programFinished, program.stop(programGraceSeconds)]);
      }
      await deployment.end();
    },
    async end() {
      await program.stop(programGraceSeconds);
      await ended;
    },
    async stop() {
      await program.stop(0);
      monitor.close();
    },
  };
}

function warnOfPending(base: RecordedDeployment, reporter: Reporter): void {
  if (base.pendingOperations.length === 0) return;
  const list = base.pendingOperations.map(
    ({ type, resource }) => `\n  * ${resource.urn}, interrupted while ${type}`,
  );
  reporter.say(
    "warning",
    `an earlier run was interrupted; whether these operations were completed is unknown:${list.join("")}\n` +
      "To resolve them: npm run lab -- ops recover",
  );
}
