import { DependencyGraph } from "./graph.ts";
import type { Goal } from "./registration.ts";
import type { ProviderRegistry } from "./registry.ts";
import type { Reporter } from "./reporter.ts";
import type { ResourceState } from "./resource-state.ts";
import type { Snapshot } from "./snapshot.ts";

/** How a registration ended for the program. */
export interface Registered {
  readonly state: ResourceState;
  readonly outcome: "success" | "failed" | "skipped";
}

/** A goal on its way through the engine. `done` answers the program. */
export interface Registration {
  readonly goal: Goal;
  done(result: Registered): void;
}

/** The settings of one run, decided. */
export interface RunOptions {
  readonly project: string;
  readonly stack: string;
  readonly preview: boolean;
  readonly continueOnError: boolean;
  readonly ignoreProtect: boolean;
  /** How many steps run at a time. */
  readonly parallel: number;
}

/** What all rooms of one run share. */
export class RunContext {
  readonly options: RunOptions;
  readonly registry: ProviderRegistry;
  readonly snapshot: Snapshot;
  readonly reporter: Reporter;
  /** The resources at the start of the run, in dependency order. */
  readonly previous: readonly ResourceState[];
  /** Of {@link previous}, those that are not just waiting for their deletion. */
  readonly olds = new Map<string, ResourceState>();
  readonly graph: DependencyGraph;
  /** States that steps of this run have reached. */
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

/** An error whose text the user has been shown already. */
export class Reported extends Error {}

/** Shows the user an error about a resource and ends the work on it. */
export function refuse(context: RunContext, message: string, urn: string): never {
  context.reporter.say("error", message, urn);
  throw new Reported(message);
}
