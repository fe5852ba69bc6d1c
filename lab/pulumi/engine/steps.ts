import type { Registration, RunContext } from "./context.ts";
import { InitFailed } from "./provider-answers.ts";
import { targetOf } from "./registry.ts";
import type { ResourceState } from "./resource-state.ts";
import { plainStep, type Step } from "./step.ts";
import { isProviderType } from "./urn.ts";
import { equal } from "./values.ts";

const now = () => new Date().toISOString();

/** Nothing to do: the resource keeps its id and outputs. */
export function sameStep(
  context: RunContext,
  registration: Registration | undefined,
  old: ResourceState,
  next: ResourceState,
): Step {
  return {
    ...plainStep,
    op: "same",
    urn: next.urn,
    old,
    new: next,
    registration,
    async apply() {
      next.id = old.id;
      next.outputs = old.outputs;
      // The instance gets the old inputs: a provider that reports "no change" for changed inputs must keep receiving the old ones.
      if (isProviderType(next.type)) await context.registry.same({ ...next, inputs: old.inputs });
    },
    record() {
      context.snapshot.drop(old);
      context.snapshot.add(next);
      return differs(old, next);
    },
  };
}

const plainFields = [
  "urn",
  "type",
  "custom",
  "retainOnDelete",
  "importId",
  "provider",
  "parent",
  "deletedWith",
  "protect",
] as const;

function differs(old: ResourceState, next: ResourceState): boolean {
  return (
    plainFields.some((field) => old[field] !== next[field]) ||
    JSON.stringify(old.customTimeouts) !== JSON.stringify(next.customTimeouts) ||
    JSON.stringify(old.hooks) !== JSON.stringify(next.hooks) ||
    !equal(old.inputs, next.inputs) ||
    !equal(old.outputs, next.outputs) ||
    !equal(old.replacementTrigger, next.replacementTrigger) ||
    JSON.stringify([...old.dependencies].sort()) !== JSON.stringify([...next.dependencies].sort())
  );
}

/**
 * Imports an existing resource, as it was read; later steps bring it to the state that the program declares. `failure` is the reason
 * why it cannot be imported.
 */
export function importStep(
  context: RunContext,
  registration: Registration,
  imported: ResourceState,
  failure?: Error,
): Step {
  return {
    ...plainStep,
    op: "import",
    urn: imported.urn,
    old: undefined,
    new: imported,
    logical: false,
    registration: failure && registration,
    async apply() {
      if (failure) throw failure;
    },
    record() {
      context.snapshot.add(imported);
      return true;
    },
  };
}

/** The resource that a creation replaces. */
interface Replacing {
  readonly old: ResourceState;
  /** True when the old one is deleted at the end of the run. */
  readonly pendingDelete: boolean;
  readonly detail: readonly string[];
}

/** Creates a resource, perhaps in place of another. */
export function createStep(
  context: RunContext,
  registration: Registration,
  next: ResourceState,
  replacing?: Replacing,
): Step {
  const { preview } = context.options;
  const old = replacing?.old;
  const finish = (id: string, outputs: ResourceState["outputs"]) => {
    next.id = id;
    next.outputs = outputs;
    next.created = now();
    next.modified = next.created;
    if (old && replacing.pendingDelete) old.delete = true;
  };
  return {
    ...plainStep,
    op: replacing ? "create-replacement" : "create",
    urn: next.urn,
    old,
    new: next,
    logical: !replacing,
    detail: replacing?.detail ?? [],
    registration,
    pending: "creating",
    async apply() {
      if (!next.custom) return finish("", {});
      try {
        const created = isProviderType(next.type)
          ? await context.registry.create(next.urn, next.inputs)
          : await context.registry
              .of(next)
              .create(targetOf(next.urn), next.inputs, next.customTimeouts.create ?? 0, preview);
        finish(created.id, created.outputs);
      } catch (error) {
        if (error instanceof InitFailed) {
          next.initErrors = [...error.reasons];
          finish(error.id, error.properties);
        }
        throw error;
      }
    },
    record() {
      context.snapshot.add(next);
      if (old?.pendingReplacement) context.snapshot.drop(old);
      return true;
    },
  };
}

/** Changes a resource in place. */
export function updateStep(
  context: RunContext,
  registration: Registration,
  old: ResourceState,
  next: ResourceState,
  detail: readonly string[],
): Step {
  return {
    ...plainStep,
    op: "update",
    urn: next.urn,
    old,
    new: next,
    detail,
    registration,
    pending: "updating",
    async apply() {
      next.id = old.id;
      // A component's outputs come from the program, later.
      if (!next.custom) return;
      try {
        next.outputs = isProviderType(next.type)
          ? await context.registry.update(next.urn, old.id, next.inputs)
          : await context.registry
              .of(next)
              .update(
                targetOf(next.urn),
                old.id,
                old.inputs,
                old.outputs,
                next.inputs,
                next.customTimeouts.update ?? 0,
                registration.goal.ignoreChanges,
                context.options.preview,
              );
      } catch (error) {
        if (error instanceof InitFailed) {
          next.initErrors = [...error.reasons];
          next.outputs = error.properties;
          // The update failed, so the resource still has its old inputs.
          next.inputs = old.inputs;
          next.modified = now();
        }
        throw error;
      }
      next.modified = now();
    },
    record() {
      context.snapshot.drop(old);
      context.snapshot.add(next);
      return true;
    },
  };
}

/** Reports that a resource is replaced. The steps around it create and delete. */
export function replaceStep(old: ResourceState, next: ResourceState, detail: readonly string[]): Step {
  return {
    ...plainStep,
    op: "replace",
    urn: next.urn,
    old,
    new: next,
    detail,
    record: () => false,
  };
}
