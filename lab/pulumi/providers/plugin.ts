/** Pulumi's real provider plugins: where they are found, and how one is started. */
import { spawn } from "node:child_process";
import { accessSync, constants, statSync } from "node:fs";
import { createRequire } from "node:module";
import { homedir } from "node:os";
import { delimiter, join } from "node:path";
import { createInterface } from "node:readline";
import { Server, ServerCredentials } from "@grpc/grpc-js";
import engineGrpc from "@pulumi/pulumi/proto/engine_grpc_pb.js";
import enginePb from "@pulumi/pulumi/proto/engine_pb.js";
import type * as emptyTypes from "google-protobuf/google/protobuf/empty_pb.js";
import { pulumiRequire } from "./property-values.ts";

const { Empty } = pulumiRequire("google-protobuf/google/protobuf/empty_pb.js") as typeof emptyTypes;

/** A plugin by name and version, as in `pulumi plugin install resource <name> v<version>`. */
export interface PluginName {
  readonly name: string;
  readonly version: string;
}

/** Seconds that a plugin has to print its port. */
const startSeconds = 60;

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}

/**
 * The program of a plugin: one on the PATH, whatever its version, otherwise the required version in Pulumi's own folder. That is the
 * order in which Pulumi itself looks (sdk/go/common/workspace/plugins.go, `getPluginInfoAndPath`).
 */
export function findPlugin({ name, version }: PluginName, env = process.env): string | undefined {
  const program = `pulumi-resource-${name}`;
  const pulumiHome = env.PULUMI_HOME ?? join(homedir(), ".pulumi");
  const candidates = [
    ...(env.PATH ?? "").split(delimiter).map((folder) => join(folder, program)),
    join(pulumiHome, "plugins", `resource-${name}-v${version}`, program),
  ];
  return candidates.find(isProgram);
}

/**
 * The programs of all plugins, by name.
 * @throws when one is missing, with the command that installs each.
 */
export function requirePlugins(plugins: readonly PluginName[], env = process.env): Map<string, string> {
  const found = plugins.map((plugin) => ({ ...plugin, path: findPlugin(plugin, env) }));
  const missing = found.filter(({ path }) => path === undefined);
  if (missing.length > 0) {
    const installs = missing.map(
      ({ name, version }) => `  pulumi plugin install resource ${name} v${version}`,
    );
    throw new Error(
      [
        `--providers real: not on the PATH, nor among Pulumi's plugins: ${missing.map(({ name }) => `pulumi-resource-${name}`).join(", ")}. Install:`,
        ...installs,
        "or leave the option out to use the lab's providers",
      ].join("\n"),
    );
  }
  return new Map(found.map(({ name, path }) => [name, String(path)]));
}

/** Receives a plugin's log messages, as Pulumi's engine does; warnings and errors are passed on. */
async function logReceiver(report: (message: string) => void) {
  const { WARNING, ERROR } = enginePb.LogSeverity;
  const server = new Server();
  server.addService(engineGrpc.EngineService as never, {
    log(
      { request }: { request: enginePb.LogRequest },
      done: (error: null, answer: emptyTypes.Empty) => void,
    ) {
      const severity: number = request.getSeverity();
      if (!request.getEphemeral() && (severity === WARNING || severity === ERROR))
        report(request.getMessage());
      done(null, new Empty());
    },
  });
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(), (error, bound) =>
      error ? reject(error) : resolve(bound),
    );
  });
  return { address: `127.0.0.1:${port}`, close: () => server.forceShutdown() };
}

/** Pulumi's host for dynamic providers, by the package that it serves; the SDK has it, so it is no plugin to install. */
export const dynamicPackage = "pulumi-nodejs";

/** Starts it for a program, as `pulumi-resource-pulumi-nodejs` does: in the program's folder, by the Node that runs this. */
export function launchDynamicProvider(projectDir: string, report: (message: string) => void) {
  const script = createRequire(import.meta.url).resolve("@pulumi/pulumi/cmd/dynamic-provider/index.js");
  return launchPlugin(process.execPath, report, { args: [script], cwd: projectDir });
}

/**
 * Starts a plugin: it gets the address of an engine to log to, and prints the port on which it serves `ResourceProvider`.
 * @throws when it ends, or prints no port within a minute.
 */
export async function launchPlugin(
  path: string,
  report: (message: string) => void,
  { args = [], cwd }: { readonly args?: readonly string[]; readonly cwd?: string } = {},
): Promise<{ address: string; close(): Promise<void> }> {
  const logs = await logReceiver(report);
  const child = spawn(path, [...args, logs.address], { cwd, stdio: ["ignore", "pipe", "pipe"] });
  let said = "";
  child.stderr.on("data", (chunk) => {
    said = `${said}${chunk}`.slice(-2000);
  });
  const close = async () => {
    child.kill();
    logs.close();
  };
  try {
    const port = await new Promise<string>((resolve, reject) => {
      const timer = setTimeout(
        () => reject(new Error(`printed no port within ${startSeconds} s`)),
        startSeconds * 1000,
      );
      createInterface(child.stdout).once("line", (line) => {
        clearTimeout(timer);
        resolve(line.trim());
      });
      child.once("error", reject);
      // Not `exit`: its output may not have been read completely then.
      child.once("close", (code) => reject(new Error(`ended with ${code}`)));
    });
    if (!/^\d+$/.test(port)) throw new Error(`printed "${port}" where a port was expected`);
    return { address: `127.0.0.1:${port}`, close };
  } catch (error) {
    await close();
    throw new Error(`the plugin ${path} does not start: ${(error as Error).message}. ${said.trim()}`.trim());
  }
}
