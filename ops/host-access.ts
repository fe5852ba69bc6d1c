import { boundedShell } from "../components/host/script.ts";
import {
  type Deployment,
  isObject,
  isSecret,
  resourceName,
  resources,
  type StateResource,
  textOf,
  textsOf,
} from "./deployment.ts";
import { attach, type RunCommand, streamLines } from "./run.ts";

/** A Docker host of the state, and how to reach it: by the docker provider's own host and ssh options. */
export interface HostAccess {
  /** Logical name of the provider: `main-docker`. */
  readonly provider: string;
  /** Runs a bash script on the host and returns its output. */
  run(script: string, timeoutSeconds: number): Promise<string>;
  /** Runs a bash script on the host and passes on each line of its output as it arrives. */
  stream(script: string, onLine: (line: string) => void): Promise<void>;
  /** Runs a bash script on the host, its output to this terminal or a file descriptor, and returns its exit code. */
  print(script: string, timeoutSeconds: number, output?: number): Promise<number>;
  /** Runs a command on the host with this terminal's input and output, and returns its exit code. */
  interact(words: readonly string[]): Promise<number>;
  /** Writes what a command of this machine prints to a file on the host, which nobody else may read. Throws when either side fails. */
  receive(command: string, path: string, timeoutSeconds: number): Promise<void>;
}

const providerType = "pulumi:providers:docker";

/** Every host that the state has a docker provider for. */
export function hostsOf(deployment: Deployment, run: RunCommand): HostAccess[] {
  return resources(deployment)
    .filter(({ type, delete: old }) => type === providerType && !old)
    .flatMap((provider) => {
      const access = accessOf(provider, run);
      return access === undefined ? [] : [access];
    });
}

/** Its name in `berth:hosts`. */
export const hostName = ({ provider }: Pick<HostAccess, "provider">): string =>
  provider.replace(/-docker$/, "");

/** The one of a name in `berth:hosts`. */
export const hostNamed = (hosts: readonly HostAccess[], name: string | undefined): HostAccess | undefined =>
  hosts.find((each) => hostName(each) === name);

/** @throws when the state has no way to the host of that name */
export function requireHost(deployment: Deployment, name: string, run: RunCommand): HostAccess {
  const host = hostNamed(hostsOf(deployment, run), name);
  if (host === undefined) throw new Error(`the state has no way to the host ${name}`);
  return host;
}

/** How Git reaches a host of the state: by the same connection as everything else. */
export function gitAccess(deployment: Deployment, host: string): { sshCommand: string; url: string } {
  const provider = resources(deployment).find(
    ({ urn, type, delete: old }) => type === providerType && !old && resourceName(urn) === `${host}-docker`,
  );
  const target = provider && sshTarget(provider);
  if (target === undefined) throw new Error(`the state has no way to the host ${host}; run up first`);
  return { sshCommand: ["ssh", ...target.options].map(quote).join(" "), url: target.url.href };
}

function sshTarget(provider: StateResource): { options: readonly string[]; url: URL } | undefined {
  const { inputs } = provider;
  const name = resourceName(provider.urn);
  if (isSecret(inputs?.host) || isSecret(inputs?.sshOpts)) {
    throw new Error(`${name}: its host and sshOpts are secret in the state, so the host cannot be asked`);
  }
  const host = textOf(inputs, "host");
  if (!host?.startsWith("ssh://")) return undefined;
  return { options: textsOf(inputs, "sshOpts") ?? [], url: new URL(host) };
}

function accessOf(provider: StateResource, run: RunCommand): HostAccess | undefined {
  const name = resourceName(provider.urn);
  const way = sshTarget(provider);
  if (way === undefined) return undefined;
  const { options, url } = way;
  const target = url.username ? `${decodeURIComponent(url.username)}@${url.hostname}` : url.hostname;
  const args = [...options, "-p", url.port || "22", target];
  return {
    provider: name,
    run: (script, timeoutSeconds) =>
      run("ssh", [...args, `timeout ${timeoutSeconds} bash -s`], {
        input: script,
        timeoutSeconds: timeoutSeconds + 30,
      }),
    stream: (script, onLine) => streamLines("ssh", [...args, "bash -s"], script, onLine),
    // The form of all host commands, for which `recover` waits.
    print: (script, timeoutSeconds, output) =>
      attach("ssh", [...args, boundedShell(timeoutSeconds)], {
        input: script,
        ...(output === undefined ? {} : { output }),
      }),
    async receive(command, path, timeoutSeconds) {
      const pipe = 'set -o pipefail; command=$1; shift; bash -c "$command" | "$@"';
      const onHost = (words: string) => ["ssh", ...args, words];
      const written = onHost(`umask 077; cat >${quote(path)}`);
      try {
        await run("bash", ["-c", pipe, "bash", command, ...written], { timeoutSeconds });
      } catch (error) {
        await run("ssh", onHost(`rm -f ${quote(path)}`).slice(1), { timeoutSeconds: 60 }).catch(() => "");
        throw error;
      }
    },
    interact: (words) =>
      attach("ssh", [...(isTerminal() ? ["-t"] : []), ...args, words.map(quote).join(" ")]),
  };
}

/** True when standard input and output are a terminal. */
export function isTerminal(): boolean {
  return process.stdin.isTTY === true && process.stdout.isTTY === true;
}

/**
 * The host that a system runs on.
 * @throws when the stack has no such system, or the state has no connection settings for its host
 */
export function hostOfSystem(deployment: Deployment, system: string, run: RunCommand): HostAccess {
  const outputs = resources(deployment).find(({ type }) => type === "pulumi:pulumi:Stack")?.outputs;
  const systems = isObject(outputs?.systems) ? outputs.systems : {};
  const placed = systems[system];
  if (!isObject(placed)) {
    const known = Object.keys(systems).join(", ") || "none";
    throw new Error(`no system "${system}" is deployed; there are: ${known}`);
  }
  const host = hostNamed(hostsOf(deployment, run), textOf(placed, "host"));
  if (host === undefined) throw new Error(`the state has no way to the host of ${system}`);
  return host;
}

/** Quotes a word for a POSIX shell. */
export function quote(word: string): string {
  return `'${word.replaceAll("'", `'\\''`)}'`;
}
