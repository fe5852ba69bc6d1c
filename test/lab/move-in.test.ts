import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { wholeScript } from "../../components/host/command.ts";
import { shellQuote } from "../../components/host/connection.ts";
import {
  cutOver,
  describeMoveIn,
  oldDatabase,
  planMoveIn,
  rehearseMoveIn,
  renderMoveIn,
} from "../../ops/move-in.ts";
import { runCommand } from "../../ops/run.ts";
import { databaseOf, oneDatabase, type SystemDatabase } from "../../ops/system-database.ts";
import { deployment, resource } from "../unit/ops-fixtures.ts";
import { databasesOf, program } from "./host-programs.ts";
import { type OldPostgres, startOldPostgres } from "./old-postgres.ts";
import { ownLab } from "./own-lab.ts";
import { type PostgresTestServer, startPostgres } from "./postgres-server.ts";

/** A database moves in from a PostgreSQL 15 in another container to Berth's own, by the host's scripts and the operator's command. */

const lab = { ...process.env, ...ownLab("move-in") };
let server: PostgresTestServer;
let old: OldPostgres;
let tools: string;
let directory: string;
let here: SystemDatabase;

const from = () => join(tools, "old");
const oldOne = (name = "legacy") => oldDatabase({ from: from(), user: "postgres", name }, runCommand);
/** What the old place does when it is dumped, beside that. */
const atDump = (script: string) => writeFile(join(tools, "at-dump"), script);
const plan = async () => planMoveIn(here, oldOne());
const events = () => server.query("SELECT count(*)::int AS count FROM events", "togather");
const databases = () => databasesOf(server, "togather");

beforeAll(async () => {
  [server, old] = [
    await startPostgres("move-in", { "berth.resource": "togather_postgres" }),
    await startOldPostgres(lab),
  ];
  await server.query(`CREATE ROLE togather LOGIN PASSWORD 'first'`);
  tools = await mkdtemp(join(tmpdir(), "berth-move-in-"));
  // This machine is the host: ssh runs the last word here, and root's own files stay as they are.
  await program(tools, "ssh", `export DOCKER_HOST=${server.dockerHost}\nexec bash -c "\${!#}"\n`);
  await program(
    tools,
    "sudo",
    `case $* in *" /usr/local/"* | *" /etc/"*) exec cat >/dev/null ;; mv* | systemctl*) exit 0 ;; esac\nexec "$@"\n`,
  );
  await program(
    tools,
    "old",
    `[ "$1" = pg_dump ] || exec ${old.from} "$@"\n${old.from} "$@"\n. "$(dirname "$0")/at-dump"\n`,
  );
  process.env.PATH = `${tools}${delimiter}${process.env.PATH}`;
});
afterAll(async () => {
  await old?.stop();
  await server?.stop();
});

beforeEach(async () => {
  await atDump(":");
  directory = await mkdtemp(join(tmpdir(), "berth-moved-in-"));
  const parameters = Object.entries({
    ...{ STACK: "production", SYSTEM: "togather", ENVIRONMENT_NAME: "production", KEEP: "3" },
    ...{ DATABASE: "togather", POSTGRES_SERVICE: "togather_postgres", DIRECTORY: directory },
    ...{ FLOOR_MEBIBYTES: "1", VERSION: "v1.0.0" },
  }).map(([name, value]) => `${name}=${shellQuote(value)}\n`);
  const state = deployment([
    resource("pulumi:pulumi:Stack", "berth", { outputs: { systems: { togather: { host: "main" } } } }),
    resource("command:local:Command", "togather_app-snapshot", {
      inputs: { stdin: `${parameters.join("")}${wholeScript("echo nothing")}` },
    }),
  ]);
  here = databaseOf(state, oneDatabase(state, "togather", undefined), runCommand);
  for (const name of await databases()) await server.query(`DROP DATABASE "${name}"`);
  await server.query("CREATE DATABASE togather OWNER togather");
  await server.query("CREATE EXTENSION postgis", "togather");
  await server.query("GRANT INSERT ON spatial_ref_sys TO togather", "togather");
  await server.query("SET ROLE togather; CREATE TABLE placeholder (id int)", "togather");
  await old.sql(`DROP DATABASE IF EXISTS legacy`);
  await old.sql(`DROP ROLE IF EXISTS legacy_app; DROP ROLE IF EXISTS reader;
    CREATE ROLE legacy_app LOGIN; CREATE ROLE reader; CREATE DATABASE legacy OWNER legacy_app`);
  await old.sql(
    `CREATE EXTENSION pg_trgm; CREATE SCHEMA other AUTHORIZATION legacy_app;
    SET ROLE legacy_app; CREATE TABLE other."Odd Name" (id serial PRIMARY KEY, name text);
    INSERT INTO other."Odd Name" (name) SELECT 'n' || n FROM generate_series(1, 19318) AS n;
    RESET ROLE; CREATE TABLE events (id int PRIMARY KEY, name text); ALTER TABLE events OWNER TO legacy_app;
    CREATE INDEX ON events USING gin (name gin_trgm_ops); INSERT INTO events SELECT n, 'event ' || n FROM generate_series(1, 5000) AS n;
    CREATE VIEW recent AS SELECT * FROM events WHERE id > 4990; GRANT SELECT ON events TO reader;
    CREATE PUBLICATION changes FOR TABLE events; SELECT lo_from_bytea(4711, 'a large object')`,
    "legacy",
  );
  return () => rm(directory, { recursive: true });
});

