import { createHash } from "node:crypto";
import { type Site, tlsDirectory } from "../edge.ts";
import { defaultTimeouts, edgePorts, type RateLimit, type Route } from "../route.ts";

/** The edge's own port inside its container, on loopback: health, what it has loaded, and whether a slot can be reached. */
export const checkPort = 8081;

/** Where the configuration folder of the host appears in the edge's container. */
export const containerDirectory = "/etc/traefik/berth";

/** Where the answers to ACME's challenges appear in the edge's container. */
export const challengesDirectory = "/var/www/challenges";

/** Where Traefik looks for plugins, from the root of its container (pkg/plugins/plugins.go, localGoPath). */
export const pluginDirectory = "/plugins-local";

/** Import path of the plugin in container/edge.go, and its name in the configuration. */
export const pluginModule = "berth/edge";
const plugin = "berth";

/** How long an idle connection of a client stays open, in seconds; a new configuration closes none. */
const idleSeconds = 10;

/**
 * How long a client may take to send a request with its body, in seconds. Go's HTTP server has this one limit for all of it, where nginx has
 * 15 s for the header and 30 s between two reads of the body.
 */
const requestSeconds = 300;

/** How often a request is tried whose connection to a task could not be made; nothing of it has been sent then. */
const connectAttempts = 3;

/** Priority of what answers for a domain or a request that no route is for. */
const nothingPriority = 1;

/**
 * What Traefik reads when it starts, as JSON, which is YAML too. The API answers on loopback alone, so that a switch can read what is
 * loaded. There is no dashboard, no other provider than the files, and nothing that calls home.
 */
export function renderStatic(): string {
  // Refused with 400: a prefix must not be got round by a slash that Traefik leaves alone and the service decodes.
  const http = {
    encodedCharacters: {
      allowEncodedSlash: false,
      allowEncodedBackSlash: false,
      allowEncodedNullCharacter: false,
    },
  };
  const entryPoint = (port: number) => ({
    address: `:${port}`,
    http,
    transport: {
      respondingTimeouts: { readTimeout: `${requestSeconds}s`, idleTimeout: `${idleSeconds}s` },
      // A stop waits for what is being answered, within the 10 s after which Docker kills.
      lifeCycle: { graceTimeOut: "8s" },
    },
  });
  const kept = [
    "ClientAddr",
    "DownstreamContentSize",
    "DownstreamStatus",
    "Duration",
    "OriginDuration",
    "OriginStatus",
    "RequestHost",
    "RequestMethod",
    "RequestPath",
    "RouterName",
    "ServiceAddr",
    "StartUTC",
  ];
  return json({
    global: { checkNewVersion: false, sendAnonymousUsage: false },
    entryPoints: {
      http: entryPoint(edgePorts.http),
      https: entryPoint(edgePorts.https),
      check: { address: `127.0.0.1:${checkPort}`, http, observability: { accessLogs: false } },
    },
    ping: { entryPoint: "check" },
    api: { dashboard: false },
    providers: {
      providersThrottleDuration: "100ms",
      file: { directory: `${containerDirectory}/dynamic`, watch: true },
    },
    log: { level: "WARN" },
    // Written to standard output and sorted by name, which container/log.awk relies on.
    accessLog: {
      format: "json",
      fields: {
        defaultMode: "drop",
        names: Object.fromEntries(kept.map((name) => [name, "keep"])),
        headers: { defaultMode: "drop" },
      },
    },
    experimental: { abortOnPluginFailure: true, localPlugins: { [plugin]: { moduleName: pluginModule } } },
  });
}

/** Names what Traefik reads at its start alone: another digest is another edge. */
export function digestOf(...texts: readonly string[]): string {
  return createHash("sha256").update(JSON.stringify(texts)).digest("hex").slice(0, 12);
}

/**
 * What does not depend on a route: certificates, the way from HTTP to HTTPS, challenges, headers, and what nobody asked for. Certificate
 * and key of a domain are one file; Traefik finds each in it.
 */
