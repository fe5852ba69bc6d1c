import type { ResourceState } from "../../pulumi/engine/resource-state.ts";
import { nameOf, stackType } from "../../pulumi/engine/urn.ts";
import { containsSecret, isList, type PropertyMap, reveal } from "../../pulumi/engine/values.ts";

/** A resource of a state in the terms of a program. */
export interface PlainResource {
  readonly urn: string;
  readonly type: string;
  readonly name: string;
  readonly custom: boolean;
  readonly inputs: Readonly<Record<string, { readonly value: unknown; readonly isSecret: boolean }>>;
  /** URNs; empty for none, and for the default provider. */
  readonly references: {
    readonly parent: string;
    readonly deletedWith: string;
    readonly provider: string;
    readonly dependencies: readonly string[];
  };
  /** Of the provider's package. */
  readonly version?: string;
  readonly protect: boolean;
  readonly retainOnDelete: boolean;
  // The SDK's options are not readonly.
  readonly ignoreChanges: string[];
  readonly replaceOnChanges: string[];
  readonly additionalSecretOutputs: string[];
}

/** Inputs that engines and plugins add to those of a program; `__defaults` lists others. */
const added = /^__/;

/** The resources of a state, in its order, as a program would declare them; the engine registers default providers itself. */
export function plainResources(states: readonly ResourceState[]): PlainResource[] {
  const byUrn = new Map(states.map((state) => [state.urn, state]));
  const isDefault = (urn: string) => nameOf(urn).startsWith("default_");
  return states
    .filter(({ type, urn, delete: replaced }) => type !== stackType && !isDefault(urn) && !replaced)
    .map((state) => {
      const provider = state.provider.split("::").slice(0, -1).join("::");
      const version = byUrn.get(state.type.startsWith("pulumi:providers:") ? state.urn : provider)?.inputs
        .version;
      return {
        urn: state.urn,
        type: state.type,
        name: nameOf(state.urn),
        custom: state.custom,
        inputs: inputsOf(state.inputs),
        references: {
          parent: state.parent,
          deletedWith: state.deletedWith,
          provider: isDefault(provider) ? "" : provider,
          dependencies: state.dependencies,
        },
        ...(version === undefined ? {} : { version: String(reveal(version)) }),
        protect: state.protect,
        retainOnDelete: state.retainOnDelete,
        ignoreChanges: state.ignoreChanges,
        replaceOnChanges: state.replaceOnChanges,
        additionalSecretOutputs: state.additionalSecretOutputs,
      };
    });
}

function inputsOf(inputs: PropertyMap): PlainResource["inputs"] {
  const { __defaults: defaults = [] } = inputs;
  const filledIn = isList(defaults) ? defaults : [];
  return Object.fromEntries(
    Object.entries(inputs)
      .filter(([key]) => !added.test(key) && key !== "version" && !filledIn.includes(key))
      .map(([key, value]) => [key, { value: withoutAdded(reveal(value)), isSecret: containsSecret(value) }]),
  );
}

/** Nested objects have such inputs of their own. */
function withoutAdded(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutAdded);
  if (typeof value !== "object" || value === null) return value;
  const entries = Object.entries(value).filter(([key]) => !added.test(key));
  return Object.fromEntries(entries.map(([key, part]) => [key, withoutAdded(part)]));
}
