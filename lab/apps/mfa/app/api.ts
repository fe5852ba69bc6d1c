import { BadRequest, readJson } from "../../server/http.ts";
import { textOf } from "../../server/log.ts";
import type { Answer, Route, SpecialContext } from "../../server/special.ts";
import { askAirtable, askMailServer, askOpenAi } from "./outside.ts";
import { connect, enqueue, keys, type Redis } from "./queue.ts";

/** What the declaration cannot say: the cache and the queue in Redis. The paths but for L488's are the stand-in's own. */

const cacheSeconds = 30;
const mostJobs = 1_000;
const asked = [
  ...["AIRTABLE_ENDPOINT_URL", "AIRTABLE_BASE_ID", "AIRTABLE_ACCESS_TOKEN"],
  ...["OPENAI_BASE_URL", "OPENAI_API_KEY", "SMTP_SERVER", "SMTP_PORT"],
];
const jobId = /^[\w-]{1,100}$/;

/** By method and path. */
export function routes({ pool, setting, atEnd }: SpecialContext): Readonly<Record<string, Route>> {
  const database = pool();
  const optional = (name: string) => {
    try {
      return setting(name);
    } catch {
      return undefined;
    }
  };
  const redis = connect(setting("REDIS_URL"), (error) => console.error(`Redis: ${textOf(error)}`));
  atEnd(async () => redis.destroy());
  return {
    async "GET /api/programs"() {
      // Without its cache it is slower, not gone.
      const cached = await redis.get(keys.programs).catch(() => null);
      if (cached !== null) return { status: 200, body: JSON.parse(cached) as unknown };
      const { rows } = await database.query("SELECT id, name FROM programs ORDER BY id DESC LIMIT 20");
      const expiration = { type: "EX", value: cacheSeconds } as const;
      await redis.set(keys.programs, JSON.stringify(rows), { expiration }).catch(() => undefined);
      return { status: 200, body: rows };
    },

    /** Jobs for the worker, by their ids; what has been answered with 202 is in the queue. */
    async "POST /api/sync"(request) {
      const { ids } = (await readJson(request)) as { ids?: unknown };
      if (!Array.isArray(ids) || ids.length > mostJobs || !ids.every((id) => jobId.test(String(id))))
        throw new BadRequest(`ids: a list of 1 to ${mostJobs} ids of letters, digits, _ and -`);
      return queueAnswer(() => enqueue(redis, ids.map(String)));
    },

    /** Whom the app talks to beyond its system, and what each answers. */
    async "GET /api/outside"() {
      const values = Object.fromEntries(asked.map((name) => [name, optional(name)]));
      const [airtable, openai, mail] = await Promise.all([
        askAirtable(values),
        askOpenAi(values),
        askMailServer(values),
      ]);
      return { status: 200, body: { airtable, openai, mail } };
    },

    /** L488 */
    "POST /api/cache/invalidate": () => queueAnswer(() => clear(redis)),
  };
}

async function clear(redis: Redis): Promise<void> {
  for await (const found of redis.scanIterator({ MATCH: "cache:*", COUNT: 100 })) {
    if (found.length > 0) await redis.del(found);
  }
}

async function queueAnswer(work: () => Promise<void>): Promise<Answer> {
  try {
    await work();
    return { status: 202 };
  } catch (error) {
    return { status: 503, body: { error: textOf(error) }, headers: { "Retry-After": "2" } };
  }
}
