/**
 * The outer Docker engine: the one that runs the lab's machines and other containers, and the lab's
 * network.
 *
 * ```ts
 * const docker = await ensureDocker(home, progress);   // an engine that answers, or the lab's own; started once
 * await ensureNetwork(docker, home);                   // bridge with home.subnet, the gateway is this machine
 * const client = await clientNamespace(home, 0);       // a client with an address of its own: home.subnet's .100
 * client.exec("curl", ["http://198.18.0.10/"], { stdio: "inherit" });
 * await client.close();
 * await removeNetwork(docker, home);                   // with every client namespace and container of this lab
 * await stopOwnDocker(home);                           // "stopped", "in use" (by another lab) or "not ours"
 * ```
 *
 * All containers, networks and volumes get {@link labLabels}, by which they are found and
 * removed. The lab's own engine has no default bridge and no packet filter rules: builds and containers that must reach
 * the internet run with network mode `host`, everything else on the lab's network.
 */

export { type ClientNamespace, clientNamespace } from "./client.ts";
export { ensureDocker, stopOwnDocker } from "./engine.ts";
export { ensureTools, findCommand, run, succeeds } from "./host.ts";
export { ensureIpv6, hasIpv6, plugIpv6 } from "./ipv6.ts";
export { labLabel, labLabels, roleLabel } from "./labels.ts";
export { withLock } from "./lock.ts";
export { bridgeName, network6, networkAddress, networkName, prefix6 } from "./names.ts";
export { ensureNetwork, removeNetwork } from "./network.ts";
export type { OuterDocker } from "./outer-docker.ts";
