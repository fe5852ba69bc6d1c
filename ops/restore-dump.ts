import { hostPaths } from "../components/host/paths.ts";
import { readScript } from "../components/host/script.ts";
import { renderTable } from "../components/table.ts";
import { longSeconds, shortSeconds, size } from "./database.ts";
import { type DumpFile, majorVersion } from "./dump-file.ts";
import { quote } from "./host-access.ts";
import {
  columnDifferences,
  type DumpedTable,
  parseDumpedTables,
  type Schema,
  schemaDifferences,
} from "./schema-parity.ts";
import type { SystemDatabase } from "./system-database.ts";

/** A database is filled with the rows of a dump from elsewhere, as production is from a developer's database. */

/** What is known before the dump is sent to the host. */
export interface DumpRestorePlan {
  readonly file: DumpFile;
  readonly environment: string;
  /** File on the host that the dump goes to. */
  readonly dump: string;
  /** Names of tables, with their schemas, whose rows stay as they are. */
  readonly leftOut: ReadonlySet<string>;
  readonly volumeMebibytes: number;
}

interface FilledTable {
  readonly table: string;
  readonly rows: number;
}

export interface DumpRestored {
  /** Snapshot of the database before, and the name under which it is kept. */
  readonly safety: string;
  readonly replaced: string;
  /** Rows of each table, the same in the dump and in the database. */
  readonly rows: readonly FilledTable[];
  /** Services that were stopped, for how long, and whose kept folders were emptied. */
  readonly stopped: readonly string[];
  readonly seconds: number;
  readonly cleared: readonly string[];
}

/** What scripts/compare-dump.sh says. */
export interface DumpFacts {
  /** Of all rows as text. */
  readonly bytes: number;
  /** Rows are INSERT statements, which cannot be counted. */
  readonly inserts: boolean;
  readonly largeObjects: number;
  /** Of the database's schema. */
  readonly sha256: string;
  /** Lines of rows and COPY statement. */
  readonly rows: string;
  /** Of the dump; null in one of data alone. */
  readonly schema: Schema | null;
  readonly here: Schema;
}

const query = (name: string) => readScript(import.meta.url, `./scripts/${name}.sql`);

/** The record of a system's migrations says what its schema is at, whatever a dump says. Ecto and golang-migrate call it so. */
const migrationsTable = "public.schema_migrations";

/**
 * Looks at the dump and the database, before anything is sent.
 * @param leftOut tables that stay as they are, `oban_jobs` or `other.jobs`
 * @throws what stands in the way, all of it
 */
export async function planDumpRestore(
  database: SystemDatabase,
  file: DumpFile,
  leftOut: readonly string[],
): Promise<DumpRestorePlan> {
  const names = new Set([
    migrationsTable,
    ...leftOut.map((name) => (name.includes(".") ? name : `public.${name}`)),
  ]);
  const answer = await database.run("move-in-plan", { ROW_COUNTS: query("row-counts") }, shortSeconds);
  const { environment, dump, version, diskMebibytes, volumeMebibytes, filled } = JSON.parse(answer) as Omit<
    DumpRestorePlan,
    "file" | "leftOut"
  > & { readonly version: number; readonly diskMebibytes: number; readonly filled: readonly FilledTable[] };
  const program = majorVersion(file.program);
  const server = majorVersion(file.server);
  const mebibytes = Math.ceil(file.bytes / 1024 ** 2);
  const problems = [
    ...(Math.max(program, server) <= version
      ? []
      : [
          `it is of PostgreSQL ${server}, written by pg_dump ${program}, and ${database.server} is ${version}, which cannot read it; dump a PostgreSQL ${version} or older with pg_dump ${version}`,
        ]),
    ...filled
      .filter(({ table }) => !names.has(table))
      .map(
        ({ table, rows }) =>
          `${table} has ${rows} rows here, which the dump's would join; empty it, or leave it out: --leave-out ${table}`,
      ),
    ...(mebibytes <= diskMebibytes
      ? []
      : [`it takes ${mebibytes} MiB, and the host's disk has ${diskMebibytes} MiB to spare`]),
  ];
  refuse(file, problems);
  return { file, environment, dump, leftOut: names, volumeMebibytes };
}

function refuse({ path }: DumpFile, problems: readonly string[]): void {
  if (problems.length > 0)
    throw new Error(
      `${path} is not restored; nothing was changed:\n${problems.map((problem) => `  ✖ ${problem}`).join("\n")}`,
    );
}

/** The plan in words. */
export function describeDumpRestore(
  { file, environment, leftOut }: DumpRestorePlan,
  database: SystemDatabase,
): string {
  const clients = database.clients.join(", ");
  return [
    `The rows of ${file.path} go into the database ${database.name} of ${environment}, where its tables are empty.`,
    `The dump is of ${file.database}, PostgreSQL ${file.server}, written ${file.written} by pg_dump ${file.program}, ${size(file.bytes)}.`,
    "It is sent to the host, and nothing is changed unless its schema is the database's. A dump can run anything as the superuser: restore only one that you trust.",
    `${clients === "" ? "No service uses the database, so nothing is stopped." : `${clients} are stopped meanwhile.`} Triggers do not run. These tables stay as they are: ${[...leftOut].join(", ")}.`,
    "A snapshot is written first, and what is replaced is put aside for 7 days.",
  ].join("\n");
}

/**
 * Sends a dump to the host, compares its schema and restores its rows.
 * @param mayBegin asked when the dump is there, which may have taken long; throws when something else has begun meanwhile
 * @throws every difference, with nothing changed; or what failed, with the database as it was and everything running again
 */
