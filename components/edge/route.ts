/**
 * What the outside reaches: neutral data that every kind of edge renders. DNS records, certificates and the outside probe derive from
 * it too, so they cannot differ. WebSockets pass on every route. A service sees the client's own address and host, whatever the
 * client says about itself.
 */
export interface Route {
  /** Any domain of the system: its own, or others beside it such as `auth.<domain>`. */
  readonly domain: string;
  /** Begins with `/`. A prefix unless {@link match} says otherwise: of several that fit the longest wins, `/` is all. */
  readonly path: string;
  /** `exact`: this path alone, before every prefix. */
  readonly match?: "prefix" | "exact";
  /**
   * The service sees the path without the prefix, which ends with `/`: `/electric/v1/shape` arrives as `/v1/shape`. Escapes in the rest
   * arrive decoded and encoded anew by nginx (its documentation, proxy_pass with a URI), so `%2F` becomes `/`; Traefik answers it with 400.
   */
  readonly stripPrefix?: boolean;
  /** Port on which the slot listens, inside the overlay network. */
  readonly port: number;
  /** What the service speaks; `h2c` is HTTP/2 in clear text, which not every kind of edge can. HTTP/1.1 when left out. */
  readonly protocol?: "http/1.1" | "h2c";
  /** Largest request body; larger ones get 413. */
  readonly bodyLimitMebibytes: number;
  /** How long the edge waits for a connection to a task before it tries the next one; 2 when left out. */
  readonly connectTimeoutSeconds?: number;
  /**
   * How long the edge waits for the next bytes of an answer, a WebSocket's too, until it answers 504; 60 when left out, 3600 for
   * {@link streaming}. Traefik waits so long for an answer's first bytes, and for the rest of it without an end.
   */
  readonly readTimeoutSeconds?: number;
  /** Answers are passed on as they come, never collected: server-sent events, long polling, ElectricSQL's shapes. */
  readonly streaming?: boolean;
  /** Requests are passed on as they come, never collected first: uploads of gigabytes. */
  readonly streamingRequests?: boolean;
  /** Networks whose clients are answered, all others get 403; empty: nobody. Left out: everybody. */
  readonly allowFrom?: readonly string[];
  /**
   * Answers of the service that count as an attempt to guess: an address that gets 30 within a minute is shut out of the edge for
   * ten. What the edge refuses itself counts anyway, what a service answers does not: its own limits are its own business.
   */
  readonly banOn?: readonly (401 | 403 | 404 | 429)[];
  /**
   * At each release nothing of the service runs for a while (`stop-first`): what then reaches no task gets 503 instead of 502 or 504, and
   * on nginx a Retry-After. Traefik cannot tell a 502 of its own from the service's, which becomes a 503 too. The service sets it itself.
   */
  readonly pausesForReleases?: boolean;
  /** Requests of one client address beyond this get 429; `burst` more are answered before that. */
  readonly rateLimit?: RateLimit;
}

export type RateLimit =
  | { readonly requestsPerSecond: number; readonly requestsPerMinute?: undefined; readonly burst: number }
  | { readonly requestsPerMinute: number; readonly requestsPerSecond?: undefined; readonly burst: number };

export const defaultTimeouts = { connectSeconds: 2, readSeconds: 60, streamingReadSeconds: 3600 } as const;

/** When a client that got 503 of {@link Route.pausesForReleases} may ask again, in seconds. */
export const pauseRetrySeconds = 5;

/** Where a route leads from, as messages name it. */
export function routeText({ domain, path, match }: Route): string {
  return `${domain}${path}${match === "exact" ? " (exact)" : ""}`;
}

/** What is wrong with a route by itself, whatever edge renders it. */
export function routeProblems(route: Route): string[] {
  const { path, match, stripPrefix, bodyLimitMebibytes, rateLimit } = route;
  const rate = rateLimit?.requestsPerSecond ?? rateLimit?.requestsPerMinute ?? 1;
  const problems: [wrong: boolean, message: string][] = [
    [
      !/^\/[A-Za-z0-9._~@:/-]*$/.test(path),
      `path: ${JSON.stringify(path)} is invalid; it begins with / and has letters, digits and . _ ~ @ : / - alone`,
    ],
    [
      stripPrefix === true && (match === "exact" || path === "/" || !path.endsWith("/")),
      `stripPrefix: true is invalid with ${match === "exact" ? "match exact" : `the path ${path}`}; use it with a prefix that ends with /, as in /electric/`,
    ],
    [
      !wholeAndPositive(bodyLimitMebibytes),
      `bodyLimitMebibytes: ${bodyLimitMebibytes} is invalid; use 1 or more`,
    ],
    [!wholeAndPositive(rate), `rateLimit: ${rate} is invalid; use a whole number of requests, 1 or more`],
  ];
  return problems.filter(([wrong]) => wrong).map(([, message]) => message);
}

function wholeAndPositive(value: number): boolean {
  return Number.isInteger(value) && value >= 1;
}

/** The ports of the edge: published on the host, opened in the firewall, probed from outside. */
export const edgePorts = { http: 80, https: 443 } as const;