export function renderSites(sites: readonly Site[]): string {
  const nothing = { service: "noop@internal", priority: nothingPriority };
  const routers: [string, object][] = sites.flatMap(({ domain }) => [
    [
      `http_${domain}`,
      { entryPoints: ["http"], rule: host(domain), middlewares: ["to-https"], ...nothing, priority: 10 },
    ],
    [
      `challenges_${domain}`,
      {
        entryPoints: ["http"],
        rule: `${host(domain)} && PathPrefix(\`/.well-known/acme-challenge/\`)`,
        middlewares: ["challenges"],
        ...nothing,
        priority: 20,
      },
    ],
    // Where the domain has no route: 404, with the domain's headers.
    [
      `nothing_${domain}`,
      {
        entryPoints: ["https"],
        rule: host(domain),
        middlewares: [siteHeaders(domain), "nothing"],
        tls: {},
        ...nothing,
        priority: nothingPriority + 1,
      },
    ],
  ]);
  const pem = (domain: string) => `${containerDirectory}/${tlsDirectory}/${domain}.pem`;
  return json({
    http: {
      routers: {
        ...Object.fromEntries(routers),
        "unknown-http": { entryPoints: ["http"], rule: all, middlewares: ["unknown"], ...nothing },
        loaded: { entryPoints: ["check"], rule: "PathPrefix(`/api/`)", service: "api@internal", priority: 1 },
      },
      middlewares: {
        "to-https": { redirectScheme: { scheme: "https", permanent: true } },
        challenges: withPlugin({ files: challengesDirectory }),
        nothing: withPlugin({ refuse: 404 }),
        unknown: withPlugin({ hangUp: true, refuse: 404 }),
        // Traefik replaces the other headers of this kind itself; of a WebSocket it would say wss.
        forwarded: {
          headers: {
            customRequestHeaders: { "X-Forwarded-Proto": "https", "X-Forwarded-Server": "", Forwarded: "" },
          },
        },
        // Repeated only while no header has been sent (pkg/middlewares/retry): nothing reaches a service twice.
        connect: { retry: { attempts: connectAttempts, initialInterval: "50ms" } },
        ...Object.fromEntries(sites.map((site) => [siteHeaders(site.domain), renderHeaders(site)])),
      },
    },
    tls: {
      certificates: sites.map(({ domain }) => ({ certFile: pem(domain), keyFile: pem(domain) })),
      options: { default: { minVersion: "VersionTLS12", sniStrict: true } },
    },
  });
}

const frameOptions = { deny: "DENY", sameOrigin: "SAMEORIGIN", everybody: undefined } as const;

function renderHeaders({ headers }: Site): object {
  const frames = frameOptions[headers.frames];
  return {
    headers: {
      stsSeconds: 31536000,
      stsIncludeSubdomains: headers.hstsIncludeSubDomains,
      contentTypeNosniff: true,
      ...(frames === undefined ? {} : { customFrameOptionsValue: frames }),
      referrerPolicy: "strict-origin-when-cross-origin",
    },
  };
}

/** The routes of a service, which lead to a slot: the name of a Docker service, looked up anew for each request. */
export function renderRoutes(service: string, slot: string, routes: readonly Route[]): string {
  return json(dynamic(service, slot, routes, { prefix: "", entryPoint: "https", tls: { tls: {} } }));
}

/**
 * The same on the edge's own port, before any client is led there: that Traefik can load every part of it, and a path for each port of
 * the slot that asks whether it is reached ({@link checkPaths}).
 */
export function renderChecks(service: string, slot: string, routes: readonly Route[]): string {
  const prefix = "check_";
  const { http } = dynamic(service, slot, routes, { prefix, entryPoint: "check", tls: {} });
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
    const own = Object.entries(ownMiddlewares(route)).map(
      ([kind, settings]) => [`${name}_${kind}`, settings] as const,
    );
    middlewares.push(...own.map(([key, settings]): [string, object] => [key, settings]));
    services.push([to, renderService(slot, route, to)]);
    serversTransports.push([to, renderTransport(route)]);
    const common = { entryPoints: [target.entryPoint], service: to, ...target.tls };
    const chain = [siteHeaders(route.domain), ...own.map(([key]) => key), "forwarded", "connect"];
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
function ownMiddlewares(route: Route): Record<string, object> {
  return {
    ...(route.rateLimit === undefined ? {} : { rate: { rateLimit: rate(route.rateLimit) } }),
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
    ...(route.stripPrefix ? { strip: { stripPrefix: { prefixes: [route.path.slice(0, -1)] } } } : {}),
  };
}

const noClient = "0.0.0.0/32";

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
    },
  };
}

/** nginx answers `burst` requests beyond the first; Traefik's bucket holds all that may come at once. */
function rate({ requestsPerSecond, requestsPerMinute, burst }: RateLimit): object {
  return requestsPerSecond === undefined
    ? { average: requestsPerMinute, period: "1m", burst: burst + 1 }
    : { average: requestsPerSecond, period: "1s", burst: burst + 1 };
}

const all = "PathPrefix(`/`)";

function host(domain: string): string {
  return `Host(\`${domain}\`)`;
}

function rule({ domain, path, match }: Route): string {
  return `${host(domain)} && ${match === "exact" ? "Path" : "PathPrefix"}(\`${path}\`)`;
}

/** An exact path before every prefix, and of these the longest first. Even numbers, so that there is room between two. */
function priority({ path, match }: Route): number {
  return (match === "exact" ? 1_000_000 : 100) + 2 * path.length;
}

function siteHeaders(domain: string): string {
  return `headers_${domain}`;
}

function withPlugin(settings: object): object {
  return { plugin: { [plugin]: settings } };
}

function json(value: object): string {
  return `${JSON.stringify(value, undefined, 2)}\n`;
}
