import { existsSync, mkdirSync, readFileSync } from "node:fs";
import { delimiter, dirname, join } from "node:path";
import { stringify } from "yaml";
import type { Backend } from "../../ops/backend.ts";
import { PulumiBackend } from "../../ops/pulumi-backend.ts";
import { findCommand } from "../docker/index.ts";
import type { LabHome } from "../home.ts";
import { newCrypter, openCrypter } from "../pulumi/engine/index.ts";
import type { EngineRun } from "../pulumi/engine/run.ts";
import { writePrivateFile } from "../write-file.ts";

/** The stack for the command line, and its passphrase. */
type StackKey = Pick<EngineRun, "project" | "stack" | "passphrase">;

const shortSeconds = 300;

/**
 * The `pulumi` on the PATH with a local backend in the lab's state. It runs in its own folder, so that files that it
 * writes beside a Pulumi.yaml are not written to the repository.
 */
export class PulumiCli {
  readonly #command: string;
  readonly #key: StackKey;
  /** Contains the backend, the stack's configuration and the event log. */
  readonly folder: string;
  readonly configFile: string;

  private constructor(command: string, home: LabHome, key: StackKey) {
    this.#command = command;
    this.#key = key;
    this.folder = join(home.stateDir, "pulumi");
    this.configFile = join(this.folder, `Pulumi.${key.stack}.yaml`);
  }

  /** Creates the stack if it does not exist. Throws when there is no `pulumi`, or when it fails. */
  static async open(home: LabHome, key: StackKey): Promise<PulumiCli> {
    const command = await findCommand("pulumi");
    if (command === undefined) {
      throw new Error(
        "There is no pulumi on the PATH. --engine pulumi needs it, and so does a lab whose last run was one with that option. " +
          "Install it (https://www.pulumi.com/docs/install/); the lab's engine, which has the same semantics, needs none: npm run lab -- down, then without the option",
      );
    }
    const cli = new PulumiCli(command, home, key);
    mkdirSync(join(cli.folder, "backend"), { recursive: true, mode: 0o700 });
    writePrivateFile(join(cli.folder, "Pulumi.yaml"), stringify({ name: key.project, runtime: "nodejs" }));
    if (!existsSync(cli.configFile)) cli.configure({}, []);
    // Where a local backend keeps the stack; looking there takes no 0.3 s, as asking Pulumi does.
    if (existsSync(join(cli.folder, "backend/.pulumi/stacks", key.project, `${key.stack}.json`))) return cli;
    const created = await cli.run(["stack", "init", cli.stackName]);
    // A stack that a killed run has left locked exists too.
    if (created.failed && !/already exists|currently locked/.test(created.stderr))
      throw cli.#error("stack init", created);
    return cli;
  }

  get stackName(): string {
    return `organization/${this.#key.project}/${this.#key.stack}`;
  }

  /** Runs it without interaction and returns its result. */
  async run(
    args: readonly string[],
    options: {
      readonly cwd?: string;
      readonly env?: NodeJS.ProcessEnv;
      readonly input?: string;
      readonly seconds?: number;
    } = {},
  ) {
    const { cwd = this.folder, env = {}, input, seconds = shortSeconds } = options;
    const { execa } = await import("execa");
    return execa(this.#command, [...args, "--non-interactive"], {
      cwd,
      env: {
        ...process.env,
        PATH: [dirname(process.execPath), process.env.PATH].join(delimiter),
        PULUMI_BACKEND_URL: `file://${join(this.folder, "backend")}`,
        PULUMI_CONFIG_PASSPHRASE: this.#key.passphrase,
        // The lab's providers are attached, so the real ones need not be downloaded.
        PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION: "true",
        PULUMI_SKIP_UPDATE_CHECK: "true",
        NO_COLOR: "1",
        ...env,
      },
      reject: false,
      timeout: seconds * 1000,
      ...(input === undefined ? { stdin: "ignore" as const } : { input }),
    });
  }

  /** Writes the stack's configuration, its secrets encrypted as `pulumi config set --secret` would. */
  configure(config: Readonly<Record<string, string>>, secretKeys: readonly string[]): void {
    const { passphrase } = this.#key;
    const present = existsSync(this.configFile) ? readFileSync(this.configFile, "utf8") : "";
    const salt = /^encryptionsalt: (.*)$/m.exec(present)?.[1];
    const crypter = salt === undefined ? newCrypter(passphrase) : openCrypter(passphrase, salt);
    const value = (key: string, text: string) => {
      if (secretKeys.includes(key)) return { secure: crypter.encrypt(text) };
      return /^[[{]/.test(text) ? JSON.parse(text) : text;
    };
    const values = Object.fromEntries(Object.entries(config).map(([key, text]) => [key, value(key, text)]));
    // Quoted, because Pulumi's YAML parser reads an unquoted date as a time.
    const text = stringify({ config: values }, { lineWidth: 0, defaultStringType: "QUOTE_DOUBLE" });
    writePrivateFile(this.configFile, `encryptionsalt: ${crypter.salt}\n${text}`);
  }

  /** The state and the lock, for recovery. */
  backend(): Backend {
    return new PulumiBackend(
      this.#key.project,
      this.#key.stack,
      async (_, args, { timeoutSeconds, input }) => {
        const ended = await this.run(
          args.filter((argument) => argument !== "--non-interactive"),
          { seconds: timeoutSeconds, ...(input === undefined ? {} : { input }) },
        );
        if (ended.failed) throw this.#error(args[0] ?? "", ended);
        return ended.stdout;
      },
    );
  }

  /** The deployment, in Pulumi's own format. */
  async exportState(): Promise<string> {
    const exported = await this.run(["stack", "export", "--stack", this.stackName]);
    if (exported.failed) throw this.#error("stack export", exported);
    return exported.stdout;
  }

  async importState(deployment: string): Promise<void> {
    const imported = await this.run(["stack", "import", "--stack", this.stackName], { input: deployment });
    if (imported.failed) throw this.#error("stack import", imported);
  }

  #error(what: string, { stderr, shortMessage }: { stderr: string; shortMessage?: string }): Error {
    return new Error(`pulumi ${what} failed: ${stderr.trim() || shortMessage || "no reason given"}`);
  }
}
