import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, expect, test } from "vitest";
import { until } from "../../lab/until.ts";
import { sql } from "../database.ts";
import { scenariosOf } from "../search.ts";
import { labOk, onMachine, ops, running } from "../support.ts";
import { sertantaiSystem, set } from "../systems.ts";
import { printTable } from "../tables.ts";
import { followRegister } from "./shape.ts";

/** ElectricSQL's own client follows a table while what it is read through is released, and ElectricSQL itself is replaced. */

scenariosOf(sertantaiSystem);

type Client = Awaited<ReturnType<typeof followRegister>>;
const clients: Client[] = [];
afterAll(() => {
  for (const client of clients) client.stop();
});

async function follow(): Promise<Client> {
  const client = await followRegister();
  clients.push(client);
  await client.rows();
  return client;
}

/** One row each 250 ms, on the host, for as long as `work` takes; then how many, and the client's longest time without a new one. */
async function whileWriting(client: Client, work: () => Promise<unknown>) {
  const name = `row${Date.now()}`;
  const stop = `/tmp/stop-${name}`;
  const postgres = `$(docker ps --quiet --filter label=berth.resource=sertantai_postgres)`;
  const loop = `postgres=${postgres}; n=0; until [ -e ${stop} ] || [ $n -ge 4000 ]; do n=$((n + 1)); docker exec "$postgres" psql --no-psqlrc --quiet -U postgres -d sertantai_legal -c "INSERT INTO uk_lrt (name, year) VALUES ('${name}_$n', 2026)"; sleep 0.25; done; echo $n`;
  const written = onMachine(loop, 1200);
  let longestMs = 0;
  let last = Date.now();
  let seen = 0;
  const watch = setInterval(() => {
    const now = client.current().length;
    if (now !== seen) {
      longestMs = Math.max(longestMs, Date.now() - last);
      [seen, last] = [now, Date.now()];
    }
  }, 50);
  await sleep(2000);
  await work().finally(() => onMachine(`touch ${stop}`));
  const rows = Number(await written);
  await until("the client has every row", 60, async () =>
    client.current().filter((row) => String(row.name).startsWith(name)).length === rows ? true : undefined,
  );
  clearInterval(watch);
  return { rows, longestMs };
}

const told = (client: Client, from: number) => {
  const statuses = client.answers.slice(from).map(({ status }) => status);
  return [...Map.groupBy(statuses, (status) => status)]
    .map(([status, all]) => `${status}: ${all.length}`)
    .join(", ");
};

test("a release of the backend with a migration: the client goes on, without a failed request", async () => {
  const client = await follow();
  const before = client.answers.length;
  const handle = client.handle();
  const { rows, longestMs } = await whileWriting(client, () =>
    labOk("up", ...set("sertantai:backend.version=v2.0.0")),
  );
  printTable(
    "a release of the backend",
    ["rows", "longest without one", "answers", "refetches"],
    [[rows, `${longestMs} ms`, told(client, before), client.refetches()]],
  );
  expect(client.failures).toEqual([]);
  expect(client.answers.slice(before).every(({ status }) => status === 200)).toBe(true);
  expect([client.refetches(), client.handle()]).toEqual([0, handle]);
});

test("ElectricSQL is replaced, one after the other: its gap is named, and the client goes on where it was", async () => {
  const client = await follow();
  const before = client.answers.length;
  const handle = client.handle();
  const time = new Date().toISOString().replace(/\.\d+Z$/, "Z");
  const restart = set("sertantai:backend.version=v2.0.0", `sertantai:electric.restartedAt=${time}`);
  const preview = await labOk("preview", ...restart);
  expect(preview.output).toMatch(/sertantai_electric: it may not run twice.*Nothing of it runs until/s);
  const { rows, longestMs } = await whileWriting(client, () => labOk("up", ...restart));
  const log = await onMachine(
    "sudo grep --recursive --no-filename 'nothing of sertantai_electric ran' /var/log/sertantai/deployments | tail -n 1",
  );
  printTable(
    "ElectricSQL is replaced",
    ["rows", "longest without one", "answers", "refetches", "said by the deployment"],
    [[rows, `${longestMs} ms`, told(client, before), client.refetches(), log.trim()]],
  );
  expect(log).toMatch(/nothing of sertantai_electric ran for [\d.]+ s/);
  expect([client.refetches(), client.handle()]).toEqual([0, handle]);
  expect(await sql("SELECT slot_name, active FROM pg_replication_slots")).toBe("electric_slot_legal|t");
});

test("its cache is cleared on purpose only: then the client begins anew", async () => {
  const client = await follow();
  const handle = client.handle();
  const rows = client.current().length;
  const cleared = await ops("clear-cache", "sertantai", "electric");
  expect(cleared.exitCode, cleared.output).toBe(0);
  expect(cleared.stdout).toMatch(/^sertantai_electric was cleared; nothing of it ran for [\d.]+ s\n$/);
  process.stdout.write(cleared.stdout);
  await until("the client has begun anew", 60, async () =>
    client.handle() !== handle && client.current().length === rows ? true : undefined,
  );
  expect(client.refetches()).toBeGreaterThan(0);
  for (const other of ["backend", "postgres"]) {
    const refused = await ops("clear-cache", "sertantai", other);
    expect(refused.exitCode).not.toBe(0);
    expect(refused.output).toMatch(/keeps no folder from one release to the next|has no release/);
  }
});

test("a snapshot is restored: ElectricSQL streams the restored database, and the client has its rows", async () => {
  const client = await follow();
  const snapshot = await ops("snapshot", "sertantai", "--database", "sertantai_legal");
  expect(snapshot.exitCode, snapshot.output).toBe(0);
  await sql("DELETE FROM uk_lrt");
  await until("the client has lost its rows", 30, async () =>
    client.current().length === 0 ? true : undefined,
  );
  const restored = await ops("restore", "sertantai", "--database", "sertantai_legal", "--yes");
  expect(restored.exitCode, restored.output).toBe(0);
  const rows = Number(await sql("SELECT count(*) FROM uk_lrt"));
  expect(rows).toBeGreaterThan(0);
  await until("the client has the restored rows", 90, async () =>
    client.current().length === rows ? true : undefined,
  );
  await sql("INSERT INTO uk_lrt (name, year) VALUES ('after the restore', 2026)");
  await until("the client has what came after", 30, async () =>
    client.current().length === rows + 1 ? true : undefined,
  );
  expect(await sql("SELECT slot_name, database, active FROM pg_replication_slots")).toBe(
    "electric_slot_legal|sertantai_legal|t",
  );
});

test("a replication slot that nobody streams is named", async () => {
  await sql("SELECT pg_create_logical_replication_slot('electric_slot_old', 'pgoutput')");
  const { output } = await ops("status");
  await sql("SELECT pg_drop_replication_slot('electric_slot_old')");
  expect(output).toContain("electric_slot_legal: streams");
  expect(output).toMatch(/electric_slot_old: nobody streams it, it keeps \d+/);
  expect((await running("sertantai", "electric")).healthy).toBe(true);
});
