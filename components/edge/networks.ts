import type { Network } from "@pulumi/docker";
import { createUrn } from "@pulumi/pulumi";
import type { Host } from "../host/host.ts";
import { overlayNetwork } from "../network/overlay.ts";
import { edgeNetworkCount } from "./kinds.ts";

/** A resource of the edge, whose name is unique in the stack: that of the host `main` has no prefix. */
export function edgeResource(host: Host, name: string): string {
  return host.name === "main" ? name : `${host.name}-${name}`;
}

/**
 * The overlays of a host that its edge shares with one system each. They belong to the host and have a way out to the internet; another
 * kind of edge keeps them.
 * @param onlyHost the stack has no other host, so what an earlier version of Berth made for its one host is this one's
 */
export function edgeNetworks(host: Host, onlyHost: boolean): Network[] {
  return Array.from({ length: edgeNetworkCount }, (_, index) => {
    const name = index === 0 ? "edge" : `edge-${index + 1}`;
    const former = { name, parent: createUrn(`${host.name}-edge`, "berth:edge:NginxEdge") };
    return overlayNetwork(
      edgeResource(host, name),
      { host, label: name, internal: false },
      { parent: host, aliases: index === 0 && (onlyHost || host.name === "main") ? [former] : [] },
    );
  });
}
