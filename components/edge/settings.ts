import { z } from "zod";
import type { RateLimit, Route } from "./route.ts";

/** Limits of one client address, as settings: beyond the rate it gets 429, larger bodies get 413. */

const count = z.int().min(1).max(100_000);

/** Settings of a rate, which is by the second or by the minute for good. */
type RateShape<Rate extends RateLimit> = Rate extends { readonly requestsPerSecond: number }
  ? { readonly requestsPerSecond: z.ZodDefault<z.ZodInt>; readonly burst: z.ZodDefault<z.ZodInt> }
  : { readonly requestsPerMinute: z.ZodDefault<z.ZodInt>; readonly burst: z.ZodDefault<z.ZodInt> };

function rateShape<Rate extends RateLimit>(rate: Rate): RateShape<Rate> {
  const { requestsPerSecond, requestsPerMinute, burst } = rate;
  const shape =
    requestsPerSecond === undefined
      ? { requestsPerMinute: count.default(requestsPerMinute), burst: count.default(burst) }
      : { requestsPerSecond: count.default(requestsPerSecond), burst: count.default(burst) };
  return shape as RateShape<Rate>;
}

/** A rate by itself, of routes that have another one than the rest. */
export function rateSettings<Rate extends RateLimit>(rate: Rate) {
  return z.strictObject(rateShape(rate)).prefault({} as never);
}

/** What a client may ask of a service by default; `more` are rates of its other routes. */
export function limitsSettings<Rate extends RateLimit, More extends z.ZodRawShape>(rate: Rate, more: More) {
  return z
    .strictObject({
      ...rateShape(rate),
      bodyMebibytes: z.int().min(1).max(1024).default(10),
      /** How long an answer may keep the edge waiting. */
      readTimeoutSeconds: z.int().min(1).max(3600).default(60),
      ...more,
    })
    .prefault({} as never);
}

type Limits = RateLimit & { readonly bodyMebibytes: number; readonly readTimeoutSeconds: number };

/** A route with the limits of such settings; `rate` in the place of theirs. */
export function limited(
  route: Omit<Route, "bodyLimitMebibytes" | "rateLimit">,
  limits: Limits,
  rate: RateLimit = limits,
): Route {
  const { bodyMebibytes, readTimeoutSeconds } = limits;
  const { requestsPerSecond, requestsPerMinute, burst } = rate;
  return {
    ...(route.streaming ? {} : { readTimeoutSeconds }),
    ...route,
    bodyLimitMebibytes: bodyMebibytes,
    rateLimit: requestsPerSecond === undefined ? { requestsPerMinute, burst } : { requestsPerSecond, burst },
  };
}
