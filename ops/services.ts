import { hostPaths } from "../components/host/paths.ts";
import { readScript, wholeScript } from "../components/host/script.ts";
import type { Backend } from "./backend.ts";
import { resourceName, resources } from "./deployment.ts";
import { hostOfSystem, isTerminal, quote } from "./host-access.ts";
import { type RunCommand, runCommand } from "./run.ts";

/** A service of a system: `togather`, `app`. */
export interface ServiceName {
  readonly system: string;
  readonly service: string;
}

/**
 * Runs a command in a container of a service that takes requests, with the variables and secrets of the service, and with this
 * terminal's input and output.
 * @returns the command's exit code
 * @throws when the service does not run
 */
export async function execInService(
  backend: Backend,
  name: ServiceName,
  words: readonly string[],
  run: RunCommand = runCommand,
): Promise<number> {
  const host = hostOfSystem(await backend.read(), name.system, run);
  const found = await host.run(serviceScript("exec", backend.stack, name), 60);
  const [container = "", ...shim] = found.trim().split("\n");
  const terminal = isTerminal() ? ["--tty"] : [];
  return host.interact(["docker", "exec", "--interactive", ...terminal, container, ...shim, ...words]);
}

/**
 * Runs a command once beside a service: a job with the image, variables, secrets and networks of the slot that serves,
 * without standard input. Its output is the command's output. When the connection breaks, the job continues and is removed at its end.
 * @param timeoutSeconds after which the job is ended
 * @returns the command's exit code
 * @throws when the service has no release
 */
export async function runBesideService(
  backend: Backend,
  name: ServiceName,
  words: readonly string[],
  timeoutSeconds: number,
): Promise<number> {
  const host = hostOfSystem(await backend.read(), name.system, runCommand);
  return host.print(serviceScript("run", backend.stack, name, words), timeoutSeconds);
}

/**
 * Empties the folder that a service keeps from one release to the next, while it is stopped.
 * @returns what was done, with its gap
 * @throws when it keeps none, does not stop, or is not healthy afterwards
 */
export async function clearCache(
  backend: Backend,
  name: ServiceName,
  run: RunCommand = runCommand,
): Promise<string> {
  const host = hostOfSystem(await backend.read(), name.system, run);
  return (await host.run(serviceScript("clear-cache", backend.stack, name), 300)).trim();
}

/**
 * The commands that replace the slot of a service by an identical one, without a gap: a release that changes only a time.
 * @throws when the service has no releases; the message lists those that have
 */
export async function restartCommands(
  backend: Backend,
  { system, service }: ServiceName,
  now: Date,
): Promise<readonly string[]> {
  const released = resources(await backend.read()).flatMap(({ urn, type, delete: old }) => {
    const name = resourceName(urn);
    return type === "command:local:Command" && !old && name.endsWith("-switch") ? [name.slice(0, -7)] : [];
  });
  if (!released.includes(`${system}_${service}`)) {
    const known = released.map((each) => each.replace("_", " ")).join(", ") || "none";
    throw new Error(
      `${system} ${service} is not released without a gap, so it cannot be restarted without one; use one of: ${known}`,
    );
  }
  const time = now.toISOString().replace(/\.\d+Z$/, "Z");
  return backend.deployCommands(`${system}:${service}.restartedAt`, time);
}

/** The host's script of a command about a service. */
export function serviceScript(
  script: "exec" | "run" | "clear-cache",
  stack: string,
  { system, service }: ServiceName,
  words: readonly string[] = [],
): string {
  const values = {
    STACK: stack,
    SYSTEM: system,
    SERVICE: `${system}_${service}`,
    RECORDS: hostPaths.deployments,
    KEPT: hostPaths.data(system, service),
  };
  const assignments = Object.entries(values).map(([key, value]) => `${key}=${quote(value)}\n`);
  const body = ["container", "stopped", script].map((each) =>
    readScript(import.meta.url, `./scripts/${each}.sh`),
  );
  return `${assignments.join("")}WORDS=(${words.map(quote).join(" ")})\n${wholeScript(body.join("\n"))}`;
}
