import { breakLock, describeLock, isStale, readLock } from "../pulumi/engine/index.ts";
import { type LabContext, type StackOptions, stateFile } from "./context.ts";

/**
 * Removes the deploy lock of a process that has ended, and prints its owner; that of a running process only with
 * `--force`.
 * @throws when the holder still runs.
 */
export function unlockCommand(
  context: LabContext,
  options: StackOptions & { readonly force?: boolean },
): void {
  const path = stateFile(context, options.stack);
  const lock = readLock(path);
  if (lock === undefined) {
    console.log(`The stack ${options.stack} is not locked.`);
    return;
  }
  if (!isStale(lock) && !options.force) {
    throw new Error(
      `${describeLock(lock)}\nIf it hangs, end it first (kill ${lock.pid} on ${lock.host}); to take the lock from a running deploy: npm run lab -- unlock --force`,
    );
  }
  breakLock(path);
  const { owner, pid, host, startedAt, operation } = lock;
  console.log(
    `Took over the deploy lock of ${owner}: "${operation}", begun ${startedAt} by process ${pid} on ${host}.\n` +
      "What that deploy left unfinished: npm run lab -- ops recover",
  );
}
