import { unknownValue } from "../providers/provider.ts";
import type { RunContext } from "./context.ts";
import { applyReplaceOnChanges, askDiff, replaces } from "./diffs.ts";
import { providerUrn } from "./graph.ts";
import type { ResourceState } from "./resource-state.ts";
import { isProviderType } from "./urn.ts";
import type { Value } from "./values.ts";

/**
 * Recorded dependents of a resource that would be replaced if it changed; resources recorded before it cannot depend on it and are not
 * looked at.
 */
export async function replacedDependents(
  context: RunContext,
  root: ResourceState,
  settled: (urn: string) => boolean,
): Promise<ResourceState[]> {
  const { registry, graph, previous } = context;
  const condemned = new Set([root.urn]);
  const found: ResourceState[] = [];
  for (const dependent of graph.dependents(root, settled)) {
    if (!dependent.custom || dependent.external) continue;
    let replace = condemned.has(providerUrn(dependent.provider)) || condemned.has(dependent.deletedWith);
    if (!replace) {
      const inputs: Record<string, Value> = { ...dependent.inputs };
      let affected = false;
      for (const key of Object.keys(inputs)) {
        if (!(dependent.propertyDependencies[key] ?? []).some((urn) => condemned.has(urn))) continue;
        affected = true;
        inputs[key] = unknownValue;
      }
      if (!affected) continue;
      if (isProviderType(dependent.type)) await registry.same(dependent);
      else await registry.ensure(dependent.provider, previous);
      const provider = registry.get(dependent.provider);
      const diff = await askDiff(
        context,
        provider,
        dependent,
        dependent.urn,
        inputs,
        dependent.ignoreChanges,
        true,
      );
      replace =
        diff !== undefined && replaces(applyReplaceOnChanges(diff, dependent.replaceOnChanges, false));
    } else await registry.ensure(dependent.provider, previous);
    if (replace) {
      found.push(dependent);
      condemned.add(dependent.urn);
    }
  }
  return found;
}

/** Resources that are deleted with another: option `deletedWith`. */
export function resourcesDeletedWith(context: RunContext, urn: string): ResourceState[] {
  const seen = new Map<string, ResourceState>();
  for (const state of [...context.news.values(), ...context.olds.values()]) {
    if (state.deletedWith === urn && !seen.has(state.urn)) seen.set(state.urn, state);
  }
  return [...seen.values()];
}
