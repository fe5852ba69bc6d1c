import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { execa } from "execa";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { readScript, wholeScript } from "../../components/host/command.ts";
import { expectSameDump } from "../full/same-dump.ts";
import { type PostgresTestServer, startPostgres } from "./postgres-server.ts";

/** Snapshots as the host's scripts write and restore them, on a PostgreSQL server. */

let server: PostgresTestServer;
let directory: string;

const scripts = readScript(import.meta.url, "../../components/release/scripts/database.sh");

/** Runs commands after database.sh, as a host does. */
async function onHost(commands: string, database = "togather") {
  const parameters = {
    ...{
      STACK: "production",
      SYSTEM: "togather",
      ENVIRONMENT_NAME: "production",
      KEEP: "3",
      FLOOR_MEBIBYTES: "1",
    },
    ...{ DATABASE: database, POSTGRES_SERVICE: "togather_postgres", DIRECTORY: directory },
  };
  const stubs = `sudo() { "$@"; }\nfind_postgres() { postgres=${server.container}; }\nrequire_postgres\n`;
  return execa("bash", ["-s"], {
    input: `${Object.entries(parameters)
      .map(([name, value]) => `${name}='${value}'\n`)
      .join("")}${wholeScript(`${scripts}\n${stubs}\n${commands}`)}`,
    env: { DOCKER_HOST: server.dockerHost },
    reject: false,
    all: true,
    stripFinalNewline: true,
  });
}

async function ok(commands: string, database?: string): Promise<string> {
  const { exitCode, stdout, all } = await onHost(commands, database);
  expect(exitCode, all).toBe(0);
  return stdout;
}

const inContainer = (words: readonly string[], input = "") =>
  execa("docker", ["exec", "--interactive", server.container, ...words], {
    env: { DOCKER_HOST: server.dockerHost },
    input,
  });

/** The whole cluster, without the key that differs each time. */
async function dumpAll(): Promise<string> {
  const { stdout } = await inContainer(["pg_dumpall", "--username", "postgres"]);
  return stdout.replaceAll(/^\\(un)?restrict .*$/gm, "");
}

const takeSnapshot = async (database?: string) =>
  // The last line: what goes wrong is said before it.
  (await ok(`write_snapshot\nprintf '%s\\n' "$snapshot"`, database)).split("\n").at(-1) ?? "";

const restored = (snapshot: string) =>
  ok(`restore_beside ${snapshot} "$restored"
    in_database postgres "DROP DATABASE IF EXISTS togather WITH (FORCE)"
    in_database postgres "ALTER DATABASE togather_restored RENAME TO togather"`);

/** What a dump must bring back and what is easily forgotten. */
const decorated = `
DROP DATABASE IF EXISTS togather WITH (FORCE);
CREATE DATABASE togather OWNER togather CONNECTION LIMIT 50 ENCODING 'SQL_ASCII' LOCALE 'C' TEMPLATE template0;
\\connect togather
SET ROLE togather;
CREATE TABLE events (id int PRIMARY KEY, name text);
INSERT INTO events SELECT n, 'ALTER DATABASE togather SET work_mem TO ' || n FROM generate_series(1, 1000) AS n;
RESET ROLE;
CREATE TABLE schema_migrations (version bigint, dirty boolean);
INSERT INTO schema_migrations VALUES (3, false);
CREATE SCHEMA other AUTHORIZATION reader;
ALTER DEFAULT PRIVILEGES FOR ROLE togather IN SCHEMA other GRANT SELECT ON TABLES TO reader;
REVOKE ALL ON SCHEMA public FROM PUBLIC;
GRANT SELECT ON events TO reader;
SELECT lo_from_bytea(4711, 'a large object');
GRANT CONNECT, TEMPORARY ON DATABASE togather TO reader WITH GRANT OPTION;
REVOKE TEMPORARY ON DATABASE togather FROM PUBLIC;
SET ROLE reader;
GRANT CONNECT ON DATABASE togather TO "odd ""name";
RESET ROLE;
ALTER DATABASE togather SET app.thing TO 'va''l:ue, x, ON DATABASE togather TO y';
ALTER DATABASE togather SET search_path TO "$user", public;
ALTER ROLE reader IN DATABASE togather SET work_mem TO '8MB';
ALTER ROLE "odd ""name" IN DATABASE togather SET work_mem TO '9MB';
COMMENT ON DATABASE togather IS 'it''s :"database", two
lines';
`;

