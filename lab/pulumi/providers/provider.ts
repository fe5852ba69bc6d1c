/** A value that is unknown in a preview. Sent as Pulumi's unknown sentinel. */
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
  /** Those of them whose change replaces the resource. */
  readonly replaces: readonly string[];
  readonly deleteBeforeReplace?: boolean;
}

/** The resource of a request. */
export interface ResourceRef {
  readonly urn: string;
  readonly type: string;
  readonly name: string;
}

/**
 * One configured instance of a provider, in plain values: secrets are unwrapped (the engine marks outputs that repeat
 * a secret input), unknowns are {@link unknownValue}. Errors become diagnostics, so they must not contain a secret.
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
  /** Undefined when the resource does not exist. */
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
  /** Succeeds when the resource does not exist. */
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
 * Thrown by create or update when the resource exists but its initialization failed (Pulumi's ErrorResourceInitFailed): the engine
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
  /** The version of the real plugin that it imitates. */
  readonly version: string;
  /** Keys that the real plugin adds to its settings; without them the real plugin would report a change in a state that the lab wrote. */
  readonly settingsNotes?: Properties;
  create(): LabProvider;
}
