import { setTimeout as sleep } from "node:timers/promises";
import { expect, test } from "vitest";
import { openClient } from "../clients.ts";
import { sql } from "../database.ts";
import { power } from "../faults.ts";
import { leftovers } from "../leftovers.ts";
import { scenariosOf } from "../search.ts";
import { labOk, nameOf, onMachine, service, setting } from "../support.ts";
import { mfaSystem, set } from "../systems.ts";
import { printTable } from "../tables.ts";

/** 10,000 jobs in Redis while everything around them is released and restarted: none is lost, each has one effect. */

scenariosOf(mfaSystem);

/** Slow enough that the queue is never empty; Airtable's own limit is 50. */
const jobsPerSecond = Number(process.env.BERTH_TEST_JOBS_PER_SECOND ?? 40);
const jobs = 10_000;
const batch = 500;
const slow = set(`mfa:worker.environment={"SYNC_JOBS_PER_SECOND":"${jobsPerSecond}"}`);
const other = (version: string) => (version === "v1.0.0" ? "v1.1.0" : "v1.0.0");

const redis = async (...words: string[]) =>
  (
    await onMachine(
      `docker exec "$(docker ps --quiet --filter label=berth.resource=${nameOf("redis")} --filter status=running | head -n 1)" sh -c 'REDISCLI_AUTH=$(sed -n "s/^requirepass //p" /run/secrets/redis.conf) redis-cli --raw ${words.join(" ")}'`,
    )
  ).trim();
const effects = async (name: string) =>
  Number(await sql(`SELECT count(*) FROM sync_effects WHERE job LIKE '${name}-%'`));

test("a release, a restart of Redis and a reboot of the host: every job that was taken has one effect", async () => {
  const name = `queue${Date.now()}`;
  const system = await service();
  const client = await openClient(system, 70);
  let sent = 0;
  let refused = 0;
  /** Puts jobs into the queue; what is not answered with 202 is put in again, as a client would. */
  const put = async (count: number) => {
    const until = sent + count;
    const deadline = Date.now() + 300_000;
    while (sent < until) {
      const ids = Array.from(
        { length: Math.min(batch, until - sent) },
        (_, index) => `${name}-${sent + index}`,
      );
      const body = JSON.stringify({ ids }).replaceAll('"', '\\"');
      const [status] = await client.ask("/api/sync", { curl: `data = "${body}"` });
      if (status === 202) sent += ids.length;
      else {
        refused += 1;
        if (Date.now() > deadline) throw new Error(`POST /api/sync is answered with ${status}`);
        await sleep(1000);
      }
    }
  };
  const rows: (string | number)[][] = [];
  const note = async (what: string) =>
    rows.push([what, sent, await effects(name), await redis("LLEN", "sync:queue")]);

  await labOk("up", ...slow, ...setting("version", system.version));
  await put(3000);
  await note("before");
  const release = labOk("up", ...slow, ...setting("version", other(system.version)));
  await put(3000);
  await release;
  await note("after a release");

  await onMachine(`docker kill "$(docker ps --quiet --filter label=berth.resource=${nameOf("redis")})"`);
  await put(4000);
  await note("after a restart of Redis");

  expect(Number(await redis("LLEN", "sync:queue")), "jobs wait while the plug is pulled").toBeGreaterThan(0);
  await power("poweroff");
  await power("poweron");
  await expect
    .poll(() => client.ask("/api/health").then(([status]) => status), { timeout: 240_000, interval: 2000 })
    .toBe(200);
  await note("after a reboot of the host");
  await client.close();

  await labOk("up", ...setting("version", other(system.version)));
  await expect.poll(() => effects(name), { timeout: 300_000, interval: 2000 }).toBe(jobs);
  await note("at the end");
  printTable(
    `10,000 jobs at ${jobsPerSecond} a second of one worker`,
    ["when", "taken", "done", "in the queue"],
    rows,
  );
  const [delivered = "", most = ""] = (
    await sql(`SELECT sum(deliveries), max(deliveries) FROM sync_effects WHERE job LIKE '${name}-%'`)
  ).split("|");
  process.stdout.write(
    `${jobs} jobs, ${Number(delivered) - jobs} delivered again (one at most ${most} times), ${refused} requests refused and repeated\n`,
  );
  expect(sent).toBe(jobs);
  expect(await redis("LLEN", "sync:queue")).toBe("0");
  expect(await redis("KEYS", "sync:working:*")).toBe("");
  expect(await leftovers()).toEqual([]);
});

test("what appendfsync always costs, beside everysec", async () => {
  const count = 2000;
  const rows: (string | number)[][] = [];
  for (const fsync of ["everysec", "always", "everysec", "always"]) {
    await redis("CONFIG", "SET", "appendfsync", fsync);
    const seconds = Number(
      await onMachine(
        `container=$(docker ps --quiet --filter label=berth.resource=${nameOf("redis")})
began=$EPOCHREALTIME
seq ${count} | sed 's/^/LPUSH bench:fsync /' | docker exec --interactive "$container" sh -c 'REDISCLI_AUTH=$(sed -n "s/^requirepass //p" /run/secrets/redis.conf) redis-cli >/dev/null'
awk -v from="$began" -v to="$EPOCHREALTIME" 'BEGIN { print to - from }'`,
        180,
      ),
    );
    rows.push([fsync, count, seconds.toFixed(2), Math.round(count / seconds)]);
  }
  await redis("DEL", "bench:fsync");
  const configured = await redis("CONFIG", "SET", "appendfsync", "everysec");
  expect(configured).toBe("OK");
  printTable(
    "one LPUSH after another, by one client",
    ["appendfsync", "pushes", "seconds", "a second"],
    rows,
  );
  // What MFA puts in at most: its edge lets 100 requests a second of one client through.
  for (const [fsync, , , rate] of rows) expect(Number(rate), String(fsync)).toBeGreaterThan(100);
});
