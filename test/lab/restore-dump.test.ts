import { mkdir, mkdtemp, readdir, readFile, rm, stat, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { execa } from "execa";
import pg from "pg";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { wholeScript } from "../../components/host/command.ts";
import { shellQuote } from "../../components/host/connection.ts";
import { readDumpFile } from "../../ops/dump-file.ts";
import { planDumpRestore, renderDumpRestored, restoreDump } from "../../ops/restore-dump.ts";
import { runCommand } from "../../ops/run.ts";
import { databaseOf, oneDatabase, type SystemDatabase } from "../../ops/system-database.ts";
import { deployment, resource, service } from "../unit/ops-fixtures.ts";
import { databasesOf, program } from "./host-programs.ts";
import { type PostgresTestServer, startPostgres } from "./postgres-server.ts";
import { checksum, count, docker, rows, schema } from "./restore-dump-host.ts";

/** A database is filled from a dump by the host's scripts, on a PostgreSQL server. Services are files with a number of tasks. */

let server: PostgresTestServer;
let tools: string;
let directory: string;
let here: SystemDatabase;

const dumpPath = () => join(directory, "dev.dump");
const log = async () => (await readFile(join(tools, "log"), "utf8").catch(() => "")).trim().split("\n");
const tasks = async (name: string) =>
  (await readFile(join(tools, "tasks", `${name}-1a2b3c4`), "utf8")).trim();
const query = (statement: string, database = "sertantai") => server.query(statement, database);
const databases = () => databasesOf(server, "sertantai");

async function dump(...options: readonly string[]): Promise<void> {
  const words = ["exec", server.container, "pg_dump", "--username", "postgres", "--format", "custom"];
  await execa("docker", [...words, ...options, "dev"], {
    env: { DOCKER_HOST: server.dockerHost },
    stdout: { file: dumpPath() },
  });
}

async function restore(leaveOut: readonly string[] = []) {
  const plan = await planDumpRestore(here, readDumpFile(dumpPath()), leaveOut);
  return restoreDump(here, plan, async () => {});
}

const refusal = (leaveOut: readonly string[] = []) =>
  restore(leaveOut).then(
    () => "it went well",
    (error: Error) => error.message,
  );

beforeAll(async () => {
  server = await startPostgres("restore-dump", { "berth.resource": "sertantai_postgres" });
  await server.query(`CREATE ROLE sertantai LOGIN PASSWORD 'first'`);
  tools = await mkdtemp(join(tmpdir(), "berth-dump-tools-"));
  const { stdout: real } = await execa("which", ["docker"]);
  await program(tools, "docker", docker(real, tools));
  // This machine is the host: ssh runs the last word here, and root's own files stay as they are.
  await program(tools, "ssh", `export DOCKER_HOST=${server.dockerHost}\nexec bash -c "\${!#}"\n`);
  await program(
    tools,
    "sudo",
    `case $* in *" /usr/local/"* | *" /etc/"*) exec cat >/dev/null ;; mv* | systemctl*) exit 0 ;; find*) echo "$*" >>${tools}/log; exit 0 ;; esac\nexec "$@"\n`,
  );
  process.env.PATH = `${tools}${delimiter}${process.env.PATH}`;
});
afterAll(() => server?.stop());

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "berth-restore-dump-"));
  await rm(join(tools, "log"), { force: true });
  await mkdir(join(tools, "tasks"), { recursive: true });
  for (const [name, wanted] of Object.entries({ app: 2, electric: 1 }))
    await writeFile(join(tools, "tasks", `sertantai_${name}-1a2b3c4`), `${wanted}\n`);
  const parameters = Object.entries({
    ...{ STACK: "production", SYSTEM: "sertantai", ENVIRONMENT_NAME: "production", KEEP: "3" },
    ...{ DATABASE: "sertantai", POSTGRES_SERVICE: "sertantai_postgres", DIRECTORY: directory },
    ...{ FLOOR_MEBIBYTES: "1", VERSION: "v1.0.0" },
  }).map(([name, value]) => `${name}=${shellQuote(value)}\n`);
  const database = resource("postgresql:index/database:Database", "sertantai_database-database", {
    inputs: { name: "sertantai" },
    deletedWith: service("sertantai_postgres").urn,
  });
  const state = deployment([
    resource("pulumi:pulumi:Stack", "berth", { outputs: { systems: { sertantai: { host: "main" } } } }),
    database,
    ...["app", "electric"].map((name) => service(`sertantai_${name}`, { dependencies: [database.urn] })),
    resource("command:local:Command", "sertantai_app-snapshot", {
      inputs: { stdin: `${parameters.join("")}${wholeScript("echo nothing")}` },
    }),
  ]);
  here = databaseOf(state, oneDatabase(state, "sertantai", undefined), runCommand);
  for (const name of [...(await databases()), "dev"])
    await server.query(`DROP DATABASE IF EXISTS "${name}" WITH (FORCE)`);
  await server.query("CREATE DATABASE sertantai OWNER sertantai");
  await server.query("CREATE DATABASE dev");
  for (const name of ["sertantai", "dev"]) {
    await query("GRANT ALL ON SCHEMA public TO sertantai", name);
    await query(schema, name);
  }
  await query("INSERT INTO schema_migrations VALUES (1, now()), (2, now())");
  await query(rows, "dev");
  return () => rm(directory, { recursive: true });
});

