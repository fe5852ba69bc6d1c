/** Stands for a value that a preview does not know yet. Travels as Pulumi's unknown sentinel. */
export const unknownValue: unique symbol = Symbol("unknown");

export type PropertyValue =
  | null
  | boolean
  | number
  | string
  | typeof unknownValue
  | readonly PropertyValue[]
  | { readonly [key: string]: PropertyValue | undefined };
export type Properties = { readonly [key: string]: PropertyValue | undefined };

export interface CheckFailure {
  readonly property: string;
  readonly reason: string;
}

export interface DiffResult {
  /** Top-level properties that differ; empty means no change. */
  readonly changes: readonly string[];
  /** The ones among them that can only change by replacement. */
  readonly replaces: readonly string[];
  readonly deleteBeforeReplace?: boolean;
}

/** What a request says about the resource it is for. */
export interface ResourceRef {
  readonly urn: string;
  readonly type: string;
  readonly name: string;
}

/**
 * One configured instance of a provider, in plain values: secrets arrive unwrapped (the engine marks outputs that echo a
 * secret input), unknowns as {@link unknownValue}. Errors thrown become diagnostics, so they never contain a secret.
 */
export interface LabProvider {
  configure(inputs: Properties): Promise<void>;
  check(
    ref: ResourceRef,
    news: Properties,
    olds: Properties | undefined,
    randomSeed: Buffer,
  ): Promise<{ inputs: Properties; failures?: readonly CheckFailure[] }>;
  diff(
    ref: ResourceRef,
    id: string,
    oldInputs: Properties,
    oldOutputs: Properties,
    news: Properties,
  ): Promise<DiffResult>;
  create(
    ref: ResourceRef,
    inputs: Properties,
    timeoutSeconds: number,
  ): Promise<{ id: string; outputs: Properties }>;
  /** Undefined when the resource is gone. */
  read(
    ref: ResourceRef,
    id: string,
    inputs: Properties,
    outputs: Properties,
  ): Promise<{ id: string; inputs: Properties; outputs: Properties } | undefined>;
  update(
    ref: ResourceRef,
    id: string,
    oldInputs: Properties,
    oldOutputs: Properties,
    news: Properties,
    timeoutSeconds: number,
  ): Promise<Properties>;
  /** Succeeds when the resource is already gone. */
  delete(
    ref: ResourceRef,
    id: string,
    inputs: Properties,
    outputs: Properties,
    timeoutSeconds: number,
  ): Promise<void>;
  invoke(token: string, args: Properties): Promise<Properties>;
}

/**
 * Thrown by create or update when the resource exists but is not right (Pulumi's ErrorResourceInitFailed): the engine
 * records it and fails the step.
 */
export class PartialFailure extends Error {
  readonly id: string;
  readonly outputs: Properties;
  constructor(message: string, id: string, outputs: Properties) {
    super(message);
    this.id = id;
    this.outputs = outputs;
  }
}

export interface ProviderPackage {
  /** `hcloud`, `docker`, … */
  readonly name: string;
  /** The version of the real plugin whose behaviour it keeps. */
  readonly version: string;
  /** What the real plugin adds to its settings; without it, that would find a change in a state that the lab wrote. */
  readonly settingsNotes?: Properties;
  create(): LabProvider;
}
