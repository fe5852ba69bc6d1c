import { DependencyGraph } from "./graph.ts";
import type { Goal } from "./registration.ts";
import type { ProviderRegistry } from "./registry.ts";
import type { Reporter } from "./reporter.ts";
import type { ResourceState } from "./resource-state.ts";
import type { Snapshot } from "./snapshot.ts";

/** The result of a registration, as the program receives it. */
export interface Registered {
  readonly state: ResourceState;
  readonly outcome: "success" | "failed" | "skipped";
}

/** A registration that the engine works on. `done` sends the result to the program. */
export interface Registration {
  readonly goal: Goal;
  done(result: Registered): void;
}

/** The settings of one run, defaults applied. */
export interface RunOptions {
  readonly project: string;
  readonly stack: string;
  readonly preview: boolean;
  readonly continueOnError: boolean;
  readonly ignoreProtect: boolean;
  /** Maximum number of steps that run at the same time. */
  readonly parallel: number;
}

/** What all parts of the engine share during one run. */
export class RunContext {
  readonly options: RunOptions;
  readonly registry: ProviderRegistry;
  readonly snapshot: Snapshot;
  readonly reporter: Reporter;
  /** The resources at the start of the run, in dependency order. */
  readonly previous: readonly ResourceState[];
  /** Of {@link previous}, those that are not only waiting to be deleted. */
  readonly olds = new Map<string, ResourceState>();
  readonly graph: DependencyGraph;
  /** Resource states that steps of this run have produced. */
  readonly news = new Map<string, ResourceState>();

  constructor(
    options: RunOptions,
    registry: ProviderRegistry,
    snapshot: Snapshot,
    reporter: Reporter,
    previous: readonly ResourceState[],
  ) {
    this.options = options;
    this.registry = registry;
    this.snapshot = snapshot;
    this.reporter = reporter;
    this.previous = previous;
    for (const state of previous) if (!state.delete) this.olds.set(state.urn, state);
    this.graph = new DependencyGraph(previous);
  }
}

/** An error that has already been shown to the user. */
export class Reported extends Error {}

/** Reports an error about a resource and throws {@link Reported}. */
export function refuse(context: RunContext, message: string, urn: string): never {
  context.reporter.say("error", message, urn);
  throw new Reported(message);
}
