import { join } from "node:path";
import { LockTaken, shareLock, withLock } from "./lock.ts";

/**
 * Who uses the lab's own engine before anything of a lab is in it. One lab's command may end the engine while another's has just found it:
 * a shared lock from then until that lab's network is there, which says that the engine is in use.
 */
const kept = new Map<string, Promise<() => Promise<void>>>();
const fileOf = (engineFolder: string) => join(engineFolder, "users");
/** An engine that is being ended has two signals of 30 s each. */
const waitSeconds = 90;

/** From now on nobody ends the engine of that folder, until `releaseEngine` or the end of this process. */
export async function keepEngine(engineFolder: string): Promise<void> {
  const held = kept.get(engineFolder) ?? shareLock(fileOf(engineFolder), waitSeconds);
  kept.set(engineFolder, held);
  await held.catch((error: unknown) => {
    kept.delete(engineFolder);
    throw error;
  });
}

export async function releaseEngine(engineFolder: string): Promise<void> {
  const held = kept.get(engineFolder);
  kept.delete(engineFolder);
  await (await held)?.();
}

/** Runs `work` while no other process keeps the engine, or gives back undefined. */
export async function withoutUsers<T>(engineFolder: string, work: () => Promise<T>): Promise<T | undefined> {
  await releaseEngine(engineFolder);
  // A daemon that was just ended may take a moment.
  return withLock(fileOf(engineFolder), 3, work).catch((error: unknown) => {
    if (error instanceof LockTaken) return undefined;
    throw error;
  });
}
