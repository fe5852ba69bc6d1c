import type { Registration, RunContext } from "./context.ts";
import { InitFailed } from "./provider-answers.ts";
import { targetOf } from "./registry.ts";
import type { Op } from "./reporter.ts";
import type { OperationType, ResourceState } from "./resource-state.ts";
import { isProviderType } from "./urn.ts";
import { equal, Secret, type Value } from "./values.ts";

/** One thing to do to one resource. Executors begin it, apply it and record its end. */
export interface Step {
  readonly op: Op;
  readonly urn: string;
  readonly old: ResourceState | undefined;
  readonly new: ResourceState | undefined;
  /** False for steps that are only part of something else, such as a replacement's creation. */
  readonly logical: boolean;
  /** Names of the changed properties, for events. */
  readonly detail: readonly string[];
  readonly registration: Registration | undefined;
  /** What to record as pending while the step runs. */
  readonly pending: OperationType | undefined;
  /** Does it. May throw; an {@link InitFailed} means that it half happened. */
  apply(): Promise<void>;
  /** Records in the snapshot that it happened. Answers whether that must reach the disk now. */
  record(): boolean;
}

/** The resource that a step is about: the new one if there is one. */
export function subject(step: Step): ResourceState {
  const state = step.new ?? step.old;
  if (!state) throw new Error(`step ${step.op} of ${step.urn} has no resource`);
  return state;
}

/** A deletion that `protect` forbids. Other deletions still go on, so that all such are reported at once. */
export class ProtectedResource extends Error {
  constructor(urn: string) {
    super(
      `resource "${urn}" cannot be deleted because it is protected. To unprotect it, remove the \`protect\` option ` +
        `from the resource in the program and run up`,
    );
  }
}

const now = () => new Date().toISOString();

/** Nothing to do: the resource keeps its id and outputs. */
export function sameStep(
  context: RunContext,
  registration: Registration | undefined,
  old: ResourceState,
  next: ResourceState,
): Step {
  return {
    op: "same",
    urn: next.urn,
    old,
    new: next,
    logical: true,
    detail: [],
    registration,
    pending: undefined,
    async apply() {
      next.id = old.id;
      next.outputs = old.outputs;
      // The instance gets the old inputs: a provider that calls changed inputs "no change" must keep seeing the old ones.
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

/** Takes over what exists, as it was read; the steps after it make it what the program wants. `failure` says why it cannot. */
export function importStep(
  context: RunContext,
  registration: Registration,
  imported: ResourceState,
  failure?: Error,
): Step {
  return {
    op: "import",
    urn: imported.urn,
    old: undefined,
    new: imported,
    logical: false,
    detail: [],
    registration: failure && registration,
    pending: undefined,
    async apply() {
      if (failure) throw failure;
    },
    record() {
      context.snapshot.add(imported);
      return true;
    },
  };
}

/** What a creation replaces. */
interface Replacing {
  readonly old: ResourceState;
  /** True when the old one lives on until the end of the run. */
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
          : await (await providerOf(context, next)).create(
              targetOf(next.urn),
              next.inputs,
              next.customTimeouts.create ?? 0,
              preview,
            );
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
    op: "update",
    urn: next.urn,
    old,
    new: next,
    logical: true,
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
          : await (await providerOf(context, next)).update(
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
          // The resource was not brought to its new inputs, so the old ones are what it has.
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

/** Says that a resource is replaced. The work is in the steps beside it. */
export function replaceStep(old: ResourceState, next: ResourceState, detail: readonly string[]): Step {
  return {
    op: "replace",
    urn: next.urn,
    old,
    new: next,
    logical: true,
    detail,
    registration: undefined,
    pending: undefined,
    async apply() {},
    record: () => false,
  };
}

/** How a deletion came about. */
interface Deleting {
  /** Part of a replacement. */
  readonly replacing: boolean;
  /** Ahead of the replacement: the record stays, marked, until the replacement exists. */
  readonly pendingReplacement: boolean;
}

/** Deletes a resource. `deleted` says which URNs this run deletes, for `deletedWith`. */
export function deleteStep(
  context: RunContext,
  deleted: ReadonlySet<string>,
  old: ResourceState,
  how: Deleting = { replacing: false, pendingReplacement: false },
): Step {
  const { preview, ignoreProtect } = context.options;
  return {
    op: how.replacing ? "delete-replaced" : "delete",
    urn: old.urn,
    old,
    new: undefined,
    logical: !how.replacing,
    detail: [],
    registration: undefined,
    pending: "deleting",
    async apply() {
      if (!how.replacing && old.protect && !ignoreProtect) throw new ProtectedResource(old.urn);
      const withAnother = old.deletedWith !== "" && deleted.has(old.deletedWith);
      if (!preview && old.custom && !old.external && !old.retainOnDelete && !withAnother) {
        if (isProviderType(old.type)) await context.registry.delete(`${old.urn}::${old.id}`);
        else {
          const provider = await providerOf(context, old);
          const timeoutSeconds = old.customTimeouts.delete ?? 0;
          await provider.delete(targetOf(old.urn), old.id, old.inputs, old.outputs, timeoutSeconds);
        }
      }
      if (how.pendingReplacement) old.pendingReplacement = true;
    },
    record() {
      if (!old.pendingReplacement) context.snapshot.drop(old);
      return true;
    },
  };
}

/** Forgets a resource that was deleted ahead of a replacement which nobody wants any more. */
export function forgetStep(context: RunContext, old: ResourceState): Step {
  return {
    op: "remove-pending-replace",
    urn: old.urn,
    old,
    new: undefined,
    logical: false,
    detail: [],
    registration: undefined,
    pending: undefined,
    async apply() {},
    record() {
      context.snapshot.drop(old);
      return true;
    },
  };
}

/** The provider of a resource. Throws when it was neither registered nor loaded. */
export async function providerOf(context: RunContext, state: ResourceState) {
  const provider = context.registry.get(state.provider);
  if (!provider) throw new Error(`unknown provider ${state.provider} for resource ${state.urn}`);
  return provider;
}

/** Marks outputs as secret that the program declared so, or that repeat a secret input. */
export function markSecretOutputs(state: ResourceState): void {
  const outputs: Record<string, Value> = { ...state.outputs };
  for (const [key, value] of Object.entries(outputs)) {
    const secret = state.additionalSecretOutputs.includes(key) || state.inputs[key] instanceof Secret;
    if (secret && !(value instanceof Secret)) outputs[key] = new Secret(value);
  }
  state.outputs = outputs;
}