/** Nothing of a try is left, what serves is as it was, and everything runs. */
async function expectUntouched(): Promise<void> {
  expect(await databases()).toEqual(["sertantai"]);
  expect(await query("SELECT count(*)::int AS count FROM uk_lrt")).toEqual([{ count: 0 }]);
  expect([await tasks("sertantai_app"), await tasks("sertantai_electric")]).toEqual(["2", "1"]);
  expect((await readdir(directory)).filter((name) => /^\.(moving|stopped)/.test(name))).toEqual([]);
}

describe("a good dump", () => {
  test("has all its rows in the database, unchanged, and the record of migrations stays", async () => {
    await dump();
    const before = await query("SELECT pg_database_size(current_database())::int AS size");
    const result = await restore();
    process.stdout.write(`${renderDumpRestored(result, "…")}\n`);
    expect(result.rows).toEqual([
      { table: "public.Odd Name", rows: 2 },
      { table: "public.families", rows: 20 },
      { table: "public.jobs", rows: 1 },
      { table: "public.uk_lrt", rows: count },
    ]);
    expect(await query(checksum)).toEqual(await query(checksum, "dev"));
    expect(await query("SELECT version::int FROM schema_migrations ORDER BY 1")).toEqual([
      { version: 1 },
      { version: 2 },
    ]);
    // The app's role owns and writes what it did, sequences go on, views have the rows, triggers are on or off as they were.
    await query("SET ROLE sertantai; INSERT INTO uk_lrt (name, family) VALUES ('new', 20)");
    expect(
      await query("SELECT max(id)::int AS id, max(updated_at) > '2026-01-01' AS touched FROM uk_lrt"),
    ).toEqual([{ id: count + 1, touched: true }]);
    expect(await query("SELECT count::int FROM names")).toEqual([{ count }]);
    expect(await query("SELECT tgname, tgenabled FROM pg_trigger WHERE NOT tgisinternal ORDER BY 1")).toEqual(
      [
        { tgname: "never", tgenabled: "D" },
        { tgname: "touch", tgenabled: "O" },
      ],
    );
    expect(await query("SELECT pubname FROM pg_publication")).toEqual([{ pubname: "electric_publication" }]);
    expect(await databases()).toEqual(["sertantai", result.replaced]);
    expect(await readdir(directory)).toEqual(expect.arrayContaining(["dev.dump", result.safety]));
    expect((await readdir(directory)).filter((name) => name.startsWith("."))).toEqual([]);
    // What uses it is stopped first, a cache is emptied while nothing runs, and all start with the tasks that they had.
    expect(await log()).toEqual([
      ...["sertantai_app-1a2b3c4=0", "sertantai_electric-1a2b3c4=0"],
      "find /mnt/data/sertantai/electric -mindepth 1 -delete",
      ...["sertantai_app-1a2b3c4=2", "sertantai_electric-1a2b3c4=1"],
    ]);
    expect(result).toMatchObject({
      stopped: ["sertantai_app", "sertantai_electric"],
      cleared: ["sertantai_electric"],
    });
    const after = await query("SELECT pg_database_size(current_database())::int AS size");
    const [text] = await query("SELECT sum(length(t::text) + 1)::int AS size FROM uk_lrt AS t");
    const factor = (Number(after[0]?.size) - Number(before[0]?.size)) / Number(text?.size);
    process.stdout.write(`on the volume: ${factor.toFixed(2)} bytes for each byte of text\n`);
  });

  test("of data alone is compared by its columns and restored too", async () => {
    await dump("--data-only", "--no-owner", "--no-acl");
    expect((await restore()).rows).toContainEqual({ table: "public.uk_lrt", rows: count });
    expect(await query(checksum)).toEqual(await query(checksum, "dev"));
  });

  test("leaves a table alone that is left out, whatever rows it has, and its sequence", async () => {
    await query("INSERT INTO jobs (what) SELECT 'here' FROM generate_series(1, 5)");
    await dump();
    expect(await refusal()).toContain(
      "public.jobs has 5 rows here, which the dump's would join; empty it, or leave it out: --leave-out public.jobs",
    );
    await restore(["jobs"]);
    await query("INSERT INTO jobs (what) VALUES ('next')");
    expect(await query("SELECT count(*)::int AS count, max(id) AS id FROM jobs")).toEqual([
      { count: 6, id: 6 },
    ]);
  });

  test("starts again what an interrupted run left stopped", async () => {
    await dump();
    await writeFile(join(tools, "tasks", "sertantai_app-1a2b3c4"), "0\n");
    await writeFile(
      join(directory, ".stopped-sertantai"),
      "sertantai_app sertantai_app-1a2b3c4 2 /mnt/data/sertantai/app\n",
    );
    await restore();
    expect([await tasks("sertantai_app"), await tasks("sertantai_electric")]).toEqual(["2", "1"]);
  });
});

