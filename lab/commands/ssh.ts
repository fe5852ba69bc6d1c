import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { identityFile } from "../stack/ssh-key.ts";
import { type LabContext, type StackOptions, stateFile } from "./context.ts";
import { type HostOutput, readOutputs } from "./outputs.ts";

/** Arguments of ssh for a host of the lab, with its pinned key, on a separate connection. */
export function sshArguments(context: LabContext, name: string, host: HostOutput): string[] {
  const alias = `berth-${name}`;
  const options = [
    `HostKeyAlias=${alias}`,
    `KnownHostsCommand=/bin/echo ${alias} ${host.hostKey.trim()}`,
    "UserKnownHostsFile=/dev/null",
    "GlobalKnownHostsFile=/dev/null",
    "StrictHostKeyChecking=yes",
    "ConnectTimeout=10",
    "ControlPath=none",
    `IdentityFile=${identityFile(context.home.stateDir)}`,
    "IdentitiesOnly=yes",
    "LogLevel=ERROR",
  ];
  return [
    ...options.flatMap((option) => ["-o", option]),
    ...["-p", String(host.sshPort), `${host.user}@${host.address}`],
  ];
}

/**
 * A shell on a machine of the lab, or one command there.
 * @returns ssh's exit code, which is the command's.
 * @throws when there is no such host.
 */
export async function sshCommand(
  context: LabContext,
  options: StackOptions,
  name: string | undefined,
  command: readonly string[],
): Promise<number> {
  const { hosts } = readOutputs(stateFile(context, options.stack));
  const known = Object.keys(hosts);
  const wanted = name ?? known[0];
  const host = wanted === undefined ? undefined : hosts[wanted];
  if (wanted === undefined || host === undefined) {
    throw new Error(
      known.length === 0
        ? `no machine of the stack ${options.stack} runs in this lab; start it: npm run lab -- up --stack ${options.stack}`
        : `no host "${name}"; use one of: ${known.join(", ")}`,
    );
  }
  const child: ChildProcess = spawn("ssh", [...sshArguments(context, wanted, host), ...command], {
    stdio: "inherit",
  });
  const [code] = (await once(child, "exit")) as [number | null];
  return code ?? 1;
}
