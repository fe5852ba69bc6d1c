import { hostname } from "node:os";
import type { Deployment } from "./deployment.ts";
import { processRuns } from "./process.ts";

/** The holder of a stack's deploy lock. */
export interface StackLock {
  /** `user@host`; `pulumi-cloud` where the backend only says that a run is in progress. */
  readonly owner: string;
  readonly host?: string;
  readonly pid?: number;
  /** ISO time. */
  readonly since?: string;
  /** The operation, such as `up`, if the backend records it. */
  readonly operation?: string;
}

/** Where a stack's state and its deploy lock are. */
export interface Backend {
  readonly stack: string;
  /** For messages: `the stack production (pulumi)`. */
  readonly description: string;
  /** The lock, if it is held. Writes nothing and takes no lock. */
  lock(): Promise<StackLock | undefined>;
  /** Removes a lock that {@link isStale} has found stale. */
  removeLock(): Promise<void>;
  read(): Promise<Deployment>;
  /**
   * Replaces the deployment, if it has not changed since it was read.
   * @throws StateMovedError when another run has changed it since, or holds the lock
   */
  write(deployment: Deployment, basedOn: Deployment): Promise<void>;
  /** Prefix of the operator's commands for it: `npm run ops --`. */
  readonly opsCommand: string;
  /** The command that deploys this version of a service: `key` is `togather:app.version`. */
  deployCommands(key: string, version: string): readonly string[];
}

/** The state has changed since it was read. */
export class StateMovedError extends Error {
  constructor(backend: Pick<Backend, "description">, how: string) {
    super(
      `the state of ${backend.description} was changed by another run meanwhile (${how}). Run the command again`,
    );
  }
}

/** True when the lock was taken on this machine by a process that no longer runs. For locks of other machines this is unknown. */
export function isStale(lock: StackLock, isRunning: (pid: number) => boolean = processRuns): boolean {
  return lock.pid !== undefined && lock.host === hostname() && !isRunning(lock.pid);
}

/** The message for a lock whose holder may still be running. */
export function liveLockMessage(backend: Backend, lock: StackLock): string {
  const process = lock.pid === undefined ? [] : [`process ${lock.pid}`];
  const what = [...process, ...(lock.operation ? [lock.operation] : [])].join(", ");
  const held =
    `${backend.description} is locked by ${lock.owner}${what === "" ? "" : ` (${what})`}` +
    (lock.since === undefined ? "" : ` for ${age(lock.since)}, since ${lock.since}`);
  if (lock.host === hostname())
    return `${held}, and that process is running. Wait for it, or end it: kill ${lock.pid}`;
  return (
    `${held}, and it cannot be determined here whether it is still running. Wait for it, or ask its owner; ` +
    `if it has certainly ended: ${backend.opsCommand} recover --take-over-from ${lock.owner}`
  );
}

/** `2 h 5 min`, for the age of a lock or a secret. */
export function age(since: string, nowMs = Date.now()): string {
  const seconds = Math.max(0, Math.round((nowMs - Date.parse(since)) / 1000));
  if (Number.isNaN(seconds)) return "unknown age";
  if (seconds < 120) return `${seconds} s`;
  if (seconds < 7200) return `${Math.floor(seconds / 60)} min`;
  if (seconds < 48 * 3600) return `${Math.floor(seconds / 3600)} h ${Math.floor((seconds % 3600) / 60)} min`;
  return `${Math.floor(seconds / 86400)} days`;
}
