import { setTimeout as sleep } from "node:timers/promises";
import type { RegisterResourceHookRequest } from "@pulumi/pulumi/proto/resource_pb.js";
import { type Registered, Reported, type RunContext } from "./context.ts";
import { ProviderChoice } from "./default-providers.ts";
import { Executor } from "./executor.ts";
import { StepGenerator } from "./generator.ts";
import { dependencyUrns } from "./graph.ts";
import { ResourceHooks } from "./hooks.ts";
import { type MonitorHandlers, type ProviderHints, ShuttingDown } from "./monitor.ts";
import type { InvokeResult } from "./provider-answers.ts";
import { type Goal, inheritFromParent } from "./registration.ts";
import type { ResourceState } from "./resource-state.ts";
import { type Step, subject } from "./step.ts";
import { isProviderType, stackType, typeOf } from "./urn.ts";
import { equal, type PropertyMap } from "./values.ts";

// The SDK closes its connection as soon as it is told that the run has ended early, and requests that it has not sent are lost. The stack's
// outputs may be among them: it is told when they have been received, or after this time, because they may depend on what failed.
const outputsGraceSeconds = 2;

/** One preview, up or destroy: receives registrations, runs their steps, and deletes at the end. */
export class Deployment implements MonitorHandlers {
  readonly #context: RunContext;
  readonly #generator: StepGenerator;
  readonly #executor: Executor;
  readonly #hooks: ResourceHooks;
  readonly #providers: ProviderChoice;
  readonly #goals = new Map<string, Goal>();
  /** URNs that are skipped because of an error elsewhere. */
  readonly #skipped = new Set<string>();
  #stackOutputs: PropertyMap | undefined;
  #stackUrn = "";
  /** Steps are planned for one registration at a time, in the order in which they arrive. */
  #turn: Promise<void> = Promise.resolve();
  #signalFinished: () => void = () => {};
  /** Resolves when the program has signalled that it registers nothing more. */
  readonly programFinished: Promise<void>;
  #signalOver: () => void = () => {};
  readonly #over: Promise<void>;
  #signalOutputs: () => void = () => {};
  /** Resolves when an error has ended the run early and the program may be told. */
  readonly #cutOff: Promise<unknown>;
  #failed = false;

