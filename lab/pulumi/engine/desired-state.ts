import type { Goal } from "./registration.ts";
import type { ResourceState } from "./resource-state.ts";
import { containsUnknown, equal, type PropertyMap, reveal, type Value } from "./values.ts";

/** True when a changed `replacementTrigger` asks for a replacement. A value that is unknown in a preview counts as changed. */
export function triggers(old: Value, now: Value): boolean {
  if (containsUnknown(old) || containsUnknown(now)) return true;
  const before = reveal(old);
  const after = reveal(now);
  return before !== null && after !== null && !equal(before, after);
}

/** A provider's inputs without the key that Pulumi adds for its own use. */
export function withoutInternal(inputs: PropertyMap): PropertyMap {
  return Object.fromEntries(Object.entries(inputs).filter(([key]) => key !== "__internal"));
}

/** The state that a resource will have after its step; the step sets id and outputs. */
export function stateOf(
  goal: Goal,
  urn: string,
  old: ResourceState | undefined,
  alias: string | undefined,
): ResourceState {
  return {
    urn,
    type: goal.type,
    custom: goal.custom,
    id: "",
    importId: goal.importId,
    inputs: goal.properties,
    outputs: {},
    parent: goal.parent,
    protect: goal.protect ?? false,
    delete: false,
    pendingReplacement: false,
    external: false,
    retainOnDelete: goal.retainOnDelete ?? false,
    deletedWith: goal.deletedWith,
    provider: goal.provider,
    dependencies: [...goal.dependencies],
    propertyDependencies: Object.fromEntries(
      Object.entries(goal.propertyDependencies).map(([key, urns]) => [key, [...urns]]),
    ),
    initErrors: [],
    additionalSecretOutputs: [...goal.additionalSecretOutputs],
    aliases: alias ? [alias] : [],
    ignoreChanges: [...goal.ignoreChanges],
    replaceOnChanges: [...goal.replaceOnChanges],
    replacementTrigger: goal.replacementTrigger,
    customTimeouts: goal.customTimeouts,
    hooks: goal.hooks,
    created: old?.created,
    modified: old?.modified,
  };
}
