import {
  closeSync,
  existsSync,
  fsyncSync,
  linkSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeSync,
} from "node:fs";
import { dirname } from "node:path";
import type { HookNames } from "./hooks.ts";
import { type Crypter, lazyCrypter } from "./secrets.ts";
import { decodeDeployment, encodeDeployment } from "./state-json.ts";
import type { PropertyMap, Value } from "./values.ts";

/** Seconds that one resource's operations may take; 0 or absent leaves it to the provider. */
export interface CustomTimeouts {
  readonly create?: number;
  readonly update?: number;
  readonly delete?: number;
}

/**
 * One resource as the deployment records it; names and meaning are Pulumi's (apitype.ResourceV3). Mutable: the engine
 * fills it as steps run. A resource is itself, not its URN: a replaced one and its replacement share a URN.
 */
export interface ResourceState {
  readonly urn: string;
  readonly type: string;
  readonly custom: boolean;
  /** Provider-assigned; empty for components. */
  id: string;
  /** The program's option import, as it was given; providers may take another id there than their own. */
  importId: string;
  inputs: PropertyMap;
  outputs: PropertyMap;
  parent: string;
  protect: boolean;
  /** Replaced, still there, to be deleted at the end of a run without errors. */
  delete: boolean;
  /** Deleted ahead of its replacement, which is not created yet. */
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
  /** The URN that it had before this run. Not recorded: what refers to it is renamed with it. */
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

/** What was being done to a resource when the engine stopped. */
export type OperationType = "creating" | "updating" | "deleting" | "reading" | "importing";

/** An operation that had begun and of whose end nothing is known. */
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

/** The deployment in `file`; an empty one, with a fresh salt, when the file does not exist. */
export function readState(file: string, passphrase: string): Deployment {
  if (!existsSync(file)) return { crypter: lazyCrypter(passphrase), resources: [], pendingOperations: [] };
  try {
    return decodeDeployment(readFileSync(file, "utf8"), passphrase);
  } catch (error) {
    throw new Error(`${file}: ${error instanceof Error ? error.message : String(error)}`);
  }
}

/**
 * Replaces `file` atomically and durably: whoever reads it, at any moment and after any crash, sees the old deployment
 * or the new one. The one before stays beside it as `<file>.bak`. Mode 0600.
 */
export function writeState(file: string, deployment: Deployment): void {
  mkdirSync(dirname(file), { recursive: true });
  const temporary = `${file}.tmp`;
  const descriptor = openSync(temporary, "w", 0o600);
  try {
    writeSync(descriptor, encodeDeployment(deployment));
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
  if (existsSync(file)) {
    rmSync(`${file}.bak`, { force: true });
    linkSync(file, `${file}.bak`);
  }
  renameSync(temporary, file);
  const folder = openSync(dirname(file), "r");
  try {
    fsyncSync(folder);
  } finally {
    closeSync(folder);
  }
}
