import { join } from "node:path";
import { execa } from "execa";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type BackupHost, startBackupHost, testStore } from "../lab/backup-host.ts";
import { ownHome } from "../lab/own-lab.ts";
import { type PostgresTestServer, startPostgres } from "../lab/postgres-server.ts";
import { printTable } from "./tables.ts";

/**
 * What a backup, a restore, a drill and point in time of a database of 1 GB take, beside plain `pg_dump` and `pg_restore` on the same server in the same
 * run. BERTH_TEST_MEBIBYTES makes another size.
 */
const mebibytes = Number(process.env.BERTH_TEST_MEBIBYTES ?? 1024);
const home = ownHome("backup-times");
const source = "database togather_postgres/togather";
const rows: [string, number][] = [];

let server: PostgresTestServer;
let host: BackupHost;

async function timed<T>(what: string, work: () => Promise<T>): Promise<T> {
  const began = performance.now();
  const result = await work();
  rows.push([what, (performance.now() - began) / 1000]);
  return result;
}

/** A command in the server's container, which has what it writes to itself. */
const inServer = (...words: string[]) =>
  execa("docker", ["exec", "--user", "postgres", server.container, ...words], {
    env: { DOCKER_HOST: server.dockerHost },
    timeout: 900_000,
  });

beforeAll(async () => {
  server = await startPostgres("backup-times");
  host = await startBackupHost({
    ...{ home, of: "togather", ...testStore },
    dockerHost: server.dockerHost,
    data: () => [
      {
        ...{ kind: "database", of: "togather", server: "togather_postgres", name: "togather", after: [] },
        ...{ image: server.image, dataPath: "/var/lib/postgresql/data" },
      },
    ],
    functions: `find_postgres() { postgres=${server.container}; }`,
  });
  await host.install();
  await server.query("CREATE DATABASE togather");
  // Hexadecimal digits, which compress to half: some 1 KiB a row.
  const text = Array.from({ length: 31 }, (_, part) => `md5((n * 31 + ${part})::text)`).join(" || ");
  await server.query(
    `CREATE TABLE events (id bigint PRIMARY KEY, name text, created_at timestamptz DEFAULT now());
     INSERT INTO events (id, name) SELECT n, ${text} FROM generate_series(1, ${mebibytes} * 1000) AS n;
     CREATE INDEX ON events (created_at); ANALYZE; CHECKPOINT;`,
    "togather",
  );
});
afterAll(async () => {
  const [, plainDump = 1] = rows.find(([what]) => what === "pg_dump -Fc") ?? [];
  const [, plainRestore = 1] = rows.find(([what]) => what === "pg_restore") ?? [];
  printTable(
    `a database of ${mebibytes} MiB`,
    ["what", "seconds", "against plain"],
    rows.map(([what, seconds]) => [
      what,
      seconds.toFixed(1),
      (seconds / (/backup/.test(what) ? plainDump : plainRestore)).toFixed(2),
    ]),
  );
  await host?.close();
  await server?.stop();
});

test("plain pg_dump and pg_restore, for comparison", async () => {
  await timed("pg_dump -Fc", () => inServer("pg_dump", "-Fc", "--file", "/tmp/plain.dump", "togather"));
  await inServer("createdb", "plain");
  await timed("pg_restore", () => inServer("pg_restore", "--dbname", "plain", "/tmp/plain.dump"));
  await inServer("dropdb", "plain");
  await inServer("rm", "/tmp/plain.dump");
});

test("a backup is written, sent and read back; a second one too", async () => {
  await timed("first backup", () => host.ok("take"));
  await timed("next backup", () => host.ok("take"));
});

test("a drill restores it into a throwaway server, with every row", async () => {
  const said = await timed("drill", () => host.ok("drill"));
  process.stdout.write(said);
  expect(said).toContain(`1 tables, ${mebibytes * 1000} rows`);
});

test("a backup is fetched to be restored", async () => {
  const [newest] = (JSON.parse(await host.ok("list")) as { id: string; source: string }[])
    .filter((entry) => entry.source === source)
    .reverse();
  const name = (await timed("fetch", () => host.ok("fetch", newest?.id ?? "", source))).trim();
  const { stdout } = await execa("tar", ["-tf", join(host.folder, "snapshots", name)]);
  expect(stdout).toContain("manifest.json");
});

test("point in time, after a base backup of the whole server: a row that was deleted", async () => {
  await host.install({ pointInTime: {} });
  await timed("base backup", () => host.ok("first"));
  await server.query("DELETE FROM events WHERE id = 1", "togather");
  const [row] = await server.query(
    `SELECT to_char(now() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') AS at, pg_sleep(2)`,
  );
  await server.query("DELETE FROM events WHERE id = 2", "togather");
  const said = await timed("point in time", () =>
    host.ok("recover", "togather_postgres", "togather", String(row?.at)),
  );
  process.stdout.write(`${said}\n`);
  expect(JSON.parse(said.trim().split("\n").at(-1) ?? "")).toMatchObject({ at: row?.at, tables: "1" });
});
