import { labLabels } from "../docker/labels.ts";
import { networkAddress, networkName } from "../docker/names.ts";
import type { OuterDocker } from "../docker/outer-docker.ts";
import type { LabHome } from "../home.ts";
import { machinesFolder } from "./seed.ts";

export const metadataAddress = "169.254.169.254";

/** The gateway of machines to {@link metadataAddress}: the container with that address. */
export function metadataGateway(home: LabHome): string {
  return networkAddress(home, 2);
}

function containerName(home: LabHome): string {
  return `berth-${home.name}-metadata`;
}

/**
 * Starts the metadata service of this lab's machines: a container of its own on the lab's network, so that packets
 * of a machine's containers are forwarded by the machine, as at Hetzner, and can be blocked there.
 */
export async function ensureMetadata(docker: OuterDocker, home: LabHome, image: string): Promise<void> {
  const name = containerName(home);
  const network = networkName(home);
  const listen = `ip address add ${metadataAddress}/32 dev lo && exec python3 /usr/local/lib/berth/metadata.py`;
  await docker.client
    .createContainer({
      name,
      Image: image,
      Entrypoint: ["/bin/sh", "-c", listen],
      StopSignal: "SIGKILL",
      Labels: labLabels(home, "metadata"),
      HostConfig: {
        CapAdd: ["NET_ADMIN"],
        NetworkMode: network,
        Binds: [`${machinesFolder(home)}:/machines:ro`],
        RestartPolicy: { Name: "unless-stopped" },
      },
      NetworkingConfig: {
        EndpointsConfig: { [network]: { IPAMConfig: { IPv4Address: metadataGateway(home) } } },
      },
    })
    .catch((error: { statusCode?: number }) => {
      if (error.statusCode !== 409) throw error;
    });
  await docker.client
    .getContainer(name)
    .start()
    .catch((error: { statusCode?: number }) => {
      // 304: it is already running.
      if (error.statusCode !== 304) throw error;
    });
}

export async function removeMetadata(docker: OuterDocker, home: LabHome): Promise<void> {
  await docker.client
    .getContainer(containerName(home))
    .remove({ force: true })
    .catch((error: { statusCode?: number }) => {
      if (error.statusCode !== 404) throw error;
    });
}
