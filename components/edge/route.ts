/**
 * What the outside reaches: neutral data that either edge (nginx, Traefik) renders. DNS records, firewall ports and the
 * outside probe derive from it too, so they cannot differ.
 */
export interface Route {
  readonly domain: string;
  /** Path prefix, `/` for all. */
  readonly path: string;
  /** Port on which the slot listens, inside the overlay network. */
  readonly port: number;
  /** Largest request body; larger ones get 413. */
  readonly bodyLimitMebibytes: number;
  /** Requests of one client address beyond this get 429. */
  readonly rateLimit?: { readonly requestsPerSecond: number; readonly burst: number };
}

/** The ports of the edge: published on the host, opened in the firewall, probed from outside. */
export const edgePorts = { http: 80, https: 443 } as const;
