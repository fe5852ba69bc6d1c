import { Network } from "@pulumi/docker";
import type { CustomResourceOptions } from "@pulumi/pulumi";
import { mergeOptions } from "@pulumi/pulumi";
import type { Place } from "../declaration.ts";
import type { Host } from "../host/host.ts";
import { dockerLabels } from "../labels.ts";

/**
 * An overlay network on a host's Swarm: its services reach each other, and the internet unless it is `internal` and they have no other
 * network. Nobody else reaches them by it. MTU 1450 from the start, since that is what Hetzner's private networks carry and
 * changing it later would replace the network and everything on it.
 */
export function overlayNetwork(
  name: string,
  args: {
    readonly host: Host;
    readonly system?: string;
    readonly internal: boolean;
    /** What it is called on its host, where the name of the resource says more. */
    readonly label?: string;
  },
  opts: CustomResourceOptions,
): Network {
  return new Network(
    name,
    {
      driver: "overlay",
      attachable: false,
      internal: args.internal,
      options: { "com.docker.network.driver.mtu": "1450" },
      labels: dockerLabels(args.label ?? name, args.system),
    },
    // Docker adds an option of its own (the VXLAN's number), which the provider would take for a change that replaces.
    mergeOptions(opts, { provider: args.host.docker, ignoreChanges: ["options"] }),
  );
}

/** The network of a system's services, named like the system; nothing leaves it. */
export function privateNetwork({ host, system, parent }: Place): Network {
  return overlayNetwork(system, { host, system, internal: true }, { parent });
}

/** The way out to the internet for services of a system that have no routes; those that have one leave by the edge's network. */
export function outboundNetwork({ host, system, parent }: Place): Network {
  return overlayNetwork(`${system}-outbound`, { host, system, internal: false }, { parent });
}
