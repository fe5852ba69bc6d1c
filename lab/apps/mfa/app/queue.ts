import { hostname } from "node:os";
import { createClient } from "@redis/client";

/** The job queue and the cache in Redis, whose keys begin with `sync:` (the seed's L389) and `cache:`. */

/** A client that comes back by itself when Redis restarts; a command waits for it `commandMilliseconds` and then fails. */
export type Redis = ReturnType<typeof connect>;

const commandMilliseconds = 2_000;

export function connect(url: string, onTrouble: (error: unknown) => void) {
  const client = createClient({
    url,
    socket: { reconnectStrategy: (attempts) => Math.min(50 * 2 ** attempts, 1_000), connectTimeout: 2_000 },
    commandOptions: { timeout: commandMilliseconds },
  });
  client.on("error", onTrouble);
  // It goes on trying by itself; what fails until then are the commands.
  client.connect().catch(onTrouble);
  return client;
}

export const keys = {
  queue: "sync:queue",
  /** The worker's last word (the seed's L145), JSON. */
  status: "sync:status",
  working: (worker: string) => `sync:working:${worker}`,
  alive: (worker: string) => `sync:alive:${worker}`,
  programs: "cache:programs",
} as const;

/** One piece of work: `id` has one effect, however often it is delivered. */
export interface SyncJob {
  readonly id: string;
}

export async function enqueue(redis: Redis, ids: readonly string[]): Promise<void> {
  if (ids.length > 0)
    await redis.lPush(
      keys.queue,
      ids.map((id) => JSON.stringify({ id } satisfies SyncJob)),
    );
}

/** How long a worker that says nothing still counts as alive. */
const aliveSeconds = 10;
const me = `${hostname()}-${process.pid}`;

/** Takes jobs one after the other into a list of this worker's own, so that none is lost with it. */
export class Consumer {
  readonly #redis: Redis;

  constructor(redis: Redis) {
    this.#redis = redis;
  }

  /** The next jobs, at most `count`, as they are in the list. */
  async take(count: number): Promise<string[]> {
    const moves = Array.from({ length: count }, () =>
      this.#redis.lMove(keys.queue, keys.working(me), "RIGHT", "LEFT"),
    );
    return (await Promise.all(moves)).filter((job) => job !== null);
  }

  async done(jobs: readonly string[]): Promise<void> {
    await Promise.all(jobs.map((job) => this.#redis.lRem(keys.working(me), 1, job)));
  }

  /** Says that this worker lives, and puts back what is in the hands of those that do not. */
  async beat(status: object): Promise<void> {
    await this.#redis.set(keys.alive(me), "1", { expiration: { type: "EX", value: aliveSeconds } });
    await this.#redis.set(keys.status, JSON.stringify({ worker: me, ...status }));
    for await (const found of this.#redis.scanIterator({ MATCH: keys.working("*"), COUNT: 100 })) {
      for (const list of found) {
        const worker = list.slice(keys.working("").length);
        if (worker === me || (await this.#redis.exists(keys.alive(worker))) === 1) continue;
        await this.#putBack(worker);
      }
    }
  }

  /** At the end: what is not done goes back at once. */
  async leave(): Promise<void> {
    await this.#putBack(me);
    await this.#redis.del(keys.alive(me));
  }

  async #putBack(worker: string): Promise<void> {
    while ((await this.#redis.lMove(keys.working(worker), keys.queue, "LEFT", "RIGHT")) !== null);
  }
}
