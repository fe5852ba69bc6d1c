import { clientPrefixBits } from "../../ip-network.ts";
import { defaultTimeouts, pauseRetrySeconds, type RateLimit, type Route } from "../route.ts";

/**
 * The targets of a slot's routes. `slot` is a Docker service's name; `resolve` keeps following its addresses, and `zone` shares
 * what was found among the workers and hands it on to the next ones. A new slot has an upstream of its own name: it is there,
 * resolved, before any route leads to it, since one that nginx has not resolved yet answers 502.
 */
export function renderUpstream(slot: string, routes: readonly Route[]): string {
  return portsOf(routes)
    .map(
      (port) => `upstream ${upstreamName(slot, port)} {
  zone ${upstreamName(slot, port)} 64k;
  server ${slot}:${port} resolve max_fails=0;
  keepalive 64;
  keepalive_timeout 30s;
}
`,
    )
    .join("");
}

/** Where a switch asks, on the edge's own port, whether a slot's upstreams are resolved: one path for each of them. */
export function renderChecks(slot: string, routes: readonly Route[]): string {
  return portsOf(routes)
    .map(
      (port) => `location = /${upstreamName(slot, port)} {
  proxy_pass http://${upstreamName(slot, port)}/;
  proxy_connect_timeout 2s;
  proxy_read_timeout 5s;
}
`,
    )
    .join("");
}

/** The paths of {@link renderChecks}. */
export function checkPaths(slot: string, routes: readonly Route[]): string[] {
  return portsOf(routes).map((port) => `/${upstreamName(slot, port)}`);
}

/** The shared counters of a service's rate limits. */
export function renderLimits(service: string, routes: readonly Route[], ipv6 = false): string {
  const client = ipv6 ? "$berth_client" : "$binary_remote_addr";
  return routes
    .map((route, index) =>
      route.rateLimit === undefined
        ? ""
        : `limit_req_zone ${client} zone=${rateZone(service, index, ipv6)}:10m rate=${rate(route.rateLimit)};\n`,
    )
    .join("");
}

/** The locations of a service on one domain. */
export function renderLocations(
  service: string,
  slot: string,
  domain: string,
  routes: readonly Route[],
  ipv6 = false,
): string {
  const own = routes.map((route, index) => ({ route, index })).filter(({ route }) => route.domain === domain);
  const pauses = own.some(({ route }) => route.pausesForReleases) ? renderPause(service) : "";
  const locations = own
    .map(({ route, index }) => {
      const limit =
        route.rateLimit === undefined
          ? ""
          : `  limit_req zone=${rateZone(service, index, ipv6)} burst=${route.rateLimit.burst} nodelay;\n  limit_req_status 429;\n`;
      const allowed = route.allowFrom?.map((network) => `  allow ${network};\n`).join("") ?? "";
      const access = route.allowFrom === undefined ? "" : `${allowed}  deny all;\n`;
      const counted = route.banOn === undefined ? "" : `  set $berth_ban_on "${route.banOn.join(",")}";\n`;
      const paused = route.pausesForReleases ? `  error_page 502 504 = ${pauseName(service)};\n` : "";
      const unbuffered =
        (route.streaming ? "  proxy_buffering off;\n" : "") +
        (route.streamingRequests ? "  proxy_request_buffering off;\n" : "");
      const readSeconds =
        route.readTimeoutSeconds ??
        (route.streaming ? defaultTimeouts.streamingReadSeconds : defaultTimeouts.readSeconds);
      return `location ${route.match === "exact" ? "= " : ""}${route.path} {
${counted}${access}${limit}${paused}${unbuffered}  client_max_body_size ${route.bodyLimitMebibytes}m;
  proxy_pass http://${upstreamName(slot, route.port)}${route.stripPrefix ? "/" : ""};
  proxy_http_version 1.1;
  proxy_set_header Connection $berth_connection;
  proxy_set_header Upgrade $http_upgrade;
  proxy_set_header Host $host;
  proxy_set_header X-Real-IP $remote_addr;
  proxy_set_header X-Forwarded-For $remote_addr;
  proxy_set_header X-Forwarded-Proto $scheme;
  proxy_set_header X-Forwarded-Host $host;
  proxy_set_header Forwarded "";
  proxy_connect_timeout ${route.connectTimeoutSeconds ?? defaultTimeouts.connectSeconds}s;
  proxy_read_timeout ${readSeconds}s;
  proxy_next_upstream error timeout;
  proxy_next_upstream_tries 3;
  proxy_next_upstream_timeout 10s;
}
`;
    })
    .join("");
  return locations + pauses;
}

/** Where a request of a service goes that pauses for its releases when its answer is the edge's own 502 or 504. */
function renderPause(service: string): string {
  return `location ${pauseName(service)} {
  if ($berth_pause = 503) {
    set $berth_retry_after ${pauseRetrySeconds};
    return 503;
  }
  if ($berth_pause = 504) {
    return 504;
  }
  return 502;
}
`;
}

function pauseName(service: string): string {
  return `@${service}_pause`;
}

function portsOf(routes: readonly Route[]): number[] {
  return [...new Set(routes.map((route) => route.port))];
}

function upstreamName(slot: string, port: number): string {
  return `${slot}_${port}`;
}

/** By its key too: nginx takes no new configuration in which a zone has another. */
function rateZone(service: string, index: number, ipv6: boolean): string {
  return `${service}_${index}${ipv6 ? `_${clientPrefixBits}` : ""}`;
}

function rate({ requestsPerSecond, requestsPerMinute }: RateLimit): string {
  return requestsPerSecond === undefined ? `${requestsPerMinute}r/m` : `${requestsPerSecond}r/s`;
}