const refused: readonly [what: string, change: string, options: readonly string[], says: RegExp][] = [
  [
    "that lacks a column and has another",
    "ALTER TABLE uk_lrt DROP COLUMN tags; ALTER TABLE uk_lrt ADD COLUMN source text",
    [],
    /✖ public\.uk_lrt: the database lacks the column source \(text\)\n.*✖ public\.uk_lrt: the dump lacks the column tags \(text\[\]\)\n.*✖ make the schemas equal by a migration/,
  ],
  [
    "of data alone that lacks a column",
    "ALTER TABLE uk_lrt DROP COLUMN tags",
    ["--data-only"],
    /✖ public\.uk_lrt: the dump lacks the column tags\n/,
  ],
  [
    "whose types, rules and values differ",
    "ALTER TABLE families ALTER name TYPE varchar(80); ALTER TABLE uk_lrt DROP CONSTRAINT uk_lrt_name_key; ALTER TYPE state ADD VALUE 'lost'",
    [],
    /public\.families: the column name is character varying\(80\) NOT NULL in the dump, text NOT NULL here[\s\S]*public\.uk_lrt: the dump lacks UNIQUE \(name\)[\s\S]*public\.state: the type's values are open, closed, lost in the dump, open, closed here/,
  ],
  ["of INSERT statements", "", ["--inserts"], /its rows are INSERT statements, which cannot be counted/],
  ["of a schema alone", "", ["--schema-only"], /it has no rows; dump it without --schema-only/],
];
describe("refused, with nothing stopped or changed", () => {
  test.each(refused)("a dump %s", async (_what, change, options, says) => {
    if (change !== "") await query(change, "dev");
    await dump(...options);
    expect(await refusal()).toMatch(says);
    expect(await log()).toEqual([""]);
    await expectUntouched();
  });

  test.each(["compressed", "as it is"])("a dump that was cut off, its rows %s", async (how) => {
    await dump(...(how === "compressed" ? [] : ["--compress=0"]));
    await truncate(dumpPath(), (await stat(dumpPath())).size - 20_000);
    expect(await refusal()).toMatch(
      /the dump is cut off or damaged; nothing was changed\. pg_restore says:\n.*end of file/,
    );
    expect(await log()).toEqual([""]);
    await expectUntouched();
  });
});

describe("a restore that fails half-way leaves the database as it was, and all runs again", () => {
  test.each([
    [
      "rows that do not go in",
      "ALTER TABLE uk_lrt DROP CONSTRAINT uk_lrt_number_check; UPDATE uk_lrt SET number = 'never' WHERE id = 7",
      /the dump's rows do not go in; nothing was changed\. PostgreSQL says:\n[\s\S]*uk_lrt_number_check/,
    ],
    [
      "rows that refer to nothing",
      "ALTER TABLE uk_lrt DROP CONSTRAINT uk_lrt_family_fkey; DELETE FROM families WHERE id = 3",
      /rows of the dump refer to rows that are not there; nothing was changed\. By these foreign keys:\n {2}uk_lrt_family_fkey of uk_lrt: 966 rows/,
    ],
  ])("%s", async (_what, change, says) => {
    await query(change, "dev");
    await dump("--data-only");
    expect(await refusal()).toMatch(says);
    expect((await log()).slice(-2)).toEqual(["sertantai_app-1a2b3c4=2", "sertantai_electric-1a2b3c4=1"]);
    await expectUntouched();
  });

  test("a client that nobody knows of is named", async () => {
    await dump();
    const { host, port, password } = server;
    const client = new pg.Client({
      ...{ host, port, password, user: "postgres", database: "sertantai" },
      application_name: "somebody",
    });
    await client.connect();
    try {
      expect(await refusal()).toMatch(
        /sertantai is used by others than what was stopped \(sertantai_app sertantai_electric\).*nothing was changed.*\n {2}somebody, role postgres, from [\d.]+/,
      );
    } finally {
      await client.end();
    }
    await expectUntouched();
  }, 120_000);
});
