import { z } from "zod";
import { ApiError } from "./errors.ts";

/**
 * A fault to inject, set with `POST /lab/faults`. `match` is a request as `METHOD /v1/path`; `*` matches any text.
 *
 * - `error`: answers with `status`, `code` and `message` and does nothing;
 * - `unavailable`: answers 412 `resource_unavailable`, as Hetzner does when a location is full;
 * - `rate-limit`: answers 429;
 * - `slow`: does the work after `milliseconds`;
 * - `drop-after-commit`: does the work and closes the connection without an answer;
 * - `late-failure`: answers normally, but the action fails with `code` and `message` without doing its work.
 */
export const faultSchema = z.strictObject({
  match: z.string().min(1),
  times: z.number().int().min(1).default(1),
  kind: z.enum(["error", "drop-after-commit", "late-failure", "rate-limit", "slow", "unavailable"]),
  status: z.number().int().min(400).max(599).default(500),
  code: z.string().default("server_error"),
  message: z.string().default("asked for with POST /lab/faults"),
  milliseconds: z.number().int().min(0).max(600_000).default(5_000),
});

type Fault = z.output<typeof faultSchema>;

interface Faults {
  add(fault: Fault): void;
  clear(): void;
  list(): readonly Fault[];
  /** The fault for this request, if any; decrements its count. */
  take(method: string, path: string): Fault | undefined;
}

function matches(fault: Fault, request: string): boolean {
  const pattern = fault.match.split("*").map((part) => part.replace(/[.+?^${}()|[\]\\]/g, "\\$&"));
  return new RegExp(`^${pattern.join(".*")}$`).test(request);
}

export function createFaults(): Faults {
  let faults: Fault[] = [];
  return {
    add: (fault) => {
      faults.push({ ...fault });
    },
    clear: () => {
      faults = [];
    },
    list: () => faults,
    take(method, path) {
      const found = faults.find((fault) => matches(fault, `${method} ${path}`));
      if (found) {
        found.times--;
        faults = faults.filter((fault) => fault.times > 0);
      }
      return found;
    },
  };
}

/** The error response of a fault; undefined for a fault that lets the request through. */
export function refusal(fault: Fault): ApiError | undefined {
  switch (fault.kind) {
    case "error":
      return new ApiError(fault.status, fault.code, fault.message);
    case "unavailable":
      return new ApiError(412, "resource_unavailable", "the requested resource is currently unavailable");
    case "rate-limit":
      return new ApiError(429, "rate_limit_exceeded", "limit of 3600 requests per hour reached");
    default:
      return undefined;
  }
}
