import {
  type Deployment,
  type PendingOperation,
  pendingOperations,
  resourceName,
  resources,
  type StateResource,
} from "./deployment.ts";

/** A deployment with indexes for recovery. */
export class StateIndex {
  readonly resources: readonly StateResource[];
  readonly pending: readonly PendingOperation[];
  readonly #ids = new Set<string>();

  constructor(deployment: Deployment) {
    this.resources = resources(deployment);
    this.pending = pendingOperations(deployment);
    for (const { type, id } of this.resources) {
      if (id) this.#ids.add(`${type} ${id}`);
    }
  }

  names(type: string, id: string): boolean {
    return this.#ids.has(`${type} ${id}`);
  }

  isCreating(type: string, name: string): boolean {
    return this.pending.some(
      (operation) =>
        operation.type === "creating" &&
        operation.resource.type === type &&
        resourceName(operation.resource.urn) === name,
    );
  }
}
