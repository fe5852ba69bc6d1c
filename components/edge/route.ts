import { z } from "zod";

/**
 * What the outside reaches: neutral data that either edge (nginx, Traefik) renders. DNS records, firewall ports and the
 * outside probe derive from it too, so they cannot differ.
 */
export interface Route {
  readonly domain: string;
  /** Path prefix, `/` for all. Of several that fit the longest wins. */
  readonly path: string;
  /** Port on which the slot listens, inside the overlay network. */
  readonly port: number;
  /** Largest request body; larger ones get 413. */
  readonly bodyLimitMebibytes: number;
  /** Networks whose clients are answered, all others get 403; empty: nobody. Left out: everybody. */
  readonly allowFrom?: readonly string[];
  /**
   * Answers of the service that count as an attempt to guess: an address that gets 30 within a minute is shut out of the edge for
   * ten. What the edge refuses itself counts anyway, what a service answers does not: its own limits are its own business.
   */
  readonly banOn?: readonly (401 | 403 | 404 | 429)[];
  /** Requests of one client address beyond this get 429. */
  readonly rateLimit?: { readonly requestsPerSecond: number; readonly burst: number };
}

/** Of whom something is asked: a network in CIDR notation. */
export const network = z.union([z.cidrv4(), z.cidrv6()], {
  error: "is not a network; allowed: CIDR notation, as in 203.0.113.7/32",
});

/** The ports of the edge: published on the host, opened in the firewall, probed from outside. */
export const edgePorts = { http: 80, https: 443 } as const;
