import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { execa } from "execa";

const projectDir = fileURLToPath(new URL("../..", import.meta.url));
const commandSeconds = 1800;
/** As the npm scripts start every command. */
const fastStart = ["--import", join(projectDir, "scripts/fast-start.js")];

interface CommandOptions {
  /** Default true. Without it, the command and what it starts run as Node runs any program, nothing compiled before. */
  readonly fastStart?: boolean;
}

/**
 * Runs a script of the project, as a command of its own.
 * @returns what it printed on standard output
 * @throws with its output when it fails, or has not ended after 30 minutes
 */
export async function command(
  script: string,
  args: readonly string[],
  options: CommandOptions = {},
): Promise<string> {
  const isFast = options.fastStart ?? true;
  const result = await execa(
    process.execPath,
    [...(isFast ? fastStart : []), join(projectDir, script), ...args],
    {
      cwd: projectDir,
      ...(isFast ? {} : { env: { NODE_COMPILE_CACHE: undefined } }),
      reject: false,
      all: true,
      stdin: "ignore",
      timeout: commandSeconds * 1000,
    },
  );
  if (result.failed) throw new Error(`${script} ${args.join(" ")} failed:\n${result.all.slice(-4000)}`);
  return result.stdout;
}

/** How long it takes. */
export async function seconds(work: () => Promise<unknown>): Promise<number> {
  const began = performance.now();
  await work();
  return (performance.now() - began) / 1000;
}
