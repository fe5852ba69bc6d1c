import { isDeepStrictEqual } from "node:util";
import { z } from "zod";
import { type Backend, type StackLock, StateMovedError } from "./backend.ts";
import { type Deployment, parseDeployment } from "./deployment.ts";
import { readPulumiLocks, withoutPassword } from "./pulumi-locks.ts";
import type { RunCommand } from "./run.ts";

const whoAmI = z.object({ url: z.string() });
const stackList = z.array(z.object({ name: z.string(), updateInProgress: z.boolean().optional() }));
const history = z.array(z.object({ startTime: z.string(), version: z.int().optional() }));

/** A stack of the Pulumi command line, in the backend that it is logged in to. */
export class PulumiBackend implements Backend {
  readonly stack: string;
  readonly description: string;
  readonly opsCommand = "npm run ops --";
  readonly #project: string;
  readonly #run: RunCommand;
  #url: string | undefined;

  /** @param project the name in Pulumi.yaml: a part of where the stack's locks are */
  constructor(project: string, stack: string, run: RunCommand) {
    this.stack = stack;
    this.description = `the stack ${stack} (pulumi)`;
    this.#project = project;
    this.#run = run;
  }

  /** Where the state is, without credentials: `s3://berth-state`, `file:///srv/state`, `https://app.pulumi.com/anna`. */
  async address(): Promise<string> {
    return withoutPassword(await this.#backendUrl());
  }

  /** Read-only. A run that starts a moment later is not noticed; {@link write} refuses after it. */
  async lock(): Promise<StackLock | undefined> {
    const url = await this.#backendUrl();
    if (/^https?:/.test(url)) return this.#lockOfCloud();
    const [lock] = await readPulumiLocks(url, this.#project, this.stack);
    return lock;
  }

  async removeLock(): Promise<void> {
    await this.#pulumi(["cancel", "--yes"]);
  }

  async read(): Promise<Deployment> {
    return parseDeployment(await this.#pulumi(["stack", "export"]));
  }

  async write(deployment: Deployment, basedOn: Deployment): Promise<void> {
    const lastRun = await this.#lastRun();
    const lock = await this.lock();
    if (lock !== undefined) throw new StateMovedError(this, `${lock.owner} has begun a run`);
    if (!isDeepStrictEqual(await this.read(), basedOn))
      throw new StateMovedError(this, "it has changed since it was read");
    // Pulumi takes the lock for the import itself, and refuses it while somebody else has one.
    await this.#pulumi(["stack", "import"], JSON.stringify(deployment));
    // A whole run between the two commands above cannot be prevented.
    if ((await this.#lastRun()) === lastRun) return;
    throw new StateMovedError(
      this,
      "a run ended while it was written, whose outcome Pulumi keeps as a backup beside the state (.json.bak, or the stack's history); compare the two before the next up",
    );
  }

  deployCommands(key: string, version: string): readonly string[] {
    return [
      `npx pulumi config set --path ${key} ${version} --stack ${this.stack}`,
      `npx pulumi up --stack ${this.stack} --continue-on-error`,
    ];
  }

  /** Pulumi Cloud reports that an update is running, not who started it. */
  async #lockOfCloud(): Promise<StackLock | undefined> {
    const stacks = stackList.parse(JSON.parse(await this.#pulumi(["stack", "ls", "--json"], undefined, [])));
    const busy = stacks.some(
      ({ name, updateInProgress }) =>
        updateInProgress === true && (name === this.stack || name.endsWith(`/${this.stack}`)),
    );
    return busy ? { owner: "pulumi-cloud" } : undefined;
  }

  /** Identifies the last completed run. */
  async #lastRun(): Promise<string> {
    const text = await this.#pulumi(["stack", "history", "--json", "--page-size", "1", "--page", "1"]);
    const [last] = history.parse(JSON.parse(text.trim() === "" ? "[]" : text));
    return last === undefined ? "" : `${last.version ?? ""} ${last.startTime}`;
  }

  async #backendUrl(): Promise<string> {
    this.#url ??= whoAmI.parse(JSON.parse(await this.#pulumi(["whoami", "--json"], undefined, []))).url;
    return this.#url;
  }

  #pulumi(
    args: readonly string[],
    input?: string,
    about: readonly string[] = ["--stack", this.stack],
  ): Promise<string> {
    const all = [...args, ...about, "--non-interactive"];
    return this.#run("pulumi", all, { timeoutSeconds: 120, ...(input === undefined ? {} : { input }) });
  }
}
