import { type Route, routeText } from "./route.ts";

/** What not every kind of edge can do. */
interface EdgeFeatures {
  /** HTTP/2 in clear text to a service, or why not. */
  readonly h2c: true | { readonly no: string };
}

/** The kinds of edge: `berth:hosts.<host>.edge.kind`, and the name of the image in `berth:images`. */
export const edgeKindNames = ["nginx", "traefik"] as const;
export type EdgeKind = (typeof edgeKindNames)[number];

/**
 * How many systems of one host can have routes. The edge joins a network for each of them at its creation, since another
 * network would replace it (docs/decisions/0008-one-edge-network-a-system.md).
 */
export const edgeNetworkCount = 8;

const features: Readonly<Record<EdgeKind, EdgeFeatures>> = {
  nginx: {
    // ngx_http_proxy_module has `proxy_http_version 2` from 1.29.4 (nginx.org/en/CHANGES); `grpc_pass` is for gRPC alone.
    h2c: { no: "it speaks HTTP/1.1 to services (HTTP/2 begins with nginx 1.29.4)" },
  },
  traefik: { h2c: true },
};

/** What a route asks for and a kind of edge cannot do. */
export function missingFeatures(kind: EdgeKind, route: Route): string[] {
  const { h2c } = features[kind];
  if (route.protocol !== "h2c" || h2c === true) return [];
  const able = edgeKindNames.filter((name) => features[name].h2c === true);
  return [
    `${kind} cannot do the protocol h2c of the route ${routeText(route)}: ${h2c.no}; kinds that can: ${able.join(", ")}`,
  ];
}
