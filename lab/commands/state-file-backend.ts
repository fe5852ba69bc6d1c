import { existsSync, readFileSync } from "node:fs";
import { hostname, userInfo } from "node:os";
import { isDeepStrictEqual } from "node:util";
import { type Backend, type StackLock, StateMovedError } from "../../ops/backend.ts";
import { type Deployment, parseDeployment } from "../../ops/deployment.ts";
import { breakLock, readLock, takeLock } from "../pulumi/engine/lock.ts";
import { replacePrivateFile } from "../write-file.ts";

/** A deployment kept in a file in Pulumi's own format, with a lock file beside it: the lab's, for the commands of `ops/`. Needs no passphrase. */
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
    const lock = readLock(this.#file);
    return lock && { ...lock, since: lock.startedAt };
  }

  async removeLock(): Promise<void> {
    breakLock(this.#file);
  }

  async read(): Promise<Deployment> {
    if (!existsSync(this.#file)) return { version: 3, deployment: {} };
    return parseDeployment(readFileSync(this.#file, "utf8"));
  }

  /**
   * Under the deploy lock, so that no run starts or ends in between. Atomic: a reader sees the old deployment or the new one,
   * also after a crash.
   */
  async write(deployment: Deployment, basedOn: Deployment): Promise<void> {
    const release = this.#take();
    try {
      if (!isDeepStrictEqual(await this.read(), basedOn))
        throw new StateMovedError(this, "it has changed since it was read");
      replacePrivateFile(this.#file, `${JSON.stringify(deployment, null, 2)}\n`);
    } finally {
      release();
    }
  }

  deployCommands(key: string, version: string): readonly string[] {
    return [`npm run lab -- up --stack ${this.stack} --set ${key}=${version}`];
  }

  #take(): () => void {
    try {
      return takeLock(this.#file, `${userInfo().username}@${hostname()}`, "recover");
    } catch (error) {
      const held = readLock(this.#file);
      if (held === undefined) throw error;
      throw new StateMovedError(this, `${held.owner} has begun a run`);
    }
  }
}
