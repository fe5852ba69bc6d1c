import { setTimeout as sleep } from "node:timers/promises";
import { ensureDocker, run } from "../../lab/docker/index.ts";
import { cloudEndpoint, cloudToken } from "../../lab/stack/cloud-access.ts";
import { home, onMachine, tested } from "./support.ts";

/** Faults around a deploy: each function causes one from outside of the system and returns the function that undoes it. */

/** How the name of the tested system's server begins. */
const serverName = () => `${tested.host}-server`;

/** Ends a fault. */
export type Undo = () => Promise<unknown>;

/** Runs a command in the network of the lab's machine, from outside of it. */
async function inMachineNetwork(...command: string[]): Promise<void> {
  const { client } = await ensureDocker(home, () => undefined);
  const label = [`berth.lab=${home.name}`, "berth.role=machine"];
  const machines = await client.listContainers({ filters: { label } });
  const machine = machines.find(({ Labels }) => Labels["berth.server.name"]?.startsWith(serverName()));
  if (machine === undefined) throw new Error(`no machine ${serverName()} runs`);
  const { State } = await client.getContainer(machine.Id).inspect();
  await run("nsenter", ["--target", String(State.Pid), "--net", ...command]);
}

async function packetRules(...rules: readonly string[][]): Promise<Undo> {
  const change = async (verb: "-I" | "-D") => {
    for (const [table = "", chain = "", ...rule] of rules)
      await inMachineNetwork("iptables", "--wait", "10", "-t", table, verb, chain, ...rule);
  };
  await change("-I");
  return () => change("-D");
}

/** The lab's registry refuses every connection of the machine, or its packets are dropped. */
export function registryGone(how: "refuses" | "is silent"): Promise<Undo> {
  const target = how === "refuses" ? ["REJECT", "--reject-with", "tcp-reset"] : ["DROP"];
  return packetRules([
    "filter",
    "OUTPUT",
    "-d",
    home.gateway,
    "-p",
    "tcp",
    "--dport",
    "5000",
    "-j",
    ...target,
  ]);
}

/** SSH packets between the operator and the machine are dropped in both directions; all others pass. */
export function operatorCutOff(sshPort: number): Promise<Undo> {
  const port = String(sshPort);
  return packetRules(
    ["mangle", "PREROUTING", "-s", home.gateway, "-p", "tcp", "--dport", port, "-j", "DROP"],
    ["mangle", "POSTROUTING", "-d", home.gateway, "-p", "tcp", "--sport", port, "-j", "DROP"],
  );
}

/** A separate file system at a folder of the machine, with this much free space. */
export async function diskFull(folder: string, freeKibibytes: number): Promise<Undo> {
  await onMachine(`
set -euo pipefail
sudo mkdir -p ${folder}
owner=$(stat -c %u:%g ${folder})
sudo mount -t tmpfs -o size=${freeKibibytes + 1024}k,mode=0700 berth-full ${folder}
sudo chown "$owner" ${folder}
sudo dd if=/dev/zero of=${folder}/filler bs=1k count=1024 status=none`);
  return () => onMachine(`sudo umount ${folder}`);
}

/** A file that somebody left on the machine. */
export async function strayFile(path: string, text: string): Promise<Undo> {
  await onMachine(`printf '%s\\n' '${text}' | sudo tee ${path} >/dev/null`);
  return () => onMachine(`sudo rm -f ${path}`);
}

/** The next requests to the cloud's API that match fail in a way of `lab/cloud/faults.ts`. */
export async function cloudFault(fault: {
  readonly match: string;
  readonly kind: "error" | "rate-limit" | "slow" | "drop-after-commit";
  readonly [more: string]: string | number;
}): Promise<Undo> {
  const ask = async (method: string, body?: string) => {
    const { origin } = new URL(cloudEndpoint(home));
    const response = await fetch(`${origin}/lab/faults`, {
      ...{ method, signal: AbortSignal.timeout(10_000) },
      headers: { "content-type": "application/json", Authorization: `Bearer ${cloudToken(home)}` },
      ...(body !== undefined && { body }),
    });
    if (!response.ok) throw new Error(`${method} /lab/faults: ${response.status} ${await response.text()}`);
  };
  await ask("POST", JSON.stringify(fault));
  return () => ask("DELETE");
}

/** Cuts the machine's power, restores it or reboots it, by the cloud's API; resolves when that is done. */
export async function power(what: "poweroff" | "poweron" | "reboot"): Promise<void> {
  const ask = async <T>(method: string, path: string): Promise<T> => {
    const response = await fetch(`${cloudEndpoint(home)}${path}`, {
      method,
      headers: { Authorization: `Bearer ${cloudToken(home)}` },
      signal: AbortSignal.timeout(60_000),
    });
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${await response.text()}`);
    return (await response.json()) as T;
  };
  const { servers } = await ask<{ servers: { id: number; name: string }[] }>("GET", "/servers");
  const server = servers.find(({ name }) => name.startsWith(serverName()));
  if (server === undefined) throw new Error(`no server ${serverName()}`);
  const { action } = await ask<{ action: { id: number } }>("POST", `/servers/${server.id}/actions/${what}`);
  for (let attempt = 0; attempt < 120; attempt += 1) {
    const now = await ask<{ action: { status: string } }>("GET", `/actions/${action.id}`);
    if (now.action.status === "success") return;
    if (now.action.status === "error") throw new Error(`${what} failed: ${JSON.stringify(now)}`);
    await sleep(500);
  }
  throw new Error(`${what} is not done after a minute`);
}
