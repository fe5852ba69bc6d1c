import { dirname } from "node:path";
import type Dockerode from "dockerode";
import type { LabHome } from "../home.ts";
import { isRoot } from "./host.ts";
import { labLabel, labLabels } from "./labels.ts";
import { bridgeName, networkAddress, networkName } from "./names.ts";
import { removeNamespaces } from "./netns.ts";
import type { OuterDocker } from "./outer-docker.ts";
import { releaseEngine } from "./users.ts";

/** Whether a lab has its network in this engine, so that nobody else ends it. */
export async function hasNetwork(docker: Dockerode, home: LabHome): Promise<boolean> {
  const networks = await docker.listNetworks({ filters: { label: [`${labLabel}=${home.name}`] } });
  return networks.length > 0;
}

/**
 * Makes the lab's bridge network: its gateway is this machine, addresses below `.224` are assigned by the lab, the others
 * by Docker to containers without a fixed address.
 *
 * @throws when a network of that name has another subnet, or another running lab has the same one.
 */
export async function ensureNetwork(docker: OuterDocker, home: LabHome): Promise<void> {
  await makeNetwork(docker, home);
  // From here on the network says that this engine is in use.
  await releaseEngine(dirname(docker.socketPath));
}

async function makeNetwork(docker: OuterDocker, home: LabHome): Promise<void> {
  const name = networkName(home);
  const there = await docker.client
    .getNetwork(name)
    .inspect()
    .catch((error: { statusCode?: number }) => {
      if (error.statusCode === 404) return undefined;
      throw error;
    });
  if (there) {
    const subnet = there.IPAM?.Config?.[0]?.Subnet;
    if (subnet === home.subnet) return;
    throw new Error(
      `the lab "${home.name}" runs on ${subnet}, BERTH_LAB_SUBNET says ${home.subnet}; end it first: npm run lab -- down`,
    );
  }
  const create = () =>
    docker.client.createNetwork({
      Name: name,
      Driver: "bridge",
      CheckDuplicate: true,
      Labels: labLabels(home, "network"),
      Options: { "com.docker.network.bridge.name": bridgeName(home) },
      IPAM: {
        Driver: "default",
        Config: [{ Subnet: home.subnet, Gateway: home.gateway, IPRange: `${networkAddress(home, 224)}/27` }],
      },
    });
  await create()
    .catch(async (error: { statusCode?: number }) => {
      // Docker: "Pool overlaps with other one on this address space".
      if (error.statusCode !== 403) throw error;
      await removeAbandoned(docker, home);
      return create();
    })
    .catch((error: { statusCode?: number }) => {
      // A concurrent command has created it.
      if (error.statusCode !== 409) throw error;
    });
}

/**
 * Removes the network of another lab with the same subnet and no running container: its commands were killed, and Docker keeps networks
 * when it restarts.
 * @throws when that lab is in use.
 */
async function removeAbandoned(docker: OuterDocker, home: LabHome): Promise<void> {
  const networks = await docker.client.listNetworks({ filters: { label: [labLabel] } });
  const other = networks.find(({ IPAM }) => IPAM?.Config?.[0]?.Subnet === home.subnet);
  const lab = other?.Labels?.[labLabel];
  if (other === undefined || lab === undefined) {
    throw new Error(
      `${home.subnet} overlaps a network of this machine's Docker: docker network ls. Choose another for the lab: BERTH_LAB_SUBNET=198.18.7.0/24`,
    );
  }
  const running = await docker.client.listContainers({ filters: { label: [`${labLabel}=${lab}`] } });
  if (running.length > 0) {
    throw new Error(
      `the lab "${lab}" runs on ${home.subnet}; end it first: BERTH_LAB=${lab} npm run lab -- down, or choose another: BERTH_LAB_SUBNET=198.18.7.0/24`,
    );
  }
  await removeNetwork(docker, { ...home, name: lab });
}

/** Removes the lab's network, its containers and its client namespaces. */
export async function removeNetwork(docker: OuterDocker, home: LabHome): Promise<void> {
  if (isRoot()) await removeNamespaces(home);
  const mine = { label: [`${labLabel}=${home.name}`] };
  for (const container of await docker.client.listContainers({ all: true, filters: mine })) {
    await docker.client.getContainer(container.Id).remove({ force: true, v: true }).catch(gone);
  }
  await docker.client.getNetwork(networkName(home)).remove().catch(gone);
}

function gone(error: { statusCode?: number }): void {
  if (error.statusCode !== 404) throw error;
}
