import {
  type Deployment,
  isSecret,
  resourceName,
  resources,
  type StateResource,
  textOf,
  textsOf,
} from "./deployment.ts";
import { type RunCommand, streamLines } from "./run.ts";

/** A Docker host of the state, and how to reach it: by the docker provider's own host and ssh options. */
export interface HostAccess {
  /** Logical name of the provider: `main-docker`. */
  readonly provider: string;
  /** Runs a bash script on the host and answers its output. */
  run(script: string, timeoutSeconds: number): Promise<string>;
  /** Runs a bash script on the host and hands over each line of its output as it comes. */
  stream(script: string, onLine: (line: string) => void): Promise<void>;
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

function accessOf(provider: StateResource, run: RunCommand): HostAccess | undefined {
  const { inputs } = provider;
  const name = resourceName(provider.urn);
  if (isSecret(inputs?.host) || isSecret(inputs?.sshOpts)) {
    throw new Error(`${name}: its host and sshOpts are secret in the state, so the host cannot be asked`);
  }
  const host = textOf(inputs, "host");
  if (!host?.startsWith("ssh://")) return undefined;
  const url = new URL(host);
  const target = url.username ? `${decodeURIComponent(url.username)}@${url.hostname}` : url.hostname;
  const args = [...(textsOf(inputs, "sshOpts") ?? []), "-p", url.port || "22", target];
  return {
    provider: name,
    run: (script, timeoutSeconds) =>
      run("ssh", [...args, `timeout ${timeoutSeconds} bash -s`], {
        input: script,
        timeoutSeconds: timeoutSeconds + 30,
      }),
    stream: (script, onLine) => streamLines("ssh", [...args, "bash -s"], script, onLine),
  };
}

/** Quotes a word for a POSIX shell. */
export function quote(word: string): string {
  return `'${word.replaceAll("'", `'\\''`)}'`;
}
