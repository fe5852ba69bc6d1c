/**
 * The lab's `command` provider: `command:local:Command` and `command:local:run` of pulumi-command 1.2.1, on this machine.
 * Commands over SSH (`command:remote:*`) are left out, because the program runs `ssh` itself. One difference: nothing
 * is logged while a command runs, whatever `logging` is.
 */
import { randomBytes } from "node:crypto";
import { checkInputs, diffInputs, type InputRules, notPartOfTheLab, text, texts } from "../inputs.ts";
import { isProperties } from "../property-values.ts";
import type { Properties, ResourceRef } from "../provider.ts";
import type { CancellableProvider, SecretFollowingPackage } from "../serve.ts";
import { type CommandOutput, CommandRunner } from "./run.ts";

const commandType = "command:local:Command";
const runToken = "command:local:run";

const noAssets = "the program takes a command's results from its standard output";
const commonRules: InputRules = {
  stdin: { kind: "string" },
  logging: { kind: "string", allowed: ["stdout", "stderr", "stdoutAndStderr", "none"] },
  interpreter: { kind: "strings" },
  dir: { kind: "string" },
  environment: { kind: "string map" },
  assetPaths: { kind: "strings", refused: noAssets },
  archivePaths: { kind: "strings", refused: noAssets },
  addPreviousOutputInEnv: { kind: "boolean" },
};
const commandRules: InputRules = {
  ...commonRules,
  create: { kind: "string" },
  update: { kind: "string" },
  delete: { kind: "string" },
  triggers: { kind: "list", replaces: true },
};
const runRules: InputRules = { ...commonRules, command: { kind: "string", required: true } };

/** How long a `command:local:run` may take, in seconds: an invoke has no timeout of its own. */
const invokeTimeoutSeconds = 1200;

class CommandProvider implements CancellableProvider {
  readonly #runner = new CommandRunner();

  async configure(): Promise<void> {}

  async check(ref: ResourceRef, news: Properties) {
    supported(ref.type);
    return checkInputs(ref.type, commandRules, news);
  }

  async diff(ref: ResourceRef, _id: string, oldInputs: Properties, _outputs: Properties, news: Properties) {
    supported(ref.type);
    return diffInputs(commandRules, oldInputs, {}, news);
  }

  async create(ref: ResourceRef, inputs: Properties, timeoutSeconds: number) {
    supported(ref.type);
    const id = `${ref.name}${randomBytes(4).toString("hex")}`;
    return { id, outputs: await this.#run(text(inputs, "create"), inputs, undefined, timeoutSeconds) };
  }

  async read(_ref: ResourceRef, id: string, inputs: Properties, outputs: Properties) {
    return { id, inputs, outputs };
  }

  async update(
    ref: ResourceRef,
    _id: string,
    _oldInputs: Properties,
    oldOutputs: Properties,
    news: Properties,
    timeoutSeconds: number,
  ): Promise<Properties> {
    supported(ref.type);
    const command = text(news, "update") ?? text(news, "create");
    return this.#run(command, news, printedBefore(oldOutputs), timeoutSeconds);
  }

  async delete(
    ref: ResourceRef,
    _id: string,
    _inputs: Properties,
    outputs: Properties,
    timeoutSeconds: number,
  ): Promise<void> {
    supported(ref.type);
    await this.#run(text(outputs, "delete"), outputs, printedBefore(outputs), timeoutSeconds);
  }

  async invoke(token: string, args: Properties): Promise<Properties> {
    if (token !== runToken) throw notPartOfTheLab(token, [commandType, runToken]);
    const { inputs, failures } = checkInputs(token, runRules, args);
    if (failures.length > 0) {
      throw new Error(failures.map(({ property, reason }) => `${property}: ${reason}`).join("\n"));
    }
    return this.#run(text(inputs, "command"), inputs, undefined, invokeTimeoutSeconds);
  }

  async cancel(): Promise<void> {
    await this.#runner.cancel();
  }

  /** Without a command nothing runs, and the earlier output stays. */
  async #run(
    command: string | undefined,
    inputs: Properties,
    before: CommandOutput | undefined,
    timeoutSeconds: number,
  ): Promise<Properties> {
    if (command === undefined)
      return { ...inputs, stdout: before?.stdout ?? "", stderr: before?.stderr ?? "" };
    const printed = await this.#runner.run({
      command,
      interpreter: texts(inputs, "interpreter"),
      directory: text(inputs, "dir") ?? process.cwd(),
      environment: environmentOf(inputs, before),
      stdin: text(inputs, "stdin"),
      timeoutSeconds,
    });
    return { ...inputs, ...printed };
  }
}

function supported(type: string): void {
  if (type !== commandType) throw notPartOfTheLab(type, [commandType, runToken]);
}

function printedBefore(outputs: Properties): CommandOutput {
  return { stdout: text(outputs, "stdout") ?? "", stderr: text(outputs, "stderr") ?? "" };
}

function environmentOf(inputs: Properties, before: CommandOutput | undefined): NodeJS.ProcessEnv {
  const given = isProperties(inputs.environment) ? inputs.environment : {};
  const previous = inputs.addPreviousOutputInEnv === false ? undefined : before;
  return {
    ...process.env,
    ...Object.fromEntries(Object.keys(given).map((key) => [key, text(given, key)])),
    ...(previous?.stdout ? { PULUMI_COMMAND_STDOUT: previous.stdout } : {}),
    ...(previous?.stderr ? { PULUMI_COMMAND_STDERR: previous.stderr } : {}),
  };
}

/** `command`, as pulumi-command 1.2.1 behaves. */
export const commandPackage: SecretFollowingPackage = {
  name: "command",
  version: "1.2.1",
  outputsFollowSecrets: true,
  // The value that its framework writes: pulumi-go-provider 1.3.0, whose version.go says 1.2.0.
  settingsNotes: { "__pulumi-go-provider-version": "1.2.0" },
  create: () => new CommandProvider(),
};
