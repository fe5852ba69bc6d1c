import type { IncomingMessage, ServerResponse } from "node:http";
import { hostname } from "node:os";
import type { Pool } from "pg";
import type { DeclaredRoute, HttpService } from "../application.ts";
import { createCors } from "./cors.ts";
import { type Considered, evaluateHealth, type Findings, healthBody, withBrokenHealth } from "./health.ts";
import { BadRequest, readJson } from "./http.ts";
import { createLimits } from "./limit.ts";
import { createListener } from "./listener.ts";
import { type Log, textOf } from "./log.ts";
import type { Settings } from "./settings.ts";
import type { Answer, OtherRoutes, Route } from "./special.ts";
import { brokenHealth, deliberateFailure } from "./version.ts";
import { serveWebSocket } from "./web-socket.ts";

export interface ServeOptions {
  /** `<system>/<service>` */
  readonly name: string;
  readonly http: HttpService;
  readonly considers: Considered;
  /** By method and path. */
  readonly routes: Readonly<Record<string, Route>>;
  /** What none of them answers. */
  readonly other: OtherRoutes | undefined;
  readonly checks: () => Promise<Findings>;
  readonly complain: (reason: string) => void;
  readonly expectedSchema: number;
  readonly settings: Settings;
  readonly log: Log;
}

export interface Service {
  /** Resolves when the port listens. @throws when it cannot. */
  readonly listening: Promise<void>;
  /** Goes on serving, but closes each connection after its response, so that clients connect again, to another replica. */
  drain(): void;
  /** Accepts no more connections and waits for open requests. @returns false when some were not answered. */
  close(deadlineSeconds: number): Promise<boolean>;
}

/** The declared routes as functions. */
export function createRoutes(
  declared: Readonly<Record<string, DeclaredRoute>>,
  pool: Pool | undefined,
): Readonly<Record<string, Route>> {
  const route = (each: DeclaredRoute): Route => {
    const { status = 200 } = each;
    if ("html" in each) return () => ({ status, html: each.html });
    if ("json" in each) return () => ({ status, body: each.json });
    if (pool === undefined) throw new Error("a route with SQL needs a database");
    const takesBody = each.sql.includes("$1");
    return async (request) => {
      const values = takesBody ? [JSON.stringify(await readJson(request))] : [];
      const result = await pool.query<object>(each.sql, values).catch((error: unknown) => {
        // Classes 22 and 23: data that a column type or a constraint refuses.
        if (/^2[23]/.test((error as { code?: string }).code ?? "")) throw new BadRequest(textOf(error));
        throw error;
      });
      return { status, body: result.rows };
    };
  };
  return Object.fromEntries(Object.entries(declared).map(([key, each]) => [key, route(each)]));
}