export async function restoreDump(
  database: SystemDatabase,
  plan: DumpRestorePlan,
  mayBegin: () => Promise<void>,
): Promise<DumpRestored> {
  const { file, dump } = plan;
  await database.receive(`cat ${quote(file.path)}`, dump, longSeconds);
  try {
    const compared = await database.run(
      "compare-dump",
      { DUMP: dump, SCHEMA_QUERY: query("schema") },
      longSeconds,
    );
    const facts = JSON.parse(compared) as DumpFacts;
    const dumped = facts.inserts ? [] : parseDumpedTables(facts.rows);
    refuse(file, dumpProblems(facts, dumped, plan));
    await mayBegin();
    const expected = expectedRows(dumped, facts.here, plan.leftOut);
    const said = await database.run(
      "restore-dump",
      {
        ...{ DUMP: dump, SCHEMA_SHA256: facts.sha256, RECORDS: hostPaths.deployments },
        ...{ SCHEMA_QUERY: query("schema"), ROW_COUNTS: query("row-counts") },
        FOREIGN_KEYS: query("foreign-keys"),
        EXPECTED: expected.map(({ table, rows }) => `${table}|${rows}`).join("\n"),
        LEFT_OUT: namesToSkip(facts.here, plan.leftOut).join("\n"),
        CLIENTS: database.clients
          .map((name) => `${name} ${hostPaths.data(database.system, name.slice(database.system.length + 1))}`)
          .join("\n"),
      },
      longSeconds,
    );
    const { rows, ...restored } = JSON.parse(said) as DumpRestored;
    const filled = new Set(expected.map(({ table }) => table));
    return { ...restored, rows: rows.filter(({ table }) => filled.has(table)) };
  } finally {
    await database.run("discard-dump", { DUMP: dump }, shortSeconds).catch(() => "");
  }
}

/**
 * What rows take on the volume for each byte of their text: short ones with two indexes take 2.7 (test/lab/restore-dump.test.ts prints it), and
 * the log of the writing takes as much as the rows for a while.
 */
const volumeForText = 4;

/** What is wrong with a dump, in words, all of it. */
export function dumpProblems(
  facts: DumpFacts,
  dumped: readonly DumpedTable[],
  { leftOut, volumeMebibytes }: Pick<DumpRestorePlan, "leftOut" | "volumeMebibytes">,
): string[] {
  const { bytes, inserts, largeObjects, schema, here } = facts;
  const needed = Math.ceil((bytes * volumeForText) / 1024 ** 2);
  const skipped = new Set([...leftOut, ...here.ofExtensions, ...(schema?.ofExtensions ?? [])]);
  const known = [...Object.keys({ ...here.tables, ...schema?.tables }), ...dumped.map(({ name }) => name)];
  const differences =
    schema === null
      ? columnDifferences(inserts ? [] : dumped, here, skipped)
      : schemaDifferences(schema, here, skipped);
  const wrong = [
    ...(inserts
      ? ["its rows are INSERT statements, which cannot be counted; dump it without --inserts"]
      : dumped.length === 0
        ? ["it has no rows; dump it without --schema-only"]
        : differences),
    ...[...leftOut]
      .filter((name) => name !== migrationsTable && !known.includes(name))
      .map((name) => `--leave-out ${name}: neither the dump nor the database has such a table`),
    ...(largeObjects === 0
      ? []
      : [
          `it has ${largeObjects} large objects, which are not restored; dump it with --no-blobs if they are not needed`,
        ]),
    ...(needed <= volumeMebibytes
      ? []
      : [
          `its rows take some ${needed} MiB, and the data volume has ${volumeMebibytes} MiB to spare; enlarge it: volumeGigabytes in berth:hosts`,
        ]),
  ];
  if (inserts || dumped.length === 0 || differences.length === 0) return wrong;
  return [...wrong, "make the schemas equal by a migration, deploy it, dump again and restore that"];
}

/** Rows that each table will have: none where the dump has none of it. */
export function expectedRows(
  dumped: readonly DumpedTable[],
  here: Schema,
  leftOut: ReadonlySet<string>,
): FilledTable[] {
  const rows = new Map(dumped.map((each) => [each.name, each.rows]));
  return Object.entries(here.tables)
    .filter(([table, { holdsRows }]) => holdsRows && !leftOut.has(table))
    .map(([table]) => ({ table, rows: rows.get(table) ?? 0 }));
}

/** What stays, as the dump's table of contents names it: `public schema_migrations`. With a table, the sequence that numbers its rows. */
export function namesToSkip(here: Schema, leftOut: ReadonlySet<string>): string[] {
  const tables = [...leftOut, ...here.ofExtensions];
  const sequences = Object.keys(here.sequences).filter((name) => leftOut.has(here.sequences[name] ?? ""));
  return [...tables, ...sequences].map((name) => name.replace(".", " "));
}

/** The result in words. */
export function renderDumpRestored(result: DumpRestored, dropSooner: string): string {
  const { rows, safety, replaced, stopped, seconds, cleared } = result;
  const all = rows.reduce((sum, each) => sum + each.rows, 0);
  const gap =
    stopped.length === 0
      ? "Nothing was stopped."
      : `Nothing of ${stopped.join(", ")} ran for ${seconds.toFixed(1)} s${cleared.length === 0 ? "" : `; ${cleared.join(", ")} was cleared and begins anew`}.`;
  return [
    renderTable(
      ["table", "rows"],
      rows.map(({ table, rows: count }) => [table, String(count)]),
    ),
    `Restored: ${rows.length} tables, ${all} rows, each counted in the dump and in the database. ${gap}`,
    `The previous database: ${safety}, and for 7 days the database ${replaced}. To drop it sooner: ${dropSooner}`,
  ].join("\n");
}
