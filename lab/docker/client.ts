import { type ChildProcess, type SpawnOptions, spawn } from "node:child_process";
import type { LabHome } from "../home.ts";
import { hostPath, requireRoot, run } from "./host.ts";
import { ensureIpv6, hasIpv6 } from "./ipv6.ts";
import { bridgeName, namespacePrefix, network6, networkAddress, vethName } from "./names.ts";
import { namespaceProcesses, namespaces, removeNamespace } from "./netns.ts";

/** A client of the lab with an address of its own, in which programs of this machine run. */
export interface ClientNamespace {
  readonly address: string;
  /** In a network of its own, like each customer of a provider. Without IPv6 in this machine's kernel it is not assigned. */
  readonly address6: string;
  /** Starts a command with this machine's files and the client's network. */
  exec(command: string, args: readonly string[], options?: SpawnOptions): ChildProcess;
  /** Ends its processes and removes it. */
  close(): Promise<void>;
}

/**
 * Makes client number `index` (0 to 99, address `.100` to `.199`): a network namespace with a veth pair to the lab's bridge.
 * A namespace left by a killed command is replaced.
 *
 * @throws when the number is in use, when the lab's network does not exist, or without root.
 */
export async function clientNamespace(home: LabHome, index: number): Promise<ClientNamespace> {
  if (!Number.isInteger(index) || index < 0 || index > 99) {
    throw new Error(`client ${index}: the lab has clients 0 to 99`);
  }
  requireRoot("a client with an address of its own");
  const namespace = `${namespacePrefix(home)}${index}`;
  const address = networkAddress(home, 100 + index);
  const address6 = `${network6(home, 100 + index)}1`;
  const close = () => removeNamespace(namespace);
  if ((await namespaces()).includes(namespace)) {
    const pids = await namespaceProcesses(namespace);
    if (pids.length > 0) throw new Error(`client ${index} is in use by process ${pids.join(", ")}`);
    await close();
  }
  const veth = vethName(namespace);
  const inside = ["-n", namespace];
  await run("ip", ["netns", "add", namespace]);
  try {
    await run("ip", ["link", "add", veth, "type", "veth", "peer", "name", "eth0", "netns", namespace]);
    await run("ip", ["link", "set", veth, "master", bridgeName(home), "up"]);
    await run("ip", [...inside, "link", "set", "lo", "up"]);
    await run("ip", [...inside, "address", "add", `${address}/24`, "dev", "eth0"]);
    await run("ip", [...inside, "link", "set", "eth0", "up"]);
    await run("ip", [...inside, "route", "add", "default", "via", home.gateway]);
    if (hasIpv6()) {
      await ensureIpv6(home);
      await run("ip", [...inside, "-6", "address", "add", `${address6}/48`, "dev", "eth0", "nodad"]);
    }
  } catch (error) {
    await close().catch(() => undefined);
    throw new Error(`client ${index}: no address on the lab's network; start the lab first: npm start`, {
      cause: error,
    });
  }
  const exec = (command: string, args: readonly string[], options: SpawnOptions = {}) =>
    spawn("ip", ["netns", "exec", namespace, command, ...args], {
      ...options,
      env: { ...(options.env ?? process.env), PATH: hostPath },
    });
  return { address, address6, exec, close };
}
