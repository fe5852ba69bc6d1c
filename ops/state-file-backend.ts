import {
  closeSync,
  existsSync,
  fsyncSync,
  linkSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { hostname, userInfo } from "node:os";
import { isDeepStrictEqual } from "node:util";
import { type Backend, type StackLock, StateMovedError } from "./backend.ts";
import { type Deployment, parseDeployment } from "./deployment.ts";

/** The lock beside a state file, `<file>.lock`, as the lab's engine writes it. */
interface LockFile {
  readonly owner: string;
  readonly pid: number;
  readonly host: string;
  readonly startedAt: string;
  readonly operation: string;
}

/** A deployment kept in a file in Pulumi's own format, with a lock file beside it: the lab's. Needs no passphrase. */
export class StateFileBackend implements Backend {
  readonly stack: string;
  readonly description: string;
  readonly opsCommand = "npm run lab -- ops";
  readonly #file: string;

  constructor(stack: string, file: string) {
    this.stack = stack;
    this.description = `the stack ${stack} (${file})`;
    this.#file = file;
  }

  async lock(): Promise<StackLock | undefined> {
    const lockFile = `${this.#file}.lock`;
    if (!existsSync(lockFile)) return undefined;
    const text = readFileSync(lockFile, "utf8");
    try {
      const { owner, pid, host, startedAt, operation } = JSON.parse(text) as LockFile;
      return { owner, pid, host, since: startedAt, operation };
    } catch {
      throw new Error(`${lockFile} is not a deploy lock; if nothing is deploying, remove it: rm ${lockFile}`);
    }
  }

  async removeLock(): Promise<void> {
    rmSync(`${this.#file}.lock`, { force: true });
  }

  async read(): Promise<Deployment> {
    if (!existsSync(this.#file)) return { version: 3, deployment: {} };
    return parseDeployment(readFileSync(this.#file, "utf8"));
  }

  /**
   * Under the deploy lock, so that no run begins or ends meanwhile. Whoever reads the file, at any moment and after any crash,
   * sees the old deployment or the new one.
   */
  async write(deployment: Deployment, basedOn: Deployment): Promise<void> {
    const lockFile = `${this.#file}.lock`;
    const lock: LockFile = {
      owner: `${userInfo().username}@${hostname()}`,
      pid: process.pid,
      host: hostname(),
      startedAt: new Date().toISOString(),
      operation: "recover",
    };
    try {
      writeFileSync(lockFile, `${JSON.stringify(lock, null, 2)}\n`, { flag: "wx", mode: 0o600 });
    } catch (error) {
      if (!(error instanceof Error && "code" in error && error.code === "EEXIST")) throw error;
      throw new StateMovedError(this, `${(await this.lock())?.owner ?? "somebody"} has begun a run`);
    }
    try {
      if (!isDeepStrictEqual(await this.read(), basedOn))
        throw new StateMovedError(this, "it is another one by now");
      this.#replace(deployment);
    } finally {
      rmSync(lockFile, { force: true });
    }
  }

  deployCommands(key: string, version: string): readonly string[] {
    return [`npm run lab -- up --stack ${this.stack} --set ${key}=${version}`];
  }

  #replace(deployment: Deployment): void {
    const temporary = `${this.#file}.tmp`;
    const descriptor = openSync(temporary, "w", 0o600);
    try {
      writeSync(descriptor, `${JSON.stringify(deployment, null, 2)}\n`);
      fsyncSync(descriptor);
    } finally {
      closeSync(descriptor);
    }
    rmSync(`${this.#file}.bak`, { force: true });
    linkSync(this.#file, `${this.#file}.bak`);
    renameSync(temporary, this.#file);
  }
}
