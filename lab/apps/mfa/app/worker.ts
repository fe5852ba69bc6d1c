import { setTimeout as sleep } from "node:timers/promises";
import { readDeclaration } from "../../server/declaration.ts";
import { createLog, textOf } from "../../server/log.ts";
import { createPool } from "../../server/pool.ts";
import { readSettings, type Settings, SettingsError } from "../../server/settings.ts";
import { deliberateFailure } from "../../server/version.ts";
import { askAirtable } from "./outside.ts";
import { Consumer, connect, type SyncJob } from "./queue.ts";

/**
 * The worker, which keeps Postgres and Airtable in step in the real app (the seed's L159): takes jobs from the queue, gives each one
 * effect, a row of `sync_effects`, and says how it is as `sync:status`. It listens nowhere.
 */

const batch = 50;
const idleMilliseconds = 100;
const beatMilliseconds = 1_000;
/** What the app alone reads; the seed's L297 to L309. */
const ofTheAppAlone = /^(JWT_SECRET|OPENAI_API_KEY|SMTP_\w+)$/;

function settingsOrEnd(): Settings {
  const { variables, ...rest } = readDeclaration();
  const own = Object.entries(variables).filter(([name]) => !ofTheAppAlone.test(name));
  try {
    const settings = readSettings({ ...rest, variables: Object.fromEntries(own) }, process.env);
    if (deliberateFailure(settings.version) !== "start") return settings;
    throw new Error(`version ${settings.version} fails at start on purpose`);
  } catch (error) {
    const problems = error instanceof SettingsError ? error.problems : [];
    createLog("error", []).error(`cannot start: ${textOf(error)}`, { problems });
    process.exit(1);
  }
}

const { version, values, logLevel, secrets } = settingsOrEnd();
const log = createLog(logLevel, secrets);
const connection = { connectionString: values.DATABASE_URL ?? "", max: 2 };
const pool = createPool(connection, `mfa worker ${version}`);
pool.on("error", (error) => log.warn("an idle database connection broke", { error: textOf(error) }));
const redis = connect(values.REDIS_URL ?? "", (error) => log.warn("Redis", { error: textOf(error) }));
const consumer = new Consumer(redis);
const millisecondsPerJob = 1_000 / Number(values.SYNC_JOBS_PER_SECOND);
let ending = false;
let done = 0;
let airtable = "not asked";

/** Jobs of one delivery; what was delivered before has its effect, and a further delivery is counted. */
async function work(taken: readonly string[]): Promise<void> {
  const ids = taken.map((job) => (JSON.parse(job) as SyncJob).id);
  await pool.query(
    `INSERT INTO sync_effects (job, version) SELECT unnest($1::text[]), $2
     ON CONFLICT (job) DO UPDATE SET deliveries = sync_effects.deliveries + 1`,
    [[...new Set(ids)], version],
  );
  await consumer.done(taken);
  done += taken.length;
  await sleep(taken.length * millisecondsPerJob);
}

let nextBeat = 0;
async function turn(): Promise<void> {
  if (Date.now() >= nextBeat) {
    airtable = await askAirtable(values);
    await consumer.beat({ version, done, airtable, at: new Date().toISOString() });
    nextBeat = Date.now() + beatMilliseconds;
  }
  const taken = await consumer.take(batch);
  if (taken.length === 0) await sleep(idleMilliseconds);
  else await work(taken);
}

for (const signal of ["SIGTERM", "SIGINT"] as const) {
  process.on(signal, () => {
    log.info("draining", { signal });
    ending = true;
  });
}
log.info("working", { version, outside: readDeclaration().outside?.map(({ host }) => host) });
let complained = false;
while (!ending) {
  try {
    await turn();
    complained = false;
  } catch (error) {
    // What was taken is in this worker's list; without its database or queue it can only wait.
    if (!complained) log.warn("cannot work", { error: textOf(error) });
    complained = true;
    await sleep(500);
    await consumer.leave().catch(() => undefined);
  }
}
await consumer.leave().catch((error: unknown) => log.warn("jobs stay taken", { error: textOf(error) }));
redis.destroy();
await pool.end();
log.info("stopped", { done });
