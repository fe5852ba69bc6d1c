import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { hostname } from "node:os";
import { dirname } from "node:path";
import { processRuns } from "../../../ops/process.ts";

/** The holder of the deploy lock. Stored as JSON beside the state, `<stateFile>.lock`. */
interface DeployLock {
  /** `user@host`. */
  readonly owner: string;
  readonly pid: number;
  readonly host: string;
  /** ISO 8601. */
  readonly startedAt: string;
  readonly operation: string;
}

const lockFile = (stateFile: string) => `${stateFile}.lock`;
const takeOver = "npm run lab -- unlock (or npm run lab -- ops recover)";

/** The lock on a state file, or undefined. Throws when the lock file was not written by this engine. */
export function readLock(stateFile: string): DeployLock | undefined {
  let text: string;
  try {
    text = readFileSync(lockFile(stateFile), "utf8");
  } catch {
    return undefined;
  }
  try {
    return JSON.parse(text) as DeployLock;
  } catch {
    throw new Error(
      `${lockFile(stateFile)} is not a deploy lock; if nothing is deploying, remove it: ${takeOver}`,
    );
  }
}

/** Removes the lock on a state file, whoever holds it. Returns the removed lock. */
export function breakLock(stateFile: string): DeployLock | undefined {
  const lock = readLock(stateFile);
  rmSync(lockFile(stateFile), { force: true });
  return lock;
}

/** True when the lock was taken on this host by a process that no longer runs. */
export function isStale(lock: DeployLock): boolean {
  return lock.host === hostname() && !processRuns(lock.pid);
}

function age(lock: DeployLock): string {
  const seconds = Math.max(0, Math.round((Date.now() - Date.parse(lock.startedAt)) / 1000));
  if (seconds < 120) return `${seconds} s ago`;
  if (seconds < 7200) return `${Math.round(seconds / 60)} min ago`;
  return `${Math.round(seconds / 3600)} h ago`;
}

/** The message for a command that finds the lock taken. */
export function describeLock(lock: DeployLock): string {
  const who = `${lock.owner} began "${lock.operation}" ${age(lock)} (process ${lock.pid} on ${lock.host})`;
  if (isStale(lock)) {
    return `the deploy lock is stale: ${who}, and that process has ended. Take it over: ${takeOver}`;
  }
  return `another deploy is running: ${who}. Wait for it; if you are sure that it has ended, take over: ${takeOver}`;
}

/** Takes the lock or throws {@link describeLock}. Never takes over a stale one. Returns a function that releases it. */
export function takeLock(stateFile: string, owner: string, operation: string): () => void {
  const lock: DeployLock = {
    owner,
    pid: process.pid,
    host: hostname(),
    startedAt: new Date().toISOString(),
    operation,
  };
  mkdirSync(dirname(stateFile), { recursive: true });
  try {
    writeFileSync(lockFile(stateFile), `${JSON.stringify(lock, null, 2)}\n`, { flag: "wx", mode: 0o600 });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    const held = readLock(stateFile);
    if (held) throw new Error(describeLock(held));
    throw new Error(
      `the deploy lock ${lockFile(stateFile)} was taken and released by another run in between; try again`,
    );
  }
  return () => {
    const held = readLock(stateFile);
    if (held && held.pid === lock.pid && held.startedAt === lock.startedAt) breakLock(stateFile);
  };
}