/** Serves health, routes and limits over HTTP, and fails in the way that a `broken-*` version names. */
export function serve(options: ServeOptions): Service {
  const { http, routes, checks, complain, settings, log } = options;
  const { version } = settings;
  const failure = deliberateFailure(version);
  const broken = failure === "health" ? (brokenHealth(version) ?? "always") : undefined;
  const startedAt = process.uptime();
  const limit = createLimits(http.limits ?? [], settings.values);
  const cors = createCors(http.cors, settings.values);
  const instance = hostname();
  let draining = false;
  let served = 0;

  async function health(): Promise<Answer> {
    const verdict = evaluateHealth(
      withBrokenHealth(await checks(), broken),
      options.considers,
      options.expectedSchema,
      broken,
    );
    if (broken !== undefined) complain(`version ${version} is never healthy, on purpose`);
    const uptimeSeconds = process.uptime() - startedAt;
    return {
      status: verdict.status === "unhealthy" ? 503 : 200,
      body: healthBody(http.health.fields, verdict, { version, uptimeSeconds }),
    };
  }

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<Answer | "answered"> {
    const url = request.url ?? "/";
    const mark = url.indexOf("?");
    const path = mark < 0 ? url : url.slice(0, mark);
    if (draining && http.refusesAtOnce) return { status: 503, body: { status: "unavailable" } };
    const { headers, preflight } = cors(request, path);
    if (preflight) return { status: 204, headers };
    const query = new URLSearchParams(mark < 0 ? "" : url.slice(mark + 1));
    const result =
      (await routed(request, path, query)) ??
      (await options.other?.(request, response)) ??
      ({ status: 404, body: { error: `nothing at ${path}` } } satisfies Answer);
    return result === "answered" ? result : { ...result, headers: { ...headers, ...result.headers } };
  }

  async function routed(
    request: IncomingMessage,
    path: string,
    query: URLSearchParams,
  ): Promise<Answer | undefined> {
    const key = `${request.method === "HEAD" ? "GET" : request.method} ${path}`;
    // An app with a health answer of its own has a route for it.
    if (path === http.health.path) return (await routes[key]?.(request, query)) ?? health();
    served += 1;
    if (failure === "after" && served >= settings.brokenAfterRequests) {
      log.error(`dying: version ${version} ends after ${served} requests, on purpose`);
      process.exit(1);
    }
    const refused = limit(key, request);
    if (refused !== undefined) return refused;
    const route = routes[key] ?? (key.startsWith("GET ") ? routes["GET *"] : undefined);
    if (route !== undefined) return route(request, query);
    const other = Object.keys(routes).filter((each) => each.endsWith(` ${path}`));
    if (other.length > 0) return { status: 405, body: { error: `${path} answers ${other.join(", ")}` } };
    return undefined;
  }

  function send(response: ServerResponse, { status, body, html, headers = {} }: Answer): void {
    const text = html ?? (body === undefined ? "" : JSON.stringify(body));
    response.writeHead(status, {
      "Content-Type": html === undefined ? "application/json" : "text/html; charset=utf-8",
      "Content-Length": Buffer.byteLength(text),
      // HTTP/2 has no such header (RFC 9113, 8.2.2).
      ...(draining && response.req.httpVersionMajor === 1 && { Connection: "close" }),
      ...headers,
    });
    response.end(text);
  }

  const listener = createListener(http.http2 ?? false, (request, response) => {
    const began = performance.now();
    response.setHeader("X-Stand-In", options.name);
    response.setHeader("X-Stand-In-Version", version);
    response.setHeader("X-Stand-In-Instance", instance);
    // Of the edge's connection, not of the client's.
    response.setHeader("X-Stand-In-Protocol", request.httpVersion);
    answer(request, response)
      .catch((error: unknown): Answer => {
        if (error instanceof BadRequest) return { status: 400, body: { error: error.message } };
        log.error("request failed", { method: request.method, path: request.url, error: textOf(error) });
        return { status: 500, body: { error: "internal error" } };
      })
      .then((result) => {
        if (result !== "answered") send(response, result);
        log.debug("request", {
          method: request.method,
          path: request.url,
          status: response.statusCode,
          milliseconds: Math.round(performance.now() - began),
        });
      });
  });
  if (http.webSocket !== undefined) serveWebSocket(listener.server, http.webSocket);

  return {
    listening: new Promise((resolve, reject) => {
      listener.server.once("error", (error) =>
        reject(new Error(`cannot listen on port ${settings.port}: ${textOf(error)}`)),
      );
      listener.server.listen(settings.port, resolve);
    }),
    drain() {
      draining = true;
    },
    async close(deadlineSeconds) {
      const closed = new Promise<boolean>((resolve) => listener.close(() => resolve(true)));
      const late = new Promise<boolean>((resolve) =>
        setTimeout(() => resolve(false), deadlineSeconds * 1000).unref(),
      );
      const answered = await Promise.race([closed, late]);
      if (!answered) listener.endAll();
      return answered;
    },
  };
}
