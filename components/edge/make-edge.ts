import type { Resource } from "@pulumi/pulumi";
import type { Edge, EdgeArgs } from "./edge.ts";
import type { EdgeKind } from "./kinds.ts";
import { edgeNetworks } from "./networks.ts";
import { nginx } from "./nginx/nginx.ts";
import { ProxyEdge, type ProxyKind } from "./proxy-edge.ts";
import { traefik } from "./traefik/traefik.ts";

const proxies: Readonly<Record<EdgeKind, ProxyKind>> = { nginx, traefik };

/** Makes the edge of a host by its kind, and the networks that it shares with the systems. */
export function makeEdge(kind: EdgeKind, args: EdgeArgs) {
  const { host, onlyHost } = args;
  const networks = edgeNetworks(host, onlyHost);
  const edge = new ProxyEdge(`${host.name}-edge`, proxies[kind], { ...args, networks });
  return {
    ready: edge.ready,
    certify: (dependsOn: readonly Resource[]) => edge.certify(dependsOn),
    /** What is done when the edge answers over IPv6; where its host has that. */
    ready6: edge.ready6,
    /** The edge as a system has it, by the system's own network, 1 to 8. */
    forSystem(edgeNetwork: number): Edge {
      const network = networks[edgeNetwork - 1];
      if (network === undefined) throw new Error(`${host.name} has no edge network ${edgeNetwork}`);
      const { ready, issuerPem } = edge;
      const switchTo: Edge["switchTo"] = (name, target, opts) => edge.switchTo(name, target, opts);
      return { kind, ready, issuerPem, network, switchTo };
    },
  };
}
