import type { IncomingMessage } from "node:http";
import { BlockList, isIPv6 } from "node:net";
import type { ClientLimit } from "../application.ts";
import type { Answer } from "./special.ts";

const privateNetworks = "10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16";
/** The bucket of a client without requests for this long is removed. */
const forgetMilliseconds = 15 * 60_000;

/**
 * A token bucket for each client: it holds `perMinute` requests and is refilled evenly.
 * @returns a function that tells whether a request of `client` at `now` (milliseconds) is allowed.
 */
export function tokenBuckets(perMinute: number): (client: string, now: number) => boolean {
  const buckets = new Map<string, { tokens: number; at: number }>();
  let cleaned = 0;
  return (client, now) => {
    if (now - cleaned > forgetMilliseconds) {
      cleaned = now;
      for (const [key, { at }] of buckets) if (now - at > forgetMilliseconds) buckets.delete(key);
    }
    const { tokens, at } = buckets.get(client) ?? { tokens: perMinute, at: now };
    const held = Math.min(perMinute, tokens + ((now - at) * perMinute) / 60_000);
    buckets.set(client, { tokens: held >= 1 ? held - 1 : held, at: now });
    return held >= 1;
  };
}

/**
 * The address of the client: from a trusted proxy's headers (first address of X-Forwarded-For, X-Real-IP), otherwise that of the
 * connection.
 */
export function clientAddress(
  {
    headers,
    socket,
  }: {
    readonly headers: IncomingMessage["headers"];
    readonly socket: { remoteAddress?: string | undefined };
  },
  trusted: BlockList,
): string {
  const peer = (socket.remoteAddress ?? "").replace(/^::ffff:/, "");
  if (peer === "" || !trusted.check(peer, isIPv6(peer) ? "ipv6" : "ipv4")) return peer;
  const forwarded = String(headers["x-forwarded-for"] ?? "")
    .split(",")[0]
    ?.trim();
  return forwarded || String(headers["x-real-ip"] ?? "").trim() || peer;
}

/** @throws when a network is malformed. */
export function networks(list: string): BlockList {
  const block = new BlockList();
  for (const each of list.split(",").map((part) => part.trim())) {
    if (each === "") continue;
    const [address = "", bits = ""] = each.split("/");
    block.addSubnet(address, Number(bits), isIPv6(address) ? "ipv6" : "ipv4");
  }
  return block;
}

/**
 * The declared limits as one function.
 * @returns the response that refuses a request, or undefined when it is allowed.
 */
export function createLimits(
  limits: readonly ClientLimit[],
  values: Readonly<Record<string, string>>,
): (route: string, request: IncomingMessage) => Answer | undefined {
  const byRoute = new Map<string, (request: IncomingMessage) => Answer | undefined>();
  for (const { routes, perMinute, trustedProxies, retryAfterSeconds, json } of limits) {
    const number = typeof perMinute === "number" ? perMinute : Number(values[perMinute]);
    if (number <= 0) continue;
    const pass = tokenBuckets(number);
    const trusted = networks(trustedProxies === undefined ? privateNetworks : (values[trustedProxies] ?? ""));
    const refusal: Answer = {
      status: 429,
      body: json,
      headers: { "Retry-After": String(retryAfterSeconds) },
    };
    for (const route of routes) {
      byRoute.set(route, (request) =>
        pass(clientAddress(request, trusted), Date.now()) ? undefined : refusal,
      );
    }
  }
  return (route, request) => byRoute.get(route)?.(request);
}
