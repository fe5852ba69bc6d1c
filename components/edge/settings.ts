import { z } from "zod";
import type { Route } from "./route.ts";

/** Limits of one client address, as settings: beyond the rate it gets 429, larger bodies get 413. */

type Rate = { readonly requestsPerSecond: number; readonly burst: number };

const count = z.int().min(1).max(100_000);

/** A rate by itself, of routes that have another one than the rest. */
export function rateSettings({ requestsPerSecond, burst }: Rate) {
  const shape = {
    requestsPerSecond: count.default(requestsPerSecond),
    burst: count.default(burst),
  };
  return z.strictObject(shape).prefault({});
}

/** What a client may ask of a service by default; `more` are rates of its other routes. */
export function limitsSettings<More extends z.ZodRawShape>({ requestsPerSecond, burst }: Rate, more: More) {
  return z
    .strictObject({
      requestsPerSecond: count.default(requestsPerSecond),
      burst: count.default(burst),
      bodyMebibytes: z.int().min(1).max(1024).default(10),
      /** How long an answer may keep the edge waiting. */
      readTimeoutSeconds: z.int().min(1).max(3600).default(60),
      ...more,
    })
    .prefault({} as never);
}

interface Limits extends Rate {
  readonly bodyMebibytes: number;
  readonly readTimeoutSeconds: number;
}

/** A route with the limits of such settings; `rate` in the place of theirs. */
export function limited(
  route: Omit<Route, "bodyLimitMebibytes" | "readTimeoutSeconds" | "rateLimit">,
  limits: Limits,
  { requestsPerSecond, burst }: Rate = limits,
): Route {
  const { bodyMebibytes, readTimeoutSeconds } = limits;
  return {
    ...route,
    bodyLimitMebibytes: bodyMebibytes,
    readTimeoutSeconds,
    rateLimit: { requestsPerSecond, burst },
  };
}
