import type { Registration } from "./context.ts";
import type { Op } from "./reporter.ts";
import type { OperationType, ResourceState } from "./resource-state.ts";

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

/** What a step is unless it says otherwise: does nothing, and no registration waits for it. */
export const plainStep = {
  logical: true,
  detail: [],
  registration: undefined,
  pending: undefined,
  async apply() {},
} as const;
