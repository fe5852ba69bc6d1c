import type Dockerode from "dockerode";
import { labLabels } from "../docker/labels.ts";
import { machinePowers } from "../docker/machine-support.ts";
import { networkName } from "../docker/names.ts";
import type { LabHome } from "../home.ts";
import { seedFolder } from "./seed.ts";
import type { MachineSpec } from "./types.ts";

/** Host name of the lab's registry on machines; it listens on the gateway. */
const registryName = "registry.berth.lab";
export const serverLabel = "berth.server.id";
export const nameLabel = "berth.server.name";
export const addressLabel = "berth.server.address";

/** Name of the server's container, and of the engine's volume with its Docker data. */
export function containerName(home: LabHome, serverId: number): string {
  return `berth-${home.name}-machine-${serverId}`;
}

/** The container of a server: its name, address, host name and user data as settings for the outer engine. */
export function machineContainer(
  home: LabHome,
  spec: MachineSpec,
  image: string,
): Dockerode.ContainerCreateOptions {
  const network = networkName(home);
  return {
    name: containerName(home, spec.serverId),
    Hostname: spec.name,
    Image: image,
    Env: [`BERTH_GATEWAY=${home.gateway}`],
    Labels: {
      ...labLabels(home, "machine"),
      [serverLabel]: String(spec.serverId),
      [nameLabel]: spec.name,
      [addressLabel]: spec.address,
      ...Object.fromEntries(Object.entries(spec.labels).map(([key, value]) => [`berth.label.${key}`, value])),
    },
    HostConfig: {
      ...machinePowers,
      NetworkMode: network,
      Binds: [
        `${containerName(home, spec.serverId)}:/var/lib/docker`,
        `${seedFolder(home, spec.serverId)}:/var/lib/cloud/seed/nocloud:ro`,
      ],
      Tmpfs: { "/run": "rw,nosuid,nodev,mode=755" },
      ExtraHosts: [`${registryName}:${home.gateway}`],
    },
    NetworkingConfig: { EndpointsConfig: { [network]: { IPAMConfig: { IPv4Address: spec.address } } } },
  };
}
