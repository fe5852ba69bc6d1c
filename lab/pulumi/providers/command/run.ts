import { type ChildProcess, spawn } from "node:child_process";
import { existsSync } from "node:fs";

/** One run of a local command. */
export interface LocalCommand {
  readonly command: string;
  /** Program and first arguments; the command is the last argument. Default `/bin/sh -c`. */
  readonly interpreter: readonly string[];
  /** Working directory; default the engine's own. */
  readonly directory: string;
  /** The complete environment; nothing is inherited. */
  readonly environment: NodeJS.ProcessEnv;
  /** Standard input; nothing when absent. */
  readonly stdin: string | undefined;
  readonly timeoutSeconds: number;
}

/** The output of a command, without the last line break. */
export interface CommandOutput {
  readonly stdout: string;
  readonly stderr: string;
}

/** Seconds between SIGTERM and SIGKILL for a process group. */
const graceSeconds = 2;
/** Seconds to wait for the pipes of a killed process group to close. */
const drainSeconds = 1;

/**
 * Ends the command when the engine is killed. Its standard input contains the command's process group and closes when the
 * engine ends.
 */
const watchdogScript = `read -r group || exit; read -r _; kill -s TERM -- "-$group"; sleep ${graceSeconds}; kill -s KILL -- "-$group"`;

/** Runs commands, each in a process group of its own, and can end all of them. */
export class CommandRunner {
  readonly #running = new Set<ChildProcess>();

  /**
   * Runs one command to its end. Throws as the real provider does when it fails:
   * `exit status N: running "<command>":` and its whole output; also when it cannot be started or when the deadline
   * passes, in which case its whole process group is ended.
   */
  async run(what: LocalCommand): Promise<CommandOutput> {
    const fail = (reason: string, printed: string) =>
      new Error(`${reason}: running ${JSON.stringify(what.command)}:\n${printed}`);
    // Node reports a missing directory as a missing program.
    if (!existsSync(what.directory)) {
      throw fail(`chdir ${what.directory}: no such file or directory`, "");
    }
    const [program = "/bin/sh", ...first] =
      what.interpreter.length > 0 ? what.interpreter : ["/bin/sh", "-c"];
    // Started first, so that the command never runs without it.
    const watchdog = startWatchdog();
    const child = spawn(program, [...first, what.command], {
      cwd: what.directory,
      env: what.environment,
      detached: true,
      stdio: [what.stdin === undefined || what.stdin === "" ? "ignore" : "pipe", "pipe", "pipe"],
    });
    this.#running.add(child);
    watchdog.stdin?.write(child.pid === undefined ? "" : `${child.pid}\n`);
    const stdout: Buffer[] = [];
    const stderr: Buffer[] = [];
    const printed: Buffer[] = [];
    child.stdout?.on("data", (chunk: Buffer) => printed.push(chunk) && stdout.push(chunk));
    child.stderr?.on("data", (chunk: Buffer) => printed.push(chunk) && stderr.push(chunk));
    // A command need not read its input; the broken pipe is not a failure.
    child.stdin?.on("error", () => {});
    child.stdin?.end(what.stdin);
    try {
      const end = await ended(child, what.timeoutSeconds);
      if (end !== undefined) throw fail(end, textOf(printed));
    } finally {
      this.#running.delete(child);
      watchdog.kill("SIGKILL");
    }
    return { stdout: textOf(stdout).replace(/\n$/, ""), stderr: textOf(stderr).replace(/\n$/, "") };
  }

  /** Ends all running commands; their `run` calls then throw. */
  async cancel(): Promise<void> {
    await Promise.all([...this.#running].map(endGroup));
  }
}

/** Undefined when the command succeeded, otherwise the error message of the real provider. */
function ended(child: ChildProcess, timeoutSeconds: number): Promise<string | undefined> {
  return new Promise((resolve) => {
    const finish = (reason: string | undefined) => {
      clearTimeout(deadline);
      resolve(reason);
    };
    let exited = false;
    let expired: string | undefined;
    const deadline = setTimeout(async () => {
      const open = exited ? "; it ended, but a process that it left behind holds its output open" : "";
      expired = `no end within ${timeoutSeconds} s, so its process group was ended${open}`;
      await endGroup(child);
      child.stdout?.destroy();
      child.stderr?.destroy();
      finish(expired);
    }, timeoutSeconds * 1000);
    child.on("exit", () => {
      exited = true;
    });
    child.on("error", (error: NodeJS.ErrnoException) => {
      const missing = error.code === "ENOENT" ? "no such file or directory" : error.message;
      finish(`fork/exec ${child.spawnfile}: ${missing}`);
    });
    child.on("close", (code, signal) => {
      if (expired !== undefined) finish(expired);
      else if (code === 0) finish(undefined);
      else finish(signal === null ? `exit status ${code}` : `signal: ${signal}`);
    });
  });
}

async function endGroup(child: ChildProcess): Promise<void> {
  const group = child.pid;
  if (group === undefined) return;
  if (!signalGroup(group, "SIGTERM")) return;
  const until = Date.now() + graceSeconds * 1000;
  while (Date.now() < until && signalGroup(group, 0)) await sleep(20);
  signalGroup(group, "SIGKILL");
  const drainedBy = Date.now() + drainSeconds * 1000;
  while (Date.now() < drainedBy && signalGroup(group, 0)) await sleep(20);
}

/** False when no process of the group is left. */
function signalGroup(group: number, signal: NodeJS.Signals | 0): boolean {
  try {
    return process.kill(-group, signal);
  } catch {
    return false;
  }
}

function startWatchdog(): ChildProcess {
  const watchdog = spawn("/bin/sh", ["-c", watchdogScript], {
    detached: true,
    stdio: ["pipe", "ignore", "ignore"],
  });
  watchdog.on("error", () => {});
  watchdog.stdin?.on("error", () => {});
  return watchdog;
}

function textOf(chunks: readonly Buffer[]): string {
  return Buffer.concat(chunks).toString("utf8");
}

function sleep(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}
