import { type Cloud, rulesOf } from "./cloud.ts";
import type { ServerRecord } from "./state.ts";

function find(cloud: Cloud, id: number): ServerRecord {
  const server = cloud.store.state.servers.find((candidate) => candidate.id === id);
  if (!server) {
    throw new Error(`server ${id} is gone`);
  }
  return server;
}

/** Sets a server's status and saves the state, from work that runs outside of a request. */
function setStatus(cloud: Cloud, id: number, status: ServerRecord["status"]): void {
  find(cloud, id).status = status;
  cloud.store.save();
}

/** Boots a server with its address, user data and firewall; stopped again when it must not start. */
export function bootServer(cloud: Cloud, id: number, start = true): Promise<void> {
  return cloud.onServer(id, async () => {
    const server = find(cloud, id);
    const { state } = cloud.store;
    const ipOf = (address: number | null) =>
      state.primaryIps.find((candidate) => candidate.id === address)?.ip;
    const address = ipOf(server.ipv4);
    const network6 = ipOf(server.ipv6);
    if (!address) {
      throw new Error(`server ${server.name} has no IPv4 address`);
    }
    cloud.progress(`booting ${server.name} at ${address}`);
    // Before the boot, so that they are in place when the machine's first process starts.
    await cloud.machines.setFirewall(id, rulesOf(cloud, find(cloud, id)));
    await cloud.machines.boot({
      image: server.image,
      name: server.name,
      serverId: id,
      address,
      ...(network6 === undefined ? {} : { address6: network6.replace(/\/64$/, "1") }),
      userData: server.user_data,
      sshKeys: server.ssh_keys.flatMap(
        (key) => state.sshKeys.find((candidate) => candidate.id === key)?.public_key ?? [],
      ),
      labels: server.labels,
    });
    if (!start) {
      await cloud.machines.powerOff(id);
    }
    setStatus(cloud, id, start ? "running" : "off");
  });
}

export function powerOnServer(cloud: Cloud, id: number): Promise<void> {
  return cloud.onServer(id, async () => {
    // A started machine has a new network namespace without firewall rules.
    await cloud.machines.setFirewall(id, rulesOf(cloud, find(cloud, id)));
    await cloud.machines.powerOn(id);
    setStatus(cloud, id, "running");
  });
}

export function powerOffServer(cloud: Cloud, id: number): Promise<void> {
  return cloud.onServer(id, async () => {
    await cloud.machines.powerOff(id);
    setStatus(cloud, id, "off");
  });
}

/** Removes a server and detaches its volumes, addresses and firewalls. */
export function removeServer(cloud: Cloud, id: number): Promise<void> {
  return cloud.onServer(id, async () => {
    const attached = cloud.store.state.volumes.filter((volume) => volume.server === id);
    for (const volume of attached) {
      await cloud.machines.detachVolume(volume.id);
    }
    await cloud.machines.remove(id);
    const { state } = cloud.store;
    for (const volume of state.volumes) {
      if (volume.server === id) {
        volume.server = null;
      }
    }
    for (const firewall of state.firewalls) {
      firewall.applied_to = firewall.applied_to.filter(
        (target) => target.type !== "server" || target.server.id !== id,
      );
    }
    state.primaryIps = state.primaryIps.filter(
      (address) => address.assignee_id !== id || !address.auto_delete,
    );
    for (const address of state.primaryIps) {
      if (address.assignee_id === id) {
        address.assignee_id = null;
      }
    }
    state.servers = state.servers.filter((server) => server.id !== id);
    cloud.store.save();
  });
}

/**
 * Makes the machines match the state after the cloud was stopped or killed: boots machines that should run, attaches
 * volumes that should be attached, removes machines without a server, and ends actions that were running.
 */
export async function reconcile(cloud: Cloud): Promise<void> {
  const { store, machines } = cloud;
  const present = new Map((await machines.list()).map((machine) => [machine.serverId, machine]));
  for (const machine of present.values()) {
    if (!store.state.servers.some((server) => server.id === machine.serverId)) {
      cloud.progress(`removing ${machine.name}: no server of the cloud`);
      await machines.remove(machine.serverId);
    }
  }
  for (const volume of store.state.volumes) {
    await machines.createVolume(volume.id, volume.size, volume.format ?? undefined);
  }
  for (const { id, status } of [...store.state.servers]) {
    if (status === "deleting") {
      await removeServer(cloud, id);
      continue;
    }
    const machine = present.get(id);
    if (status === "off") {
      if (machine?.running) {
        await powerOffServer(cloud, id);
      }
    } else if (machine) {
      await powerOnServer(cloud, id);
    } else {
      await bootServer(cloud, id);
    }
    for (const volume of store.state.volumes.filter((candidate) => candidate.server === id)) {
      await machines.attachVolume(volume.id, id);
    }
  }
  for (const action of store.state.actions) {
    if (action.status === "running") {
      Object.assign(action, { status: "success", progress: 100, finished: new Date().toISOString() });
    }
  }
  store.save();
}
