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
  /** How long the edge waits for the next bytes of an answer, a WebSocket's too, until it answers 504; 60 when left out. */
  readonly readTimeoutSeconds?: number;
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

/** Client network in CIDR notation, without host bits: what `203.0.113.7/24` means is a guess. */
export const network = z
  .union([z.cidrv4(), z.cidrv6()], {
    error: "is not a network; allowed: CIDR notation, as in 203.0.113.7/32",
  })
  .refine((text) => firstAddress(text) === text.split("/")[0], {
    error: ({ input }) =>
      `names an address and a whole network; allowed: ${firstAddress(String(input))}/${String(input).split("/")[1]} for the network, ${String(input).split("/")[0]}/32 for the address`,
  });

/** First address of an IPv4 network; an IPv6 one as it is written. */
function firstAddress(text: string): string {
  const [address = "", bits = "32"] = text.split("/");
  if (address.includes(":")) return address;
  const number = address.split(".").reduce((sum, part) => sum * 256 + Number(part), 0);
  const size = 2 ** (32 - Number(bits));
  const first = Math.floor(number / size) * size;
  return [24, 16, 8, 0].map((shift) => Math.floor(first / 2 ** shift) % 256).join(".");
}

/** The ports of the edge: published on the host, opened in the firewall, probed from outside. */
export const edgePorts = { http: 80, https: 443 } as const;
