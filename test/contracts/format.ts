/** The format of cases and recordings. See README.md. */
import type { Diff, Failure } from "../../lab/pulumi/engine/provider-answers.ts";
import type { PropertyMap } from "../../lab/pulumi/engine/values.ts";

/** What a case needs to exist beforehand: names to ids. */
export type Things = Readonly<Record<string, string | number>>;

/** One resource, as a program would write it, and what the program makes of it later. */
export interface ContractCase {
  readonly name: string;
  /** With values in place of the things that the backend has. */
  readonly inputs: (things: Things) => PropertyMap;
  /** Later versions of the inputs, whole, by name. */
  readonly changes?: Readonly<Record<string, (inputs: PropertyMap) => PropertyMap>>;
  /** The changes that are carried out, in this order, where a backend is; the others are only asked about. */
  readonly carriedOut?: readonly string[];
}

/** The cases of one resource type. */
export interface TypeCases {
  /** The package, which is also the backend's name where it needs one. */
  readonly plugin: string;
  readonly type: string;
  /** Outputs whose value is another each time (keys, certificates, times); only their presence counts. */
  readonly varies?: readonly string[];
  /** Lists of texts whose order means nothing: Terraform's sets, which come in the order of their hashes. */
  readonly sets?: readonly string[];
  readonly cases: readonly ContractCase[];
}

export interface CheckAnswer {
  readonly inputs: PropertyMap;
  readonly failures: readonly Failure[];
  /** When the call itself failed, as it does for inputs of a wrong shape. */
  readonly error?: string;
}

/** True when the inputs are not taken. */
export function isRefused({ failures, error }: CheckAnswer): boolean {
  return failures.length > 0 || error !== undefined;
}

/** A diff, its property paths sorted. `detailed` says of each path whether it replaces. */
export interface DiffAnswer extends Omit<Diff, "detailed"> {
  readonly detailed?: Readonly<Record<string, boolean>>;
}

/** An operation that may fail. */
export type Done<T> = T | { readonly error: string };

export interface ChangeAnswer {
  readonly check: CheckAnswer;
  /** Left out where the check fails. */
  readonly diff?: Done<DiffAnswer>;
  /** The outputs, when it was carried out. */
  readonly updated?: Done<{ readonly outputs: PropertyMap }>;
}

export interface CaseAnswer {
  readonly check: CheckAnswer;
  readonly created?: Done<{ readonly id: string; readonly outputs: PropertyMap }>;
  /** The same inputs again, against what was created. */
  readonly unchanged?: Done<DiffAnswer>;
  readonly read?: Done<{ readonly id: string; readonly inputs: PropertyMap; readonly outputs: PropertyMap }>;
  /** The same inputs again, after the read. */
  readonly unchangedAfterRead?: Done<DiffAnswer>;
  readonly changes: Readonly<Record<string, ChangeAnswer>>;
  readonly deleted?: Done<object>;
}

/** One file in recorded/. */
export interface Recording {
  readonly type: string;
  /** Name and version, as the plugin says them. */
  readonly plugin: string;
  /** What it worked on: a server with its version. */
  readonly backend: string;
  readonly date: string;
  /** What the cases were given. */
  readonly things: Things;
  readonly cases: Readonly<Record<string, CaseAnswer>>;
}

/** True for what did not fail. */
export function succeeded<T extends object>(done: Done<T> | undefined): done is T {
  return done !== undefined && !("error" in done);
}
