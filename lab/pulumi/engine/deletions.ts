import type { RunContext } from "./context.ts";
import { targetOf } from "./registry.ts";
import type { ResourceState } from "./resource-state.ts";
import { plainStep, type Step } from "./step.ts";
import { isProviderType } from "./urn.ts";

/** A deletion that `protect` forbids. Other deletions still go on, so that all protected resources are reported at once. */
export class ProtectedResource extends Error {
  constructor(urn: string) {
    super(
      `resource "${urn}" cannot be deleted because it is protected. To unprotect it, remove the \`protect\` option ` +
        `from the resource in the program and run up`,
    );
  }
}

/** Why a resource is deleted. */
interface Deleting {
  /** Part of a replacement. */
  readonly replacing: boolean;
  /** Deleted before its replacement is created: the record stays in the state, marked, until the replacement exists. */
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
    ...plainStep,
    op: how.replacing ? "delete-replaced" : "delete",
    urn: old.urn,
    old,
    new: undefined,
    logical: !how.replacing,
    pending: "deleting",
    async apply() {
      if (!how.replacing && old.protect && !ignoreProtect) throw new ProtectedResource(old.urn);
      const withAnother = old.deletedWith !== "" && deleted.has(old.deletedWith);
      if (!preview && old.custom && !old.external && !old.retainOnDelete && !withAnother) {
        if (isProviderType(old.type)) await context.registry.delete(`${old.urn}::${old.id}`);
        else {
          const provider = context.registry.of(old);
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

/** Removes from the state a resource that was deleted before its replacement and that the program no longer declares. */
export function forgetStep(context: RunContext, old: ResourceState): Step {
  return {
    ...plainStep,
    op: "remove-pending-replace",
    urn: old.urn,
    old,
    new: undefined,
    logical: false,
    record() {
      context.snapshot.drop(old);
      return true;
    },
  };
}
