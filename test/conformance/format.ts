/**
 * The conformance suite's own formats: what a scenario says, and what a recording of a real engine holds.
 */

/** How an engine is started for one phase. */
export type Command = "preview" | "up" | "refresh" | "destroy";

/** A call of a provider that changes the world. */
export type Mutation = "create" | "update" | "delete";

/** Something that happens to the world behind the engine's back, before a phase starts. Things go by their logical name. */
export type WorldChange =
  | { readonly remove: string }
  | { readonly set: string; readonly outputs: Readonly<Record<string, string | number>> }
  | { readonly failing: Mutation; readonly thing: string; readonly message: string }
  | { readonly healed: Mutation; readonly thing: string };

/** One run of the engine within a scenario. State and world carry over from phase to phase. */
export interface Phase {
  readonly run: Command;
  /** What the scenario's program is given. Default: the variant of the phase before, or `v1`. */
  readonly variant?: string;
  readonly continueOnError?: boolean;
  readonly before?: readonly WorldChange[];
  /**
   * Kills the engine (SIGKILL) while the provider works on `thing`: `before` it changed the world, or `after`, when the
   * engine cannot know yet that it did.
   */
  readonly kill?: { readonly during: Mutation; readonly thing: string; readonly when: "before" | "after" };
  readonly expect: "ok" | "fail" | "killed";
}

export interface Scenario {
  /** File name of its recording, and its key in the configuration of the program. */
  readonly name: string;
  /** One sentence: what it shows. */
  readonly about: string;
  /** Registers the resources. Runs inside the program that the engine started. */
  readonly program: (variant: string) => Readonly<Record<string, unknown>> | undefined;
  readonly phases: readonly Phase[];
  /** Also keeps what the provider was asked (see {@link PhaseResult.calls}). Default false. */
  readonly recordCalls?: boolean;
}

/** A step that the engine took. Sequence numbers count the engine's events of a phase. */
export interface ObservedStep {
  /** Pulumi's name of the operation: `create`, `create-replacement`, `replace`, `delete-replaced`, `refresh`, … */
  readonly op: string;
  readonly urn: string;
  readonly failed: boolean;
  readonly startedAt: number;
  readonly endedAt: number;
  /** What a refresh found, where the engine says so: `same`, `update` or `delete`. Recorded for people, not compared. */
  readonly found?: string;
}

/** A resource as the checkpoint holds it after a phase, without times; secrets are `{ "[secret]": value }`. */
export interface RecordedResource {
  readonly urn: string;
  readonly id?: string;
  readonly inputs: Readonly<Record<string, unknown>>;
  readonly outputs: Readonly<Record<string, unknown>>;
  readonly parent?: string;
  readonly provider?: string;
  readonly dependencies?: readonly string[];
  readonly propertyDependencies?: Readonly<Record<string, readonly string[]>>;
  /** Replaced, and still to be deleted. */
  readonly delete?: true;
  readonly protect?: true;
  readonly pendingReplacement?: true;
  readonly retainOnDelete?: true;
  readonly deletedWith?: string;
  readonly aliases?: readonly string[];
  readonly resourceHooks?: Readonly<Record<string, readonly string[]>>;
  readonly additionalSecretOutputs?: readonly string[];
  readonly initErrors?: readonly string[];
}

export interface RecordedDeployment {
  /** Sorted by URN, then by `delete`, then by id: the order within a checkpoint is not compared. */
  readonly resources: readonly RecordedResource[];
  /** `creating urn:…`, sorted. */
  readonly pendingOperations: readonly string[];
}

/** What the provider was asked, inputs as it saw them; an unknown is `"[unknown]"`. Or what a hook was called with. */
export interface ProviderCall {
  readonly call: "check" | "diff" | "create" | "read" | "update" | "delete" | "invoke" | "hook";
  readonly thing: string;
  readonly inputs: unknown;
}

export interface Diagnostic {
  readonly severity: string;
  readonly urn?: string;
  readonly message: string;
}

/** What one run of an engine did, before it is reduced to a recording or compared with one. */
export interface PhaseResult {
  readonly outcome: "ok" | "fail" | "killed";
  /** In the order in which they ended. A step that a kill interrupted is missing. */
  readonly steps: readonly ObservedStep[];
  /** URNs that the engine looked at and left as they are, sorted. */
  readonly same: readonly string[];
  /** Numbers of the engine's own closing summary by operation; empty where it printed none. */
  readonly summary: Readonly<Record<string, number>>;
  readonly diagnostics: readonly Diagnostic[];
  /** Undefined after a preview. */
  readonly deployment: RecordedDeployment | undefined;
  readonly calls: readonly ProviderCall[];
}

export interface RecordedStep {
  readonly op: string;
  readonly urn: string;
  readonly failed?: true;
  readonly found?: string;
  /** Indices of the steps that had ended before this one started, in every run; those that follow from others are left out. */
  readonly after: readonly number[];
}

export interface RecordedPhase {
  readonly run: Command;
  readonly variant: string;
  readonly outcome: PhaseResult["outcome"];
  readonly steps: readonly RecordedStep[];
  readonly same: readonly string[];
  readonly summary: Readonly<Record<string, number>>;
  readonly diagnostics: readonly Diagnostic[];
  readonly deployment?: RecordedDeployment;
  readonly calls?: readonly ProviderCall[];
  /** Things that exist in the world afterwards: logical name to ids, sorted. */
  readonly world: Readonly<Record<string, readonly string[]>>;
}

export interface Recording {
  readonly scenario: string;
  readonly recordedWith: {
    readonly engine: string;
    readonly sdk: string;
    readonly date: string;
    readonly runs: number;
  };
  readonly phases: readonly RecordedPhase[];
}
