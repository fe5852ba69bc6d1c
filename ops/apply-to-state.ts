import { type Deployment, type PendingOperation, resources, type StateResource } from "./deployment.ts";
import type { Action } from "./recovery-action.ts";

/** The deployment after the actions: without the resolved pending operations, with the adopted resources. */
export function applyToState(
  deployment: Deployment,
  actions: readonly Action[],
  now = new Date(),
): Deployment {
  const resolved = new Set<PendingOperation>();
  const gone = new Set<StateResource>();
  const adopted: StateResource[] = [];
  for (const action of actions) {
    if (action.kind === "clear" || action.kind === "adopt") resolved.add(action.operation);
    if (action.kind === "forget") gone.add(action.resource);
    if (action.kind === "adopt") {
      const { resource } = action.operation;
      const { __defaults: _, ...outputs } = resource.inputs ?? {};
      adopted.push({
        ...resource,
        id: action.id,
        outputs,
        created: now.toISOString(),
        modified: now.toISOString(),
      });
    }
  }
  const isGoneResource = (resource: StateResource) =>
    [...gone].some(({ urn, id }) => urn === resource.urn && id === resource.id);
  const { pending_operations: pending = [], ...rest } = deployment.deployment;
  const left = pending.filter((operation) => !resolved.has(operation));
  return {
    ...deployment,
    deployment: {
      ...rest,
      resources: [...resources(deployment).filter((resource) => !isGoneResource(resource)), ...adopted],
      ...(left.length > 0 ? { pending_operations: left } : {}),
    },
  };
}
