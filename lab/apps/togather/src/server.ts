/** The stand-in of Togather's server. Starts at once, serves until SIGTERM, drains, ends. */
import { readdirSync } from "node:fs";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { hostname } from "node:os";
import { join } from "node:path";
import { BadRequest, indexEvent } from "./events.ts";
import { createChecks, judge, spoil } from "./health.ts";
import { createWorker } from "./jobs.ts";
import { createLog, type Log, textOf } from "./log.ts";
import { createPool } from "./pool.ts";
import { createRoutes } from "./routes.ts";
import { readSettings, type Settings, SettingsError, secretValues } from "./settings.ts";
import { brokenHealth, deliberateFailure } from "./version.ts";

/** Longer than nginx keeps an idle connection to an upstream (60 s): the proxy closes first, never in a request's way. */
const keepAliveSeconds = 75;
/** With the drain's 2 s this ends within the 10 s that an orchestrator waits before it kills. */
const inFlightSeconds = 7;
const migrationsFolder = join(process.cwd(), "internal/storage/postgres/migrations");

function main(): void {
  let settings: Settings;
  try {
    settings = readSettings(process.env);
  } catch (error) {
    const log = createLog("error", []);
    const problems = error instanceof SettingsError ? error.problems : [];
    log.error(`cannot start: ${textOf(error)}`, { problems });
    process.exitCode = 1;
    return;
  }
  const log = createLog(settings.logLevel, secretValues(settings));
  if (deliberateFailure(settings.version) === "start") {
    log.error(`cannot start: version ${settings.version} fails at start on purpose`, {
      version: settings.version,
    });
    process.exitCode = 1;
    return;
  }
  serve(settings, log);
}

function serve(settings: Settings, log: Log): void {
  const failure = deliberateFailure(settings.version);
  const broken = failure === "health" ? (brokenHealth(settings.version) ?? "always") : undefined;
  const startedAt = process.uptime();
  const expectedSchema = newestMigration();
  const pool = createPool(settings.databaseUrl, `togather ${settings.version}`);
  // The pool replaces a connection that breaks while idle; without a listener the process would end.
  pool.on("error", (error) => log.warn("an idle database connection broke", { error: textOf(error) }));
  const worker = createWorker(pool, log, { index_event: (job) => indexEvent(pool, job) });
  const complain = atMostEvery(10_000, (reason: string) => log.error("health check failing", { reason }));
  const checks = createChecks(pool, worker, complain);
  const routes = createRoutes(pool, settings);
  const instance = hostname();
  let draining = false;
  let served = 0;

  async function answer(request: IncomingMessage): Promise<{ status: number; body: unknown }> {
    const url = request.url ?? "/";
    const mark = url.indexOf("?");
    const path = mark < 0 ? url : url.slice(0, mark);
    if (path === "/health") {
      const uptimeSeconds = process.uptime() - startedAt;
      const health = judge(spoil(await checks(), broken), {
        version: settings.version,
        expectedSchema,
        uptimeSeconds,
        broken,
      });
      if (failure === "health") complain(`version ${settings.version} is never healthy, on purpose`);
      return { status: health.status === "unhealthy" ? 503 : 200, body: health };
    }
    served += 1;
    if (failure === "after" && served >= settings.brokenAfterRequests) {
      log.error(`dying: version ${settings.version} ends after ${served} requests, on purpose`);
      process.exit(1);
    }
    const method = request.method === "HEAD" ? "GET" : (request.method ?? "GET");
    const route = routes[`${method} ${path}`];
    if (route !== undefined) return route(request, new URLSearchParams(mark < 0 ? "" : url.slice(mark + 1)));
    const other = Object.keys(routes).filter((key) => key.endsWith(` ${path}`));
    if (other.length > 0) return { status: 405, body: { error: `${path} answers ${other.join(", ")}` } };
    return { status: 404, body: { error: `nothing at ${path}` } };
  }

  const server = createServer((request, response) => {
    const began = performance.now();
    answer(request)
      .catch((error: unknown) => {
        if (error instanceof BadRequest) return { status: 400, body: { error: error.message } };
        log.error("request failed", { method: request.method, path: request.url, error: textOf(error) });
        return { status: 500, body: { error: "internal error" } };
      })
      .then(({ status, body }) => {
        send(response, status, body);
        log.debug("request", {
          method: request.method,
          path: request.url,
          status,
          milliseconds: Math.round(performance.now() - began),
        });
      });
  });
  server.keepAliveTimeout = keepAliveSeconds * 1000;
  server.headersTimeout = (keepAliveSeconds + 5) * 1000;

  function send(response: ServerResponse, status: number, body: unknown): void {
    const text = JSON.stringify(body);
    const headers: Record<string, string | number> = {
      "Content-Type": "application/json",
      "Content-Length": Buffer.byteLength(text),
      "X-Togather-Version": settings.version,
      "X-Togather-Instance": instance,
    };
    // While draining, each answer asks its client to come back over a new connection, which leads elsewhere.
    if (draining) headers.Connection = "close";
    response.writeHead(status, headers);
    response.end(text);
  }

  async function shutDown(signal: string): Promise<void> {
    if (draining) return;
    draining = true;
    log.info("draining", { signal, seconds: settings.drainSeconds });
    await new Promise((resolve) => setTimeout(resolve, settings.drainSeconds * 1000));
    const closed = new Promise<boolean>((resolve) => server.close(() => resolve(true)));
    const late = new Promise<boolean>((resolve) =>
      setTimeout(() => resolve(false), inFlightSeconds * 1000).unref(),
    );
    const [answered] = await Promise.all([Promise.race([closed, late]), worker.stop(inFlightSeconds)]);
    if (!answered) {
      log.warn("requests were still unanswered at the end", { seconds: inFlightSeconds });
      server.closeAllConnections();
      process.exitCode = 1;
    }
    await pool.end();
    log.info("stopped");
  }

  server.once("error", (error) => {
    log.error(`cannot listen on port ${settings.port}`, { error: textOf(error) });
    process.exit(1);
  });
  server.listen(settings.port, () => {
    log.info("serving", {
      port: settings.port,
      version: settings.version,
      commit: settings.commit,
      environment: settings.environment,
      expectedSchema,
    });
    worker.start();
  });
  for (const signal of ["SIGTERM", "SIGINT"] as const) {
    process.on(signal, () => {
      shutDown(signal).catch((error: unknown) => {
        log.error("shutting down failed", { error: textOf(error) });
        process.exit(1);
      });
    });
  }
}

/** The schema version that this image's migrations lead to. */
function newestMigration(): number {
  const numbers = readdirSync(migrationsFolder).map((name) =>
    Number(/^(\d+)_.*\.up\.sql$/.exec(name)?.[1] ?? 0),
  );
  return Math.max(0, ...numbers);
}

function atMostEvery(milliseconds: number, act: (reason: string) => void): (reason: string) => void {
  let last = Number.NEGATIVE_INFINITY;
  return (reason) => {
    if (performance.now() - last < milliseconds) return;
    last = performance.now();
    act(reason);
  };
}

main();
