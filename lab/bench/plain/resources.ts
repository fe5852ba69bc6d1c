import { providerUrn } from "../../pulumi/engine/graph.ts";
import type { ResourceState } from "../../pulumi/engine/resource-state.ts";
import { isProviderType, nameOf, stackType } from "../../pulumi/engine/urn.ts";
import { containsSecret, isList, type PropertyMap, reveal } from "../../pulumi/engine/values.ts";
import { withoutNotes } from "../../pulumi/providers/inputs.ts";
import type { Properties } from "../../pulumi/providers/provider.ts";

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

/** The resources of a state, in its order, as a program would declare them; the engine registers default providers itself. */
export function plainResources(states: readonly ResourceState[]): PlainResource[] {
  const byUrn = new Map(states.map((state) => [state.urn, state]));
  const isDefault = (urn: string) => nameOf(urn).startsWith("default_");
  return states
    .filter(({ type, urn, delete: replaced }) => type !== stackType && !isDefault(urn) && !replaced)
    .map((state) => {
      const provider = providerUrn(state.provider);
      const version = byUrn.get(isProviderType(state.type) ? state.urn : provider)?.inputs.version;
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

/** Without what engines and plugins have added: the values that `__defaults` lists, the version of the package, metadata. */
function inputsOf(inputs: PropertyMap): PlainResource["inputs"] {
  const { __defaults: defaults = [] } = inputs;
  const filledIn = isList(defaults) ? defaults : [];
  const stated = Object.entries(withoutNotes(reveal(inputs) as Properties)).filter(
    ([key]) => key !== "version" && !filledIn.includes(key),
  );
  return Object.fromEntries(
    stated.map(([key, value]) => [key, { value, isSecret: containsSecret(inputs[key] ?? null) }]),
  );
}
