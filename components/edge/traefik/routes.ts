import { clientPrefixBits } from "../../ip-network.ts";
import { defaultTimeouts, type RateLimit, type Route } from "../route.ts";
import { host, json, siteHeaders, withPlugin } from "./parts.ts";

/** The routes of a service, which lead to a slot: the name of a Docker service, looked up anew for each request. */
export function renderRoutes(service: string, slot: string, routes: readonly Route[], ipv6 = false): string {
  return json(dynamic(service, slot, routes, { prefix: "", entryPoint: "https", tls: { tls: {} }, ipv6 }));
}

/**
 * The same on the edge's own port, before any client is led there: that Traefik can load every part of it, and a path for each port of
 * the slot that asks whether it is reached ({@link checkPaths}).
 */
export function renderChecks(service: string, slot: string, routes: readonly Route[], ipv6 = false): string {
  const prefix = "check_";
  const { http } = dynamic(service, slot, routes, { prefix, entryPoint: "check", tls: {}, ipv6 });
  const reached = reachedPorts(slot, routes).map(({ path, index }) => [
    `${prefix}${path.slice(1)}`,
    {
      entryPoints: ["check"],
      rule: `Path(\`${path}\`)`,
      middlewares: [`${prefix}${service}_root`],
      service: `${prefix}${slot}_${index}`,
    },
  ]);
  return json({
    http: {
      ...http,
      routers: { ...http.routers, ...Object.fromEntries(reached) },
      middlewares: { ...http.middlewares, [`${prefix}${service}_root`]: { replacePath: { path: "/" } } },
    },
  });
}

/** Where a switch asks, on the edge's own port, whether a slot is reached: one path for each of its ports. */
export function checkPaths(slot: string, routes: readonly Route[]): string[] {
  return reachedPorts(slot, routes).map(({ path }) => path);
}

/** A route of each port and protocol. */
function reachedPorts(slot: string, routes: readonly Route[]): { path: string; index: number }[] {
  const seen = new Set<string>();
  return routes.flatMap(({ port, protocol }, index) => {
    const path = `/${slot}_${port}${protocol === "h2c" ? "_h2c" : ""}`;
    if (seen.has(path)) return [];
    seen.add(path);
    return [{ path, index }];
  });
}

interface Target {
  readonly prefix: string;
  readonly entryPoint: string;
  readonly tls: object;
  /** Clients come over IPv6 too. */
  readonly ipv6: boolean;
}

function dynamic(service: string, slot: string, routes: readonly Route[], target: Target) {
  const { prefix } = target;
  const routers: [string, object][] = [];
  const middlewares: [string, object][] = [];
  const services: [string, object][] = [];
  const serversTransports: [string, object][] = [];
  for (const [index, route] of routes.entries()) {
    const name = `${prefix}${service}_${index}`;
    const to = `${prefix}${slot}_${index}`;
    const own = Object.entries(ownMiddlewares(route, target.ipv6)).map(
      ([kind, settings]) => [`${name}_${kind}`, settings] as const,
    );
    middlewares.push(...own.map(([key, settings]): [string, object] => [key, settings]));
    services.push([to, renderService(slot, route, to)]);
    serversTransports.push([to, renderTransport(route)]);
    const common = { entryPoints: [target.entryPoint], service: to, ...target.tls };
    const chain = [
      ...[siteHeaders(route.domain), ...own.map(([key]) => key), "forwarded"],
      // Traefik drops the answer where it comes before the transport says that the request's headers went out, which HTTP/2's says in
      // another goroutine (pkg/middlewares/retry: WriteHeader while shouldRetry): 1 of 240 was an empty 200 with no header of the service.
      ...(route.protocol === "h2c" ? [] : ["connect"]),
    ];
    const counted = route.banOn === undefined ? "" : `_ban_${route.banOn.join("_")}`;
    routers.push([
      `${name}${counted}`,
      { rule: rule(route), priority: priority(route), middlewares: chain, ...common },
    ]);
    if (route.match !== "exact" && route.path !== "/" && route.path.endsWith("/")) {
      // As nginx: the path without its last slash leads to the one with it.
      const redirect = `${name}_slash`;
      middlewares.push([
        redirect,
        {
          redirectRegex: {
            regex: "^(https?://[^/]+/[^?]*)(.*)$",
            replacement: `\${1}/\${2}`,
            permanent: true,
          },
        },
      ]);
      routers.push([
        redirect,
        {
          rule: `${host(route.domain)} && Path(\`${route.path.slice(0, -1)}\`)`,
          priority: priority(route) - 3,
          middlewares: [siteHeaders(route.domain), redirect],
          ...common,
        },
      ]);
    }
  }
  return {
    http: {
      routers: Object.fromEntries(routers),
      ...(middlewares.length === 0 ? {} : { middlewares: Object.fromEntries(middlewares) }),
      services: Object.fromEntries(services),
      serversTransports: Object.fromEntries(serversTransports),
    },
  };
}

