import type { Registration } from "./context.ts";
import type { Op } from "./reporter.ts";
import type { OperationType, ResourceState } from "./resource-state.ts";

/** One operation on one resource. The executor starts it, applies it and records its end. */
export interface Step {
  readonly op: Op;
  readonly urn: string;
  readonly old: ResourceState | undefined;
  readonly new: ResourceState | undefined;
  /** False for steps that are part of another one, such as a replacement's creation. */
  readonly logical: boolean;
  /** Names of the changed properties, for events. */
  readonly detail: readonly string[];
  readonly registration: Registration | undefined;
  /** What to record as pending while the step runs. */
  readonly pending: OperationType | undefined;
  /** Carries it out. May throw; {@link InitFailed} means that the resource exists but its initialization failed. */
  apply(): Promise<void>;
  /** Records the result in the snapshot. Returns whether it must be written to disk at once. */
  record(): boolean;
}

/** The resource that a step is about: the new one if there is one. */
export function subject(step: Step): ResourceState {
  const state = step.new ?? step.old;
  if (!state) throw new Error(`step ${step.op} of ${step.urn} has no resource`);
  return state;
}

/** The defaults of a step: it does nothing, and no registration waits for it. */
export const plainStep = {
  logical: true,
  detail: [],
  registration: undefined,
  pending: undefined,
  async apply() {},
} as const;
