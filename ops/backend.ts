import { hostname } from "node:os";
import { type Deployment, parseDeployment } from "./deployment.ts";
import { processRuns } from "./process.ts";
import type { RunCommand } from "./run.ts";

/** Who holds the deploy lock of a stack. */
export interface StackLock {
  /** `user@host`. */
  readonly owner: string;
  readonly host: string;
  readonly pid: number;
  /** ISO time. */
  readonly since: string;
  /** `up`, where the backend knows. */
  readonly operation?: string;
}

/** Where a stack's state and its deploy lock are. */
export interface Backend {
  readonly stack: string;
  /** For messages: `the stack production (pulumi)`. */
  readonly description: string;
  /** The lock that somebody holds, if any. */
  lock(): Promise<StackLock | undefined>;
  /** Takes away a lock that {@link isStale} has found stale. */
  removeLock(): Promise<void>;
  read(): Promise<Deployment>;
  /** Replaces the deployment; called at most once, while the stack is not locked by anybody else. */
  write(deployment: Deployment): Promise<void>;
}

/** True when the lock was taken on this machine by a process that no longer runs. Of other machines nobody can tell. */
export function isStale(lock: StackLock, isRunning: (pid: number) => boolean = processRuns): boolean {
  return lock.host === hostname() && !isRunning(lock.pid);
}

/** What to tell somebody who finds a lock whose holder may still run. */
export function liveLockMessage(backend: Backend, lock: StackLock): string {
  const held =
    `${backend.description} is locked by ${lock.owner} (process ${lock.pid}${lock.operation ? `, ${lock.operation}` : ""}) for ${age(lock.since)}, ` +
    `since ${lock.since}`;
  if (lock.host === hostname())
    return `${held}, and that process runs. Wait for it, or end it: kill ${lock.pid}`;
  return (
    `${held}, and from here nobody can tell whether it still runs. Wait for it, or ask its owner; ` +
    `when it is sure that it has ended: npm run ops -- recover --take-over-from ${lock.owner}`
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

/** How the backends that keep their state in files or buckets name a lock's holder. */
const lockLine = /created by ([^\s@]+)@(\S+) \(pid (\d+)\) at (\S+)/;

/** A stack of the Pulumi command line, in whatever backend it is logged in to. */
export class PulumiBackend implements Backend {
  readonly stack: string;
  readonly description: string;
  readonly #run: RunCommand;

  constructor(stack: string, run: RunCommand) {
    this.stack = stack;
    this.description = `the stack ${stack} (pulumi)`;
    this.#run = run;
  }

  async lock(): Promise<StackLock | undefined> {
    // Pulumi has no command that shows a lock. Importing what was just exported changes nothing, and names its holder.
    const exported = await this.#pulumi(["stack", "export"]);
    try {
      await this.#pulumi(["stack", "import"], exported);
      return undefined;
    } catch (error) {
      const found = lockLine.exec(error instanceof Error ? error.message : "");
      if (found === null) throw error;
      const [, user = "", host = "", pid = "", since = ""] = found;
      return { owner: `${user}@${host}`, host, pid: Number(pid), since };
    }
  }

  async removeLock(): Promise<void> {
    await this.#pulumi(["cancel", "--yes"]);
  }

  async read(): Promise<Deployment> {
    return parseDeployment(await this.#pulumi(["stack", "export"]));
  }

  async write(deployment: Deployment): Promise<void> {
    await this.#pulumi(["stack", "import"], JSON.stringify(deployment));
  }

  #pulumi(args: readonly string[], input?: string): Promise<string> {
    const all = [...args, "--stack", this.stack, "--non-interactive"];
    return this.#run("pulumi", all, { timeoutSeconds: 120, ...(input === undefined ? {} : { input }) });
  }
}
