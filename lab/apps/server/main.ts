/** The server of a stand-in, configured by its declaration. Serves until SIGTERM, then drains and ends. */
import { readdirSync } from "node:fs";
import { type NamedStandIn, readDeclaration } from "./declaration.ts";
import { createChecks } from "./health.ts";
import { createWorker } from "./jobs.ts";
import { createLog, type Log, textOf } from "./log.ts";
import { createPool } from "./pool.ts";
import { createRoutes, serve } from "./serve.ts";
import { connectionOf, readSettings, type Settings, SettingsError } from "./settings.ts";
import type { Special, SpecialContext } from "./special.ts";
import { deliberateFailure } from "./version.ts";

/** Together with the 2 s of draining this is less than the 10 s that an orchestrator waits before it kills. */
const inFlightSeconds = 7;

async function main(): Promise<void> {
  const declaration = readDeclaration();
  let settings: Settings;
  try {
    settings = readSettings(declaration, process.env);
  } catch (error) {
    const problems = error instanceof SettingsError ? error.problems : [];
    createLog("error", []).error(`cannot start: ${textOf(error)}`, { problems });
    process.exitCode = 1;
    return;
  }
  const log = createLog(settings.logLevel, settings.secrets);
  if (deliberateFailure(settings.version) === "start") {
    log.error(`cannot start: version ${settings.version} fails at start on purpose`, {
      version: settings.version,
    });
    process.exitCode = 1;
    return;
  }
  await run(declaration, settings, log);
}

async function run(declaration: NamedStandIn, settings: Settings, log: Log): Promise<void> {
  const { database, jobs, http, name } = declaration;
  const { version } = settings;
  const pool = database && createPool(connectionOf(database, settings.values), `${name} ${version}`);
  // The pool replaces a connection that breaks while idle; without a listener the process would end.
  pool?.on("error", (error) => log.warn("an idle database connection broke", { error: textOf(error) }));
  const closing: (() => Promise<unknown>)[] = [];
  const context: SpecialContext = {
    pool: () => pool ?? fail(`${name} declares no database`),
    connection: () => connectionOf(database ?? fail(`${name} declares no database`), settings.values),
    setting: (key) => settings.values[key] ?? fail(`${key} is not set`),
    version,
    atEnd: (close) => closing.push(close),
  };
  const special: Special =
    declaration.special === undefined
      ? {}
      : ((await import(new URL(`../${name}/${declaration.special}`, import.meta.url).href)) as Special);
  const worker = pool && jobs && createWorker(pool, jobs.table, log, special.jobs?.(context) ?? {});
  const complain = atMostEvery(10_000, (reason: string) => log.error("health check failing", { reason }));
  const service =
    http &&
    serve({
      name,
      http,
      considers: http.health.considers ?? considered(declaration),
      routes: { ...createRoutes(http.routes ?? {}, pool), ...special.routes?.(context) },
      other: await special.other?.(context),
      checks: createChecks({ pool, worker, schemaState: database?.migrations?.state }, complain),
      complain,
      expectedSchema: newestMigration(database?.migrations?.folder),
      settings,
      log,
    });
  const started = {
    ...{ version, commit: settings.commit, environment: process.env.ENVIRONMENT ?? process.env.NODE_ENV },
    outside: declaration.outside?.map(({ host }) => host),
  };

  let ending = false;
  async function shutDown(signal: string): Promise<void> {
    if (ending) return;
    ending = true;
    const drainSeconds = http?.refusesAtOnce ? 0 : settings.drainSeconds;
    log.info("draining", { signal, seconds: drainSeconds });
    service?.drain();
    await new Promise((resolve) => setTimeout(resolve, drainSeconds * 1000));
    const [answered] = await Promise.all([service?.close(inFlightSeconds), worker?.stop(inFlightSeconds)]);
    if (answered === false) {
      log.warn("requests were still unanswered at the end", { seconds: inFlightSeconds });
      process.exitCode = 1;
    }
    await Promise.all([pool?.end(), ...closing.map((close) => close())]);
    clearInterval(alive);
    log.info("stopped");
  }
  // Keeps a process without a server or timers running.
  const alive = setInterval(() => undefined, 60_000);
  for (const signal of ["SIGTERM", "SIGINT"] as const) {
    process.on(signal, () => {
      shutDown(signal).catch((error: unknown) => {
        log.error("shutting down failed", { error: textOf(error) });
        process.exit(1);
      });
    });
  }
  await service?.listening;
  log.info(http?.startedMessage ?? (http ? "serving" : "working"), {
    ...(http && { port: settings.port, url: `http://localhost:${settings.port}` }),
    ...started,
  });
  worker?.start();
}

/** By default the health includes all checks that the app has. */
function considered({ database, jobs }: NamedStandIn) {
  return [
    ...(database ? (["database"] as const) : []),
    ...(database?.migrations ? (["migrations"] as const) : []),
    ...(jobs ? (["jobs"] as const) : []),
  ];
}

/** The schema version that this image's migrations lead to. */
function newestMigration(folder: string | undefined): number {
  if (folder === undefined) return 0;
  return Math.max(0, ...readdirSync(folder).map((name) => Number.parseInt(name, 10)));
}

function fail(message: string): never {
  throw new Error(message);
}

function atMostEvery(milliseconds: number, act: (reason: string) => void): (reason: string) => void {
  let last = Number.NEGATIVE_INFINITY;
  return (reason) => {
    if (performance.now() - last < milliseconds) return;
    last = performance.now();
    act(reason);
  };
}

main().catch((error: unknown) => {
  createLog("error", []).error(`cannot start: ${textOf(error)}`);
  process.exit(1);
});
