import { Reported, type RunContext } from "./context.ts";
import { ProtectedResource } from "./deletions.ts";
import type { ResourceHooks } from "./hooks.ts";
import { InitFailed } from "./provider-answers.ts";
import { markSecretOutputs } from "./resource-state.ts";
import type { Step } from "./step.ts";

/**
 * Runs chains of steps, as many chains at a time as the run's parallelism allows, in the order in which they were
 * submitted. An error cancels the steps that have not started; running steps finish. With continue-on-error it only stops its own chain.
 */
export class Executor {
  readonly #context: RunContext;
  readonly #hooks: ResourceHooks;
  readonly #waiting: (() => void)[] = [];
  #running = 0;
  #idle: (() => void)[] = [];
  #cancel: (() => void) | undefined;
  /** Resolves when an error has ended the run early. */
  readonly cancelled: Promise<void>;
  isCancelled = false;
  /** True when any step has failed. */
  sawError = false;
  /** True when a hook has failed after its step was done: the run fails, but dependents of the step are still processed. */
  afterHookFailed = false;
  /** Steps that failed while the run went on. */
  readonly errored: Step[] = [];
  /** The latest step of each resource whose outputs the program may still register. */
  readonly registrable = new Map<string, Step>();
  /** Components' steps whose end is reported when their outputs are registered. */
  readonly unreported = new Map<string, () => void>();

  constructor(context: RunContext, hooks: ResourceHooks) {
    this.#context = context;
    this.#hooks = hooks;
    this.cancelled = new Promise((resolve) => {
      this.#cancel = resolve;
    });
  }

  cancel(): void {
    this.isCancelled = true;
    this.#cancel?.();
  }

  /** Runs steps one after the other, as soon as the parallelism allows. Resolves when the chain has ended, with or without an error. */
  async run(chain: readonly Step[]): Promise<void> {
    if (this.#running >= this.#context.options.parallel) {
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
    this.#running += 1;
    try {
      for (const [i, step] of chain.entries()) {
        if (this.isCancelled) return;
        if (await this.#execute(step)) continue;
        this.#abandon(chain.slice(i + 1));
        return;
      }
    } finally {
      this.#running -= 1;
      this.#waiting.shift()?.();
      if (this.#running === 0 && this.#waiting.length === 0) for (const done of this.#idle.splice(0)) done();
    }
  }

  /** Resolves when nothing runs or waits. */
  async idle(): Promise<void> {
    if (this.#running > 0 || this.#waiting.length > 0) {
      await new Promise<void>((resolve) => this.#idle.push(resolve));
    }
  }

  async #execute(step: Step): Promise<boolean> {
    const { reporter, snapshot, news } = this.#context;
    const report = reporter.step(step.op, step.urn, step.detail);
    const operand = step.pending === "deleting" ? step.old : step.new;
    const end = step.pending && operand ? snapshot.begin(step.pending, operand) : undefined;
    let failure: Error | undefined;
    try {
      await this.#hooks.before(step);
      await step.apply();
    } catch (error) {
      failure = error instanceof Error ? error : new Error(String(error));
    }
    const component = step.new !== undefined && !step.new.custom;
    if (!failure && !component) await this.runAfterHooks(step);
    const partial = failure instanceof InitFailed;
    if (step.new && step.op !== "replace") {
      markSecretOutputs(step.new);
      reporter.addSecretsOf(step.new.outputs);
      news.set(step.urn, step.new);
    }
    if (!failure && step.logical && step.new) this.registrable.set(step.urn, step);
    const wasPending = end !== undefined;
    end?.();
    const mustWrite = !failure || partial ? step.record() : wasPending;
    if (mustWrite || wasPending) snapshot.write();
    if (failure) {
      reporter.say("error", failureText(step, failure), step.urn);
      report(true);
      this.#fail(step, failure);
      return false;
    }
    // A component is done when the program has registered its outputs.
    if (component && step.logical && step.op !== "replace")
      this.unreported.set(step.urn, () => report(false));
    else report(false);
    if (step.new) step.registration?.done({ state: step.new, outcome: "success" });
    if (this.afterHookFailed && !this.#context.options.continueOnError) this.cancel();
    return true;
  }

  /** A failing hook is reported and fails the run, although the step itself is done. */
  async runAfterHooks(step: Step): Promise<void> {
    try {
      await this.#hooks.after(step);
    } catch (error) {
      this.afterHookFailed = true;
      this.#context.reporter.say("error", error instanceof Error ? error.message : String(error), step.urn);
    }
  }

  /** Marks the steps after a failed one as failed too, for the program and for dependents. */
  #abandon(rest: readonly Step[]): void {
    for (const step of rest) {
      if (!step.registration || !step.new) continue;
      this.errored.push(step);
      step.registration.done({ state: step.new, outcome: "failed" });
    }
  }

  #fail(step: Step, failure: Error): void {
    this.sawError = true;
    if (this.#context.options.continueOnError || failure instanceof ProtectedResource) {
      if (step.new) step.registration?.done({ state: step.new, outcome: "failed" });
      this.errored.push(step);
    } else this.cancel();
  }
}

const verbs: Readonly<Record<string, string>> = {
  create: "creating",
  "create-replacement": "creating the replacement of",
  update: "updating",
  delete: "deleting",
  "delete-replaced": "deleting the replaced",
  refresh: "refreshing",
};

function failureText(step: Step, failure: Error): string {
  if (failure instanceof Reported) return failure.message;
  const reasons =
    failure instanceof InitFailed ? failure.reasons.map((reason) => `\n* ${reason}`).join("") : "";
  const text =
    reasons === "" ? failure.message : `the resource exists, but its initialization failed:${reasons}`;
  return `${verbs[step.op] ?? step.op} ${step.urn}: ${text}`;
}