beforeAll(async () => {
  server = await startPostgres("snapshots");
  await server.query(`CREATE ROLE togather LOGIN PASSWORD 'first'; CREATE ROLE reader; CREATE ROLE "odd ""name";
    GRANT reader TO togather WITH ADMIN OPTION; ALTER ROLE togather SET work_mem TO '5MB'`);
});
afterAll(() => server?.stop());
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "berth-snapshots-"));
  await inContainer(["psql", "-q", "-v", "ON_ERROR_STOP=1", "-U", "postgres"], decorated);
  return () => rm(directory, { recursive: true });
});

describe("a snapshot", () => {
  test("brings back data, roles, privileges and settings, dump for dump, under another name first", async () => {
    const before = await dumpAll();
    expect(before).toContain("GRANT CONNECT,TEMPORARY ON DATABASE togather TO reader WITH GRANT OPTION");
    const snapshot = await takeSnapshot();
    expect(snapshot).toMatch(/^togather_production_\d{8}_\d{6}\.tar$/);
    await restored(snapshot);
    expectSameDump(await dumpAll(), before);
  });

  test("waits for a server that is started again", async () => {
    const { exitCode, stdout, stderr } = await onHost(`
      find_postgres() {
        postgres=$(docker ps --quiet --filter id=${server.container} --filter status=running)
        [ -n "$postgres" ]
      }
      docker pause ${server.container} >/dev/null
      { sleep 2; docker unpause ${server.container} >/dev/null; } &
      require_postgres
      in_database postgres "SELECT 'found'"`);
    expect({ exitCode, stdout, stderr }).toEqual({
      ...{ exitCode: 0, stdout: "found" },
      stderr: "togather_postgres is not running; waiting up to 20 s for it",
    });
  });

  test("is tar, psql and pg_restore without Berth", async () => {
    const before = await dumpAll();
    const snapshot = await takeSnapshot();
    await execa("tar", ["-xf", snapshot], { cwd: directory });
    const manifest = JSON.parse(await readFile(join(directory, "manifest.json"), "utf8"));
    expect(manifest).toMatchObject({
      ...{ system: "togather", environment: "production", database: "togather", schema: "3", tables: "2" },
    });
    await server.query("DROP DATABASE togather WITH (FORCE)");
    await inContainer(["psql", "-U", "postgres"], await readFile(join(directory, "roles.sql"), "utf8"));
    await execa(
      "docker",
      ["exec", "-i", server.container, "pg_restore", "-U", "postgres", "--create", "-d", "postgres"],
      {
        env: { DOCKER_HOST: server.dockerHost },
        inputFile: join(directory, "database.dump"),
      },
    );
    expectSameDump(await dumpAll(), before);
  });

  test("leaves the password of a role that is there", async () => {
    const snapshot = await takeSnapshot();
    await server.query("ALTER ROLE togather PASSWORD 'second'");
    await restored(snapshot);
    await server.login("togather", "second", "togather");
    await server.query("ALTER ROLE togather PASSWORD 'first'");
  });

  test("does not bring back a login that was rotated away", async () => {
    await server.query(`CREATE ROLE togather_login_2 LOGIN PASSWORD 'rotated' IN ROLE togather;
      ALTER ROLE togather_login_2 SET role TO togather`);
    await server.login("togather_login_2", "rotated", "togather");
    const snapshot = await takeSnapshot();
    await server.query("DROP ROLE togather_login_2");
    const before = await dumpAll();
    await restored(snapshot);
    expectSameDump(await dumpAll(), before);
  });

  test("in plain SQL, as earlier versions wrote it, is listed, restored and pruned with the rest", async () => {
    const old = "togather_production_20260128_143022.sql.gz";
    await writeFile(
      join(directory, old),
      gzipSync(await readFile(new URL("fixtures/snapshot.sql", import.meta.url))),
    );
    const list = readScript(import.meta.url, "../../ops/scripts/list.sh");
    expect(JSON.parse(await ok(list))).toMatchObject([
      { name: old, time: "2026-11-26T00:30:30Z", schema: "3", problem: "" },
    ]);
    await restored(old);
    expect(await server.query("SELECT * FROM events", "togather")).toEqual([{ id: 1, name: "a" }]);
    expect(await server.query("SHOW app.thing", "togather")).toEqual([
      { "app.thing": "va'l:ue, x DATABASE togather SET" },
    ]);
    for (let count = 0; count < 3; count++) await takeSnapshot();
    expect(await readdir(directory)).toHaveLength(3);
    expect(await readdir(directory)).not.toContain(old);
  });

  test("that cannot be written leaves nothing, nor does one that was interrupted", async () => {
    await ok(`mkdir "$DIRECTORY/togather_production_20260101_000000.tar.partial"
      touch "$DIRECTORY/togather_production_20260101_000000.tar.partial.tar" "$DIRECTORY/togather_production_20260101_000000.sql.gz.partial"`);
    const broken = await onHost(
      "statements_creating_roles() { echo no roles >&2; return 1; }\nwrite_snapshot",
    );
    expect(broken.exitCode).toBe(1);
    expect(broken.stderr).toContain(
      "the snapshot of togather failed, and so everything stops with the database as it was:\nno roles",
    );
    expect(await readdir(directory)).toEqual([]);
  });

  test("of another database of the system has a name of its own, and is pruned by itself", async () => {
    await server.query("DROP DATABASE IF EXISTS production");
    await server.query("CREATE DATABASE production");
    const own = await takeSnapshot();
    const other = await takeSnapshot("production");
    expect(other).toMatch(/^togather_postgres_production_production_\d{8}_\d{6}\.tar$/);
    expect(await ok("snapshots")).toBe(own);
    expect(await ok("snapshots", "production")).toBe(other);
    expect(await ok(`snapshot_problem "$DIRECTORY/${other}"`)).toBe(
      "it is of togather, production, database production; here is togather, production, database togather",
    );
  });

  const damages: readonly [string, string, string][] = [
    ["truncated", "truncate --size=-8000 $file", "it is truncated or damaged: its checksum differs"],
    [
      "damaged",
      `at=$(grep --byte-offset --only-matching --text --max-count=1 PGDMP $file | head -n 1 | cut -d : -f 1)
      printf XXXX | dd of=$file bs=1 seek=$((at + 2000)) conv=notrunc status=none`,
      "it is truncated or damaged: its checksum differs",
    ],
    [
      "of another environment",
      'sed -i \'s/"environment": "production"/"environment": "staging123"/\' $file',
      "it is of togather, staging123, database togather",
    ],
    [
      "any other tar",
      "tar --create --file $file --directory / etc/hostname",
      "it does not begin as a snapshot does",
    ],
    ["empty", ": >$file", "it does not begin as a snapshot does"],
    [
      "plain SQL without its end",
      "gunzip -c $old | head -n -1 | gzip >$file.sql.gz; mv $file.sql.gz $old; file=$old",
      "its last line is missing",
    ],
    ["plain SQL, cut", "truncate --size=-100 $old; file=$old", "it is damaged: unexpected end of file"],
  ];
  test.each(damages)("that is %s is refused", async (_what, damage, problem) => {
    const old = join(directory, "togather_production_20260128_143022.sql.gz");
    await writeFile(old, gzipSync(await readFile(new URL("fixtures/snapshot.sql", import.meta.url))));
    const snapshot = await takeSnapshot();
    const said = await ok(`file=$DIRECTORY/${snapshot} old=${old}\n${damage}\nsnapshot_problem "$file"`);
    expect(said).toContain(problem);
  });
});

describe("an export", () => {
  const script = readScript(import.meta.url, "../../ops/scripts/export.sh");

  test.each(["of now", "of a snapshot"])("%s is restored by psql alone", async (what) => {
    const before = await dumpAll();
    const snapshot = what === "of now" ? "" : await takeSnapshot();
    const sql = await ok(`SNAPSHOT='${snapshot}'\n${script}`);
    const psql = ["psql", "--no-psqlrc", "-q", "-U", "postgres", "-d", "postgres"];
    // Never into a database that is there.
    await expect(inContainer(psql, sql)).rejects.toThrow('database "togather" already exists');
    await server.query("DROP DATABASE togather WITH (FORCE)");
    await inContainer(psql, sql);
    expectSameDump(await dumpAll(), before);
  });
});
