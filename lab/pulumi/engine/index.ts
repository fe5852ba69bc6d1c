/** The lab's deployment engine, and its public functions for state and lock. */

export { newCrypter, openCrypter } from "../../../ops/passphrase.ts";
export { createEngine } from "./engine.ts";
export { breakLock, describeLock, isStale, readLock } from "./lock.ts";
export type { Launch } from "./registry.ts";
export { readState } from "./state.ts";
export { encodeDeployment } from "./state-json.ts";