/** In the order in which they see a request. */
function ownMiddlewares(route: Route, ipv6: boolean): Record<string, object> {
  return {
    ...(route.rateLimit === undefined
      ? {}
      : { rate: { rateLimit: { ...rate(route.rateLimit), ...(ipv6 ? byClient : {}) } } }),
    ...(route.allowFrom === undefined
      ? {}
      : // Traefik refuses an empty list; no client has this address.
        {
          from: { ipAllowList: { sourceRange: route.allowFrom.length === 0 ? [noClient] : route.allowFrom } },
        }),
    body: withPlugin({
      maxBodyBytes: route.bodyLimitMebibytes * 1024 * 1024,
      // What is sent and answered at the same time must not be collected.
      collect: route.protocol !== "h2c",
    }),
    // Of what it intercepts only the status is kept, so the service behind it need not answer anything.
    ...(route.pausesForReleases
      ? { pause: { errors: { status: ["502"], statusRewrites: { "502": 503 }, service: "noop@internal" } } }
      : {}),
    ...(route.stripPrefix ? { strip: { stripPrefix: { prefixes: [route.path.slice(0, -1)] } } } : {}),
  };
}

const noClient = "0.0.0.0/32";

/** A client of IPv6 takes any address of its /64 (github.com/traefik/traefik/issues/9721). */
const byClient = { sourceCriterion: { ipStrategy: { ipv6Subnet: clientPrefixBits } } };

/**
 * No health check of Traefik's: Docker's own decides which tasks there are, and its DNS names those. No connection is kept for the next
 * request: each goes to a task that DNS names now, a restarted or a new replica takes its share at once, no request meets a connection that
 * its service is closing, and what is still open after a switch is a request that is being answered.
 */
function renderService(slot: string, { port, protocol }: Route, transport: string): object {
  const scheme = protocol === "h2c" ? "h2c" : "http";
  return {
    loadBalancer: { servers: [{ url: `${scheme}://${slot}:${port}` }], serversTransport: transport },
  };
}

function renderTransport(route: Route): object {
  const readSeconds =
    route.readTimeoutSeconds ??
    (route.streaming ? defaultTimeouts.streamingReadSeconds : defaultTimeouts.readSeconds);
  return {
    maxIdleConnsPerHost: -1,
    forwardingTimeouts: {
      dialTimeout: `${route.connectTimeoutSeconds ?? defaultTimeouts.connectSeconds}s`,
      responseHeaderTimeout: `${readSeconds}s`,
      // Its one connection is kept: what a task leaves behind that ended without a word is noticed by a ping.
      ...(route.protocol === "h2c" ? { readIdleTimeout: "5s", pingTimeout: "5s" } : {}),
    },
  };
}

/** nginx answers `burst` requests beyond the first; Traefik's bucket holds all that may come at once. */
function rate({ requestsPerSecond, requestsPerMinute, burst }: RateLimit): object {
  return requestsPerSecond === undefined
    ? { average: requestsPerMinute, period: "1m", burst: burst + 1 }
    : { average: requestsPerSecond, period: "1s", burst: burst + 1 };
}

function rule({ domain, path, match }: Route): string {
  return `${host(domain)} && ${match === "exact" ? "Path" : "PathPrefix"}(\`${path}\`)`;
}

/** An exact path before every prefix, and of these the longest first. Even numbers, so that there is room between two. */
function priority({ path, match }: Route): number {
  return (match === "exact" ? 1_000_000 : 100) + 2 * path.length;
}