/** Nothing of a try is left here, and what serves is as it was. */
async function expectUntouched(): Promise<void> {
  expect(await databases()).toEqual(["togather"]);
  expect(await server.query("SELECT FROM placeholder", "togather")).toEqual([]);
  expect(await server.query("SELECT FROM pg_roles WHERE rolname = 'berth_moving_in'")).toEqual([]);
  expect((await readdir(directory)).filter((name) => name.endsWith(".dump"))).toEqual([]);
}

describe("a rehearsal", () => {
  test("copies, restores and counts, changes nothing at either place, and says what downtime to expect", async () => {
    const planned = await plan();
    expect(describeMoveIn(planned, here)).toMatch(
      /^PostgreSQL 15 to 17, \d+ MiB, extensions: pg_trgm\. [\s\S]*It has not been rehearsed\.\n/,
    );
    const result = await rehearseMoveIn(here, oldOne(), planned);
    expect(result).toMatchObject({ rows: 24318, replaced: "", written: [] });
    expect(renderMoveIn(result, "…")).toMatch(
      /^Rehearsed: 3 tables, 24318 rows, .*all rows counted at both places; nothing was replaced\. Downtime to expect: \d+\.\d s \(/,
    );
    await expectUntouched();
    await old.sql("INSERT INTO events VALUES (0, 'open')", "legacy");
    expect((await plan()).rehearsed?.seconds).toBeGreaterThan(0);
  });

  test("names the tables that were written meanwhile, whose rows it cannot compare", async () => {
    await atDump(`${old.from} psql -q legacy -c "INSERT INTO events VALUES (0, 'late')" >/dev/null`);
    const result = await rehearseMoveIn(here, oldOne(), await plan());
    expect(result.written).toEqual(["public.events"]);
    expect(renderMoveIn(result, "…")).toContain("but of public.events, which were written meanwhile");
  });
});

describe("a cut-over", () => {
  test("is refused until it was rehearsed, and the old place is not touched", async () => {
    await expect(cutOver(here, oldOne(), await plan())).rejects.toThrow(
      "run the same without --cut-over first",
    );
    await old.sql("INSERT INTO events VALUES (0, 'open')", "legacy");
    await expectUntouched();
  });

  test("moves all rows in, puts aside what was here, leaves the old one closed for writes and says how long", async () => {
    await rehearseMoveIn(here, oldOne(), await plan());
    const result = await cutOver(here, oldOne(), await plan());
    const said = renderMoveIn(result, "");
    process.stdout.write(`${said}\n`);
    expect(said).toMatch(
      /^Moved in: 3 tables, 24318 rows, .*Downtime: \d+\.\d s \(dump and copy .*put aside for 7 days as togather_replaced_\d{8}_\d{6}\.$/,
    );
    expect(await databases()).toEqual(["togather", result.replaced]);
    expect(await server.query("SELECT FROM placeholder", result.replaced)).toEqual([]);
    expect(await events()).toEqual([{ count: 5000 }]);
    // The app's role owns what moved, in every schema, and goes on where the sequence stopped; the extensions stay the superuser's.
    await server.query(`SET ROLE togather; INSERT INTO other."Odd Name" (name) VALUES ('new')`, "togather");
    expect(await server.query(`SELECT max(id) FROM other."Odd Name"`, "togather")).toEqual([{ max: 19319 }]);
    expect(
      await server.query(
        "SELECT extname, pg_get_userbyid(extowner) AS owner FROM pg_extension ORDER BY 1",
        "togather",
      ),
    ).toEqual(["pg_trgm", "plpgsql", "postgis"].map((extname) => ({ extname, owner: "postgres" })));
    const may = "SELECT has_table_privilege('togather', 'spatial_ref_sys', 'INSERT') AS may";
    expect(await server.query(may, "togather")).toEqual([{ may: true }]);
    expect(
      await server.query(
        "SELECT pg_get_userbyid(lomowner) AS owner, convert_from(lo_get(oid), 'UTF8') AS text FROM pg_largeobject_metadata",
        "togather",
      ),
    ).toEqual([{ owner: "togather", text: "a large object" }]);
    expect(await server.query("SELECT FROM pg_publication", "togather")).toEqual([]);
    await expect(old.sql("INSERT INTO events VALUES (0, 'late')", "legacy")).rejects.toThrow(
      "cannot execute INSERT in a read-only transaction",
    );
  });

  const broken: readonly [what: string, script: string, says: RegExp][] = [
    [
      "rows that are written although it is closed",
      "echo \"SET default_transaction_read_only = off; INSERT INTO events VALUES (0, 'late')\" | OLD psql -q legacy >/dev/null",
      /rows were written while the old database was closed for writes \(public\.events\); nothing was replaced/,
    ],
    [
      "a changed row, which no count shows",
      "echo \"SET default_transaction_read_only = off; UPDATE events SET name = 'late' WHERE id = 1\" | OLD psql -q legacy >/dev/null; sleep 1",
      /rows were written while the old database was closed for writes \(in place\); nothing was replaced/,
    ],
    ["a dump that fails", "echo 'no space at the old place' >&2; exit 1", /no space at the old place/],
  ];
  test.each(broken)(
    "that meets %s replaces nothing and opens the old place again",
    async (_what, script, says) => {
      await rehearseMoveIn(here, oldOne(), await plan());
      await atDump(script.replaceAll("OLD", old.from));
      const refused = await cutOver(here, oldOne(), await plan()).then(
        () => "it went well",
        (error: Error) => error.message,
      );
      expect(refused).toMatch(says);
      expect(refused).toContain("The old database takes writes again.");
      await expectUntouched();
      await old.sql("INSERT INTO events VALUES (-1, 'open')", "legacy");
    },
  );

  test.each([
    ["that lacks rows", "--exclude-table-data=events", "public.events has 5000 rows, the copy 0"],
    ["that is plain SQL", "--format=plain", "what came is no dump of pg_dump's custom format"],
  ])("with a dump %s replaces nothing", async (_what, option, says) => {
    await rehearseMoveIn(here, oldOne(), await plan());
    await program(tools, "other", `[ "$1" != pg_dump ] || set -- "$@" ${option}\nexec ${old.from} "$@"\n`);
    const other = oldDatabase({ from: join(tools, "other"), user: "postgres", name: "legacy" }, runCommand);
    await expect(cutOver(here, other, await plan())).rejects.toThrow(says);
    await expectUntouched();
  });
});

describe("refused, before anything is copied", () => {
  test.each(["a; reboot", "$(id)", "a b", ""])("%j as the name of the old database", (name) => {
    expect(() => oldOne(name)).toThrow("is not a name; use letters, digits and _ . -");
  });

  test("an old place that does not answer, with its own words", async () => {
    await expect(planMoveIn(here, oldOne("nosuch"))).rejects.toThrow(
      /the old database does not answer ".*psql .*--dbname nosuch".*\n.*database "nosuch" does not exist/,
    );
  });

  test("everything that stands in the way, at once", async () => {
    const answer = {
      ...{ version: 18, bytes: 1e15, collation: "C" },
      extensions: [{ name: "timescaledb", schema: "public" }],
    };
    const fake = { ...oldOne(), ask: async () => JSON.stringify(answer) };
    const refused = await planMoveIn(here, fake).catch((error: Error) => error.message);
    expect(refused).toMatch(
      /✖ it is PostgreSQL 18, and togather_postgres is 17, which cannot restore it\n.*✖ it has the extension timescaledb, which the image of togather_postgres lacks\n.*✖ its dump may take .*\n.*✖ its copy takes .*enlarge it: volumeGigabytes in berth:hosts/,
    );
  });
});
