import { timingSafeEqual } from "node:crypto";
import type { IncomingMessage, RequestListener, ServerResponse } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
import type { Cloud } from "./cloud.ts";
import { ApiError } from "./errors.ts";
import { createFaults, faultSchema, refusal } from "./faults.ts";
import { type Answer, parseBody, type Router } from "./router.ts";

/** Hetzner's limit for a project: 3600 requests per hour, refilled by one per second. */
const requestsPerHour = 3600;
const bodyLimit = 1024 * 1024;

function createRateLimit() {
  let remaining = requestsPerHour;
  let counted = Date.now();
  return {
    count(): boolean {
      const now = Date.now();
      remaining = Math.min(requestsPerHour, remaining + (now - counted) / 1000);
      counted = now;
      remaining = Math.max(0, remaining - 1);
      return remaining > 0;
    },
    headers: () => ({
      "RateLimit-Limit": String(requestsPerHour),
      "RateLimit-Remaining": String(Math.floor(remaining)),
      "RateLimit-Reset": String(Math.ceil(counted / 1000 + requestsPerHour - remaining)),
    }),
  };
}

async function readBody(request: IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > bodyLimit) {
      throw new ApiError(413, "invalid_input", `the request is larger than ${bodyLimit} bytes`);
    }
    chunks.push(chunk);
  }
  const text = Buffer.concat(chunks).toString();
  if (text.trim() === "") {
    return undefined;
  }
  try {
    return JSON.parse(text);
  } catch {
    throw new ApiError(400, "json_error", "invalid JSON in the request");
  }
}

function mayPass(request: IncomingMessage, token: string): boolean {
  const given = Buffer.from(request.headers.authorization ?? "");
  const wanted = Buffer.from(`Bearer ${token}`);
  return given.length === wanted.length && timingSafeEqual(given, wanted);
}

/**
 * Serves the API below /v1, and below /lab the lab's own: `POST /lab/faults` sets a fault, `DELETE` removes all, `GET`
 * lists them. Both need the project's token.
 */
export function createListener(cloud: Cloud, router: Router, token: string): RequestListener {
  const limit = createRateLimit();
  const faults = createFaults();

  const lab = (method: string, path: string, body: unknown): Answer => {
    if (path !== "/lab/faults") {
      throw new ApiError(404, "not_found", `${method} ${path} is not supported by the lab`);
    }
    switch (method) {
      case "POST":
        faults.add(parseBody(faultSchema, body));
        return { status: 201, body: { faults: faults.list() } };
      case "DELETE":
        faults.clear();
        return { status: 204, body: undefined };
      case "GET":
        return { status: 200, body: { faults: faults.list() } };
      default:
        throw new ApiError(405, "method_not_allowed", `${method} is not allowed for ${path}`);
    }
  };

  const api = async (request: IncomingMessage, url: URL, method: string): Promise<Answer | "drop"> => {
    if (!url.pathname.startsWith("/v1/")) {
      throw new ApiError(404, "not_found", `${method} ${url.pathname} is not supported by the lab's cloud`);
    }
    const body = await readBody(request);
    const fault = faults.take(method, url.pathname);
    const refused = fault && refusal(fault);
    if (refused) {
      throw refused;
    }
    if (fault?.kind === "slow") {
      await sleep(fault.milliseconds);
    }
    const { handler, params } = router(method, url.pathname.slice("/v1".length));
    try {
      cloud.lateFailure =
        fault?.kind === "late-failure" ? { code: fault.code, message: fault.message } : undefined;
      const answer = handler({ params, query: url.searchParams, body });
      if (method !== "GET") {
        cloud.store.save();
      }
      return fault?.kind === "drop-after-commit" ? "drop" : answer;
    } catch (error) {
      cloud.store.discard();
      throw error;
    } finally {
      cloud.lateFailure = undefined;
    }
  };

  const send = (response: ServerResponse, { status, body }: Answer) => {
    response.writeHead(status, { "Content-Type": "application/json", ...limit.headers() });
    response.end(body === undefined ? undefined : JSON.stringify(body));
  };

  const handle = async (request: IncomingMessage, response: ServerResponse) => {
    const method = request.method ?? "GET";
    const url = new URL(request.url ?? "/", "http://lab");
    try {
      if (!mayPass(request, token)) {
        throw new ApiError(401, "unauthorized", "unable to authenticate");
      }
      if (url.pathname.startsWith("/lab/")) {
        send(response, lab(method, url.pathname, await readBody(request)));
        return;
      }
      if (!limit.count()) {
        throw new ApiError(
          429,
          "rate_limit_exceeded",
          `limit of ${requestsPerHour} requests per hour reached`,
        );
      }
      const answer = await api(request, url, method);
      if (answer === "drop") {
        request.socket.destroy();
      } else {
        send(response, answer);
      }
    } catch (error) {
      const known =
        error instanceof ApiError
          ? error
          : new ApiError(500, "server_error", error instanceof Error ? error.message : String(error));
      send(response, {
        status: known.status,
        body: { error: { code: known.code, message: known.message, details: known.details } },
      });
    }
  };
  return (request, response) => void handle(request, response);
}
