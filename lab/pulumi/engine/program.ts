import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { createInterface, type Interface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { parse } from "yaml";
import { type DeploymentFacts, organization } from "./monitor.ts";

// The exit code of the SDK's runner after it has printed the error itself.
const exitCodeReported = 32;
const exitWithEngine = fileURLToPath(new URL("exit-with-engine.ts", import.meta.url));

/** How to start a program. */
interface ProgramOptions {
  readonly projectDir: string;
  readonly address: string;
  readonly facts: DeploymentFacts;
  readonly env: Readonly<Record<string, string>>;
  /** One line of what the program prints, on either stream. */
  readonly onLine: (line: string) => void;
}

/** What Pulumi.yaml says of how to start the program: the folder or file, and arguments of Node (`runtime.options.nodeargs`), without quotes. */
function project(projectDir: string): { readonly entryPoint: string; readonly nodeArgs: readonly string[] } {
  const file = join(projectDir, "Pulumi.yaml");
  const { main, runtime } = ((existsSync(file) && parse(readFileSync(file, "utf8"))) || {}) as {
    main?: string;
    runtime?: string | { options?: { nodeargs?: string } };
  };
  const { nodeargs = "" } = typeof runtime === "object" ? (runtime.options ?? {}) : {};
  return {
    entryPoint: main === undefined ? projectDir : join(projectDir, main),
    nodeArgs: nodeargs.split(/\s+/).filter((argument) => argument !== ""),
  };
}

/**
 * A Pulumi program in a process of its own, started as Pulumi's language host for Node.js does, with this Node: the
 * program's TypeScript is run natively.
 */
export class Program {
  readonly #child: ChildProcess;
  readonly #readers: Interface[];
  /**
   * How the program ended: undefined on success, otherwise the error message, which is empty when the program has printed the error
   * itself.
   */
  readonly ended: Promise<string | undefined>;

  constructor(options: ProgramOptions) {
    const { facts, address, projectDir } = options;
    const runner = createRequire(join(projectDir, "package.json")).resolve("@pulumi/pulumi/cmd/run/index.js");
    const { entryPoint, nodeArgs } = project(projectDir);
    const args = ["--import", exitWithEngine, ...nodeArgs, runner, "--monitor", address, "--engine", address];
    args.push("--organization", organization, "--project", facts.project, "--stack", facts.stack);
    args.push("--root-directory", projectDir, "--pwd", projectDir, "--parallel", String(facts.parallel));
    if (facts.preview) args.push("--dry-run");
    args.push(entryPoint);
    this.#child = spawn(process.execPath, args, {
      cwd: projectDir,
      stdio: ["ignore", "pipe", "pipe", "pipe"],
      env: {
        ...process.env,
        ...options.env,
        PULUMI_NODEJS_TYPESCRIPT: "false",
        PULUMI_CONFIG: JSON.stringify(facts.config),
        PULUMI_CONFIG_SECRET_KEYS: JSON.stringify(facts.secretKeys),
      },
    });
    this.#readers = [this.#child.stdout, this.#child.stderr].flatMap((stream) =>
      stream ? [createInterface({ input: stream }).on("line", options.onLine)] : [],
    );
    this.ended = new Promise((resolve) => {
      this.#child.once("error", (error) => resolve(`the program could not be started: ${error.message}`));
      // "close" comes after "exit", when everything that was printed has been read.
      this.#child.once("close", (code, signal) => {
        if (code === 0) resolve(undefined);
        else if (code === exitCodeReported) resolve("");
        else if (signal) resolve(`the program was ended by ${signal}`);
        else resolve(`the program exited with code ${code}`);
      });
    });
  }

  /** Waits for the program to end by itself and kills it after the deadline. */
  async stop(graceSeconds: number): Promise<void> {
    const ended = await Promise.race([
      this.ended.then(() => true),
      sleep(graceSeconds * 1000, false, { ref: false }),
    ]);
    if (!ended) this.#child.kill("SIGKILL");
    await this.ended;
    for (const reader of this.#readers) reader.close();
  }
}
