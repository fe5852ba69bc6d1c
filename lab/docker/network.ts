import type { OuterDocker } from "../contracts.ts";
import type { LabHome } from "../home.ts";
import { isRoot } from "./host.ts";
import { labLabel, labLabels } from "./labels.ts";
import { bridgeName, networkAddress, networkName } from "./names.ts";
import { removeNamespaces } from "./netns.ts";

/**
 * Makes the lab's bridge network: its gateway is this machine, addresses below `.224` are given out by the lab, the rest
 * by Docker to containers that ask for none.
 *
 * @throws when a network of that name has another subnet.
 */
export async function ensureNetwork(docker: OuterDocker, home: LabHome): Promise<void> {
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
  await docker.client
    .createNetwork({
      Name: name,
      Driver: "bridge",
      CheckDuplicate: true,
      Labels: labLabels(home, "network"),
      Options: { "com.docker.network.bridge.name": bridgeName(home) },
      IPAM: {
        Driver: "default",
        Config: [{ Subnet: home.subnet, Gateway: home.gateway, IPRange: `${networkAddress(home, 224)}/27` }],
      },
    })
    .catch((error: { statusCode?: number }) => {
      // Two commands at once: the other one made it.
      if (error.statusCode !== 409) throw error;
    });
}

/** Removes the lab's network with everything on it: containers of this lab, client namespaces. */
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
