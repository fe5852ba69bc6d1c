/** The lab's deployment engine, and what others may know of its state and lock. */
export { createEngine, type EngineOptions } from "./engine.ts";
export { breakLock, type DeployLock, describeLock, isStale, readLock } from "./lock.ts";
export type { Launch } from "./provider-client.ts";
export type {
  CustomTimeouts,
  Deployment,
  OperationType,
  PendingOperation,
  ResourceState,
} from "./resource-state.ts";
export { newCrypter, openCrypter } from "./secrets.ts";
export { readState, writeState } from "./state.ts";
export { decodeDeployment, encodeDeployment } from "./state-json.ts";
export { type PropertyMap, ResourceReference, reveal, revealMap, Secret, type Value } from "./values.ts";