  constructor(context: RunContext, config: Readonly<Record<string, string>>, secretKeys: readonly string[]) {
    this.#context = context;
    this.#generator = new StepGenerator(context);
    this.#hooks = new ResourceHooks(context.options.preview, context.reporter);
    this.#executor = new Executor(context, this.#hooks);
    this.#providers = new ProviderChoice({ config, secretKeys, register: (goal) => this.#submit(goal) });
    this.programFinished = new Promise((resolve) => {
      this.#signalFinished = resolve;
    });
    this.#over = new Promise((resolve) => {
      this.#signalOver = resolve;
    });
    const outputsSaid = new Promise<void>((resolve) => {
      this.#signalOutputs = resolve;
    });
    this.#cutOff = this.cancelled.then(() =>
      Promise.race([outputsSaid, sleep(outputsGraceSeconds * 1000, undefined, { ref: false })]),
    );
  }

  /** Resolves when an error has ended the run early. */
  get cancelled(): Promise<void> {
    return this.#executor.cancelled;
  }

  get isCancelled(): boolean {
    return this.#executor.isCancelled;
  }

  /** True after any error. */
  get failed(): boolean {
    return (
      this.#failed ||
      this.#executor.sawError ||
      this.#executor.afterHookFailed ||
      this.#executor.isCancelled ||
      this.#generator.sawError
    );
  }

  // ---- requests of the program

  async register(goal: Goal, hints: ProviderHints): Promise<Registered> {
    const parent = this.#goals.get(goal.parent);
    let wanted = inheritFromParent(goal, parent);
    if (goal.custom && !isProviderType(goal.type)) {
      wanted = {
        ...wanted,
        provider: await this.#whileRunning(this.#providers.choose(goal.type, hints, parent?.provider ?? "")),
      };
    }
    const registered = await this.#submit(wanted);
    const { urn } = registered.state;
    this.#goals.set(urn, wanted);
    if (!goal.custom) this.#providers.remember(urn, hints);
    if (goal.type === stackType) this.#stackUrn = urn;
    return registered;
  }

  async registerOutputs(urn: string, outputs: PropertyMap): Promise<void> {
    this.#context.reporter.addSecretsOf(outputs);
    if (typeOf(urn) !== stackType) return this.#setOutputs(urn, outputs);
    this.#stackOutputs = outputs;
    this.#signalOutputs();
  }

  registerHook(request: RegisterResourceHookRequest): void {
    this.#hooks.register(request);
  }

  async #setOutputs(urn: string, outputs: PropertyMap): Promise<void> {
    const { snapshot } = this.#context;
    const step = this.#executor.registrable.get(urn);
    if (!step?.new) throw new Error(`outputs of ${urn} were registered twice, or before the resource itself`);
    this.#executor.registrable.delete(urn);
    const changed = step.old === undefined || !equal(step.old.outputs, outputs);
    step.new.outputs = outputs;
    if (changed) snapshot.write();
    if (!step.new.custom) await this.#executor.runAfterHooks(step);
    this.#executor.unreported.get(urn)?.();
    this.#executor.unreported.delete(urn);
  }

  async invoke(token: string, args: PropertyMap, hints: ProviderHints): Promise<InvokeResult> {
    const { registry, options } = this.#context;
    const reference = await this.#whileRunning(this.#providers.choose(token, hints, ""));
    const provider = registry.get(reference);
    if (!provider) throw new Error(`unknown provider ${reference} for ${token}`);
    try {
      const answer = await this.#whileRunning(provider.invoke(token, args, options.preview));
      this.#context.reporter.addSecretsOf(answer?.result ?? {});
      return answer ?? { result: {}, failures: [] };
    } catch (error) {
      if (error instanceof ShuttingDown) throw error;
      throw new Error(
        `invocation of ${token} returned an error: ${error instanceof Error ? error.message : error}`,
      );
    }
  }

  async finished(): Promise<void> {
    this.#signalFinished();
    await this.#over;
  }

  // ---- how registrations are carried out

  /** The result of the work; throws when the run ends first. */
  #whileRunning<Result>(work: Promise<Result>): Promise<Result> {
    work.catch(() => {});
    const end = this.#cutOff.then((): never => {
      throw new ShuttingDown();
    });
    end.catch(() => {});
    return Promise.race([work, end]);
  }

  #submit(goal: Goal): Promise<Registered> {
    const registered = new Promise<Registered>((resolve) => {
      this.#turn = this.#turn.then(() => this.#handle(goal, resolve));
    });
    return this.#whileRunning(registered);
  }

  async #handle(goal: Goal, done: (result: Registered) => void): Promise<void> {
    if (this.#executor.isCancelled) return;
    let steps: Step[];
    try {
      steps = await this.#generator.register({ goal, done });
    } catch (error) {
      this.fail(error);
      return;
    }
    for (const step of this.#executor.errored) this.#skipped.add(step.urn);
    const chain = steps.filter((step) => !this.#skip(step));
    if (chain.length > 0) void this.#executor.run(chain).catch((error) => this.fail(error));
  }

  /** Skips a resource whose dependencies do not exist because of an error. */
  #skip(step: Step): boolean {
    const state = subject(step);
    const needed = dependencyUrns(state);
    needed.add(state.parent);
    if (![...needed].some((urn) => this.#skipped.has(urn))) return false;
    this.#skipped.add(state.urn);
    step.registration?.done({ state, outcome: "skipped" });
    return true;
  }

  /** Ends the run early because of an error, which is reported unless it was already. */
  fail(error: unknown): void {
    this.#failed = true;
    if (!(error instanceof Reported)) {
      this.#context.reporter.say("error", error instanceof Error ? error.message : String(error));
    }
    this.#executor.cancel();
  }

  /** After the last registration: deletes resources that the program no longer declares, unless an error has ended the run. */
  async complete(): Promise<void> {
    await this.#turn;
    await this.#executor.idle();
    if (this.#executor.isCancelled) return;
    let groups: Step[][];
    try {
      groups = await this.#generator.deletions();
    } catch (error) {
      this.fail(error);
      return;
    }
    const { graph } = this.#context;
    for (const group of groups) {
      // A failed resource still needs what it depends on.
      const needed = new Set<ResourceState>();
      for (const step of this.#executor.errored) {
        for (const state of [step.new, step.old]) {
          if (state && graph.has(state))
            for (const other of graph.transitiveDependencies(state)) needed.add(other);
        }
      }
      const wanted = group.filter((step) => !needed.has(subject(step)));
      // A preview deletes nothing; running its deletions one after the other keeps their order readable.
      if (this.#context.options.preview) for (const step of wanted) await this.#executor.run([step]);
      else await Promise.all(wanted.map((step) => this.#executor.run([step])));
    }
  }

  /** Waits for the running steps, records the stack's outputs and lets the program end. */
  async end(): Promise<void> {
    await this.#turn;
    await this.#executor.idle();
    if (this.#stackOutputs && this.#executor.registrable.has(this.#stackUrn)) {
      const before = this.failed ? (this.#context.olds.get(this.#stackUrn)?.outputs ?? {}) : {};
      await this.#setOutputs(this.#stackUrn, { ...before, ...this.#stackOutputs });
    }
    // Not every component registers outputs.
    if (!this.failed) for (const report of this.#executor.unreported.values()) report();
    this.#signalOver();
    this.#hooks.close();
  }
}
