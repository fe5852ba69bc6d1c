import { BadRequest, readJson } from "../../server/http.ts";
import { textOf } from "../../server/log.ts";
import type { Answer, Route, SpecialContext } from "../../server/special.ts";
import { connect, enqueue, keys, type Redis } from "./queue.ts";

/** What the declaration cannot say: the cache and the queue in Redis. The paths but for L488's are the stand-in's own. */

const cacheSeconds = 30;
const mostJobs = 1_000;
const jobId = /^[\w-]{1,100}$/;

/** By method and path. */
export function routes({ pool, setting }: SpecialContext): Readonly<Record<string, Route>> {
  const database = pool();
  const redis = connect(setting("REDIS_URL"), (error) => console.error(`Redis: ${textOf(error)}`));
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
