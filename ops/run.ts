import { spawn } from "node:child_process";

/** Runs a command and returns its standard output. Throws with its standard error when it fails. */
export type RunCommand = (
  command: string,
  args: readonly string[],
  options: { readonly timeoutSeconds: number; readonly input?: string },
) => Promise<string>;

/** A command that failed. The message contains its name and output, not its arguments, which can be long. */
export class CommandError extends Error {
  readonly command: string;
  constructor(command: string, reason: string) {
    super(`${command}: ${reason}`);
    this.command = command;
  }
}

/** {@link RunCommand} that starts a process. */
export const runCommand: RunCommand = async (command, args, options) => {
  // Loaded when the first process is started: it has more modules than a command that starts none.
  const { execa } = await import("execa");
  const result = await execa(command, args, {
    reject: false,
    timeout: options.timeoutSeconds * 1000,
    ...(options.input === undefined ? { stdin: "ignore" as const } : { input: options.input }),
    // A process in the background (a shared ssh connection) keeps the pipes open and is not waited for.
    forceKillAfterDelay: 1000,
    // A host's journal of a day is longer than execa's 100 MB.
    maxBuffer: 500_000_000,
  });
  if (!result.failed) return String(result.stdout);
  if (result.timedOut) throw new CommandError(command, `no answer within ${options.timeoutSeconds} s`);
  if (result.isMaxBuffer) throw new CommandError(command, "answered more than 500 MB");
  if (result.code === "ENOENT") throw new CommandError(command, "not found on the PATH; install it");
  const said = String(result.stderr).trim() || String(result.stdout).trim();
  throw new CommandError(command, said.slice(-2000) || `exit status ${result.exitCode ?? result.signal}`);
};

/** Runs a command with this standard input and passes on each line of its output as it arrives. Throws as {@link runCommand}. */
export async function streamLines(
  command: string,
  args: readonly string[],
  input: string,
  onLine: (line: string) => void,
): Promise<void> {
  const { execa } = await import("execa");
  const child = execa(command, args, { reject: false, input, buffer: { stdout: false } });
  for await (const line of child) onLine(line);
  const result = await child;
  if (result.failed) {
    throw new CommandError(
      command,
      result.stderr.trim().slice(-2000) || `exit status ${result.exitCode ?? result.signal}`,
    );
  }
}

/** Runs a command with this process' own input, output and errors, or what is given instead, and returns its exit code. */
export async function attach(
  command: string,
  args: readonly string[],
  { input, output }: { readonly input?: string; readonly output?: number } = {},
): Promise<number> {
  const child = spawn(command, args, {
    stdio: [input === undefined ? "inherit" : "pipe", output ?? "inherit", "inherit"],
  });
  // A connection that breaks is reported by the exit code.
  child.stdin?.on("error", () => undefined).end(input);
  return new Promise((resolve, reject) => {
    child.on("error", (error) => reject(new CommandError(command, error.message)));
    child.on("exit", (code) => resolve(code ?? 1));
  });
}
