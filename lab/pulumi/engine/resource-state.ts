import type { Crypter } from "../../../ops/passphrase.ts";
import { type PropertyMap, Secret, type Value } from "./values.ts";

/** When a hook is called; the names are Pulumi's, in the state too. */
export const hookMoments = [
  "BeforeCreate",
  "AfterCreate",
  "BeforeUpdate",
  "AfterUpdate",
  "BeforeDelete",
  "AfterDelete",
] as const;
export type HookMoment = (typeof hookMoments)[number];

/** Names of the hooks of one resource. */
export type HookNames = Readonly<Partial<Record<HookMoment, readonly string[]>>>;

/** Seconds that one resource's operations may take; 0 or absent: the provider's default. */
export interface CustomTimeouts {
  readonly create?: number;
  readonly update?: number;
  readonly delete?: number;
}

/**
 * One resource as the deployment records it; names and meaning are Pulumi's (apitype.ResourceV3). Mutable: the engine
 * fills it as steps run. Resources are compared by object identity, not by URN: a replaced one and its replacement share a URN.
 */
export interface ResourceState {
  readonly urn: string;
  readonly type: string;
  readonly custom: boolean;
  /** Provider-assigned; empty for components. */
  id: string;
  /** The program's option import, as written; for some providers it differs from the resource's id. */
  importId: string;
  inputs: PropertyMap;
  outputs: PropertyMap;
  parent: string;
  protect: boolean;
  /** Replaced, still existing, deleted at the end of a run without errors. */
  delete: boolean;
  /** Deleted before its replacement, which is not created yet. */
  pendingReplacement: boolean;
  external: boolean;
  retainOnDelete: boolean;
  deletedWith: string;
  /** `<urn of the provider>::<its id>`; empty for components and providers. */
  provider: string;
  dependencies: string[];
  propertyDependencies: Record<string, string[]>;
  initErrors: string[];
  additionalSecretOutputs: string[];
  /** The URN that it had before this run. Not recorded: references to it are renamed. */
  aliases: string[];
  ignoreChanges: string[];
  replaceOnChanges: string[];
  /** Null when the program gave none. */
  replacementTrigger: Value;
  customTimeouts: CustomTimeouts;
  hooks: HookNames;
  created: string | undefined;
  modified: string | undefined;
}

/** Marks outputs as secret that the program declares secret, or that repeat a secret input. */
export function markSecretOutputs(state: ResourceState): void {
  const outputs: Record<string, Value> = { ...state.outputs };
  for (const [key, value] of Object.entries(outputs)) {
    const secret = state.additionalSecretOutputs.includes(key) || state.inputs[key] instanceof Secret;
    if (secret && !(value instanceof Secret)) outputs[key] = new Secret(value);
  }
  state.outputs = outputs;
}

/** The operation on a resource that was running when the engine stopped. */
export type OperationType = "creating" | "updating" | "deleting" | "reading" | "importing";

/** An operation that was started and whose result is unknown. */
export interface PendingOperation {
  readonly type: OperationType;
  readonly resource: ResourceState;
}

/** A deployment in memory, secrets decrypted inside `Secret` marks. */
export interface Deployment {
  readonly crypter: Crypter;
  readonly resources: readonly ResourceState[];
  readonly pendingOperations: readonly PendingOperation[];
}
