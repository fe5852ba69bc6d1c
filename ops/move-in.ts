import { readScript } from "../components/host/script.ts";
import { age } from "./backend.ts";
import { longSeconds, shortSeconds } from "./database.ts";
import type { RunCommand } from "./run.ts";
import type { SystemDatabase } from "./system-database.ts";

/** A database that runs elsewhere, by the tools of its own place. */
export interface OldDatabase {
  /** What stands before psql and pg_dump: `ssh old docker exec -i old_postgres`; empty for the tools of this machine. */
  readonly from: string;
  readonly user: string;
  readonly name: string;
}

/** What is known before anything is copied. */
export interface MoveInPlan {
  readonly environment: string;
  /** File on the host that the dump goes to. */
  readonly dump: string;
  readonly old: {
    /** Major versions of PostgreSQL. */
    readonly version: number;
    readonly bytes: number;
    readonly collation: string;
    readonly extensions: readonly { readonly name: string; readonly schema: string }[];
  };
  readonly here: { readonly version: number; readonly collation: string };
  /** The last rehearsal: when, and how long. */
  readonly rehearsed: { readonly time: string; readonly seconds: number } | null;
}

export interface MoveInResult {
  readonly tables: number;
  readonly rows: number;
  readonly schema: string;
  /** What was there, put aside under this name; empty after a rehearsal. */
  readonly replaced: string;
  /** Dump and copy to the host, restore and check, migrations, and all of it: the time in which nobody could write. */
  readonly seconds: Readonly<Record<"dump" | "restore" | "migrate" | "all", number>>;
  /** Tables that were written while a rehearsal read them, whose rows it could not compare. */
  readonly written: readonly string[];
}

const rowCounts = readScript(import.meta.url, "./scripts/row-counts.sql");
const facts = `SELECT json_build_object(
  'version', current_setting('server_version_num')::int / 10000, 'bytes', pg_database_size(current_database()),
  'collation', (SELECT datcollate FROM pg_database WHERE datname = current_database()),
  'extensions', (SELECT coalesce(json_agg(json_build_object('name', extname, 'schema', nspname)), '[]')
    FROM pg_extension JOIN pg_namespace n ON n.oid = extnamespace WHERE extname <> 'plpgsql'))`;
const changes = "SELECT coalesce(sum(n_tup_ins + n_tup_upd + n_tup_del), 0) FROM pg_stat_user_tables;";
const setting = (statement: string) =>
  `SET default_transaction_read_only = off;\nSELECT format('ALTER DATABASE %I ${statement}', current_database()) \\gexec\n`;
/** A session reports its writes when it ends, at the latest; PostgreSQL before 15 within half a second. */
const closeForWrites = `${setting("SET default_transaction_read_only = on")}
SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid();
SELECT pg_sleep(1);`;
const openForWrites = setting("RESET default_transaction_read_only");

/**
 * The database elsewhere, asked through the operator's own command.
 * @throws when a name has characters that a shell would read
 */
export function oldDatabase(old: OldDatabase, run: RunCommand) {
  for (const name of [old.user, old.name]) {
    if (!/^[A-Za-z0-9_.-]+$/.test(name))
      throw new Error(`"${name}" is not a name; use letters, digits and _ . -`);
  }
  const where = `--username ${old.user} --dbname ${old.name}`;
  const psql = `${old.from} psql --no-psqlrc --quiet --no-align --tuples-only --set ON_ERROR_STOP=1 ${where}`;
  return {
    dump: `${old.from} pg_dump --format custom --lock-wait-timeout=60s ${where}`,
    async ask(sql: string, timeoutSeconds = shortSeconds): Promise<string> {
      try {
        return (await run("bash", ["-c", psql], { input: `${sql}\n`, timeoutSeconds })).trim();
      } catch (error) {
        const reason = error instanceof Error ? error.message : String(error);
        throw new Error(
          `the old database does not answer "${psql}", which has to read standard input:\n${reason}`,
        );
      }
    },
  };
}

/**
 * Looks at both places.
 * @throws what stands in the way, all of it
 */
export async function planMoveIn(
  database: SystemDatabase,
  old: ReturnType<typeof oldDatabase>,
): Promise<MoveInPlan> {
  const [there, answer] = await Promise.all([
    old.ask(facts),
    database.run("move-in-plan", { ROW_COUNTS: "" }, shortSeconds),
  ]);
  const found = JSON.parse(there) as MoveInPlan["old"];
  const { available, diskMebibytes, volumeMebibytes, ...here } = JSON.parse(answer) as MoveInPlan["here"] &
    Omit<MoveInPlan, "old" | "here"> & {
      readonly available: readonly string[];
      readonly diskMebibytes: number;
      readonly volumeMebibytes: number;
    };
  const mebibytes = Math.ceil(found.bytes / 1024 ** 2);
  const problems = [
    ...(found.version <= here.version
      ? []
      : [
          `it is PostgreSQL ${found.version}, and ${database.server} is ${here.version}, which cannot restore it`,
        ]),
    ...found.extensions
      .filter(({ name }) => !available.includes(name))
      .map(({ name }) => `it has the extension ${name}, which the image of ${database.server} lacks`),
    ...(mebibytes <= diskMebibytes
      ? []
      : [`its dump may take ${mebibytes} MiB, and the host's disk has ${diskMebibytes} MiB to spare`]),
    ...(mebibytes * 1.25 <= volumeMebibytes
      ? []
      : [
          `its copy takes ${Math.ceil(mebibytes * 1.25)} MiB, and the data volume has ${volumeMebibytes} MiB to spare; enlarge it: volumeGigabytes in berth:hosts`,
        ]),
  ];
  if (problems.length > 0)
    throw new Error(
      `the old database cannot move in; nothing was changed:\n${problems.map((problem) => `  ✖ ${problem}`).join("\n")}`,
    );
  return { ...here, old: found, here };
}

/** The plan in words. */
export function describeMoveIn({ old, here, rehearsed }: MoveInPlan, database: SystemDatabase): string {
  return [
    `PostgreSQL ${old.version} to ${here.version}, ${Math.ceil(old.bytes / 1024 ** 2)} MiB, extensions: ${old.extensions.map(({ name }) => name).join(", ") || "none"}. ` +
      "All that it has becomes the app's role's; other roles and their rights stay behind, publications and subscriptions too.",
    ...(old.collation === here.collation
      ? []
      : [`Text will be sorted as ${here.collation} says, and was as ${old.collation} says.`]),
    rehearsed === null
      ? `It has not been rehearsed.`
      : `The rehearsal ${age(rehearsed.time)} ago took ${rehearsed.seconds.toFixed(1)} s.`,
    `The database ${database.name} here is put aside for 7 days, with all that is in it.`,
  ].join("\n");
}

/** A copy, restored and checked beside the running database, and dropped again. What is written meanwhile goes on at the old place. */
export async function rehearseMoveIn(
  database: SystemDatabase,
  old: ReturnType<typeof oldDatabase>,
  plan: MoveInPlan,
): Promise<MoveInResult> {
  return copy(database, old, plan, "no", performance.now());
}

/**
 * Closes the old database for writes, moves it in and lets it take the place of the running one. The old one stays closed; when anything
 * fails it is opened again.
 * @throws when it was not rehearsed, or when rows were written although it was closed
 */
export async function cutOver(
  database: SystemDatabase,
  old: ReturnType<typeof oldDatabase>,
  plan: MoveInPlan,
): Promise<MoveInResult> {
  if (plan.rehearsed === null) {
    throw new Error(
      "it was not rehearsed, so nobody knows how long it takes; run the same without --cut-over first",
    );
  }
  const began = performance.now();
  try {
    await old.ask(closeForWrites);
    return await copy(database, old, plan, "yes", began);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    const opened = await old.ask(openForWrites).then(
      () => "The old database takes writes again.",
      (why) => `The old database is still closed for writes; there: ${openForWrites.trim()}\n${why}`,
    );
    throw new Error(`${reason}\n${opened}`);
  }
}

async function copy(
  database: SystemDatabase,
  old: ReturnType<typeof oldDatabase>,
  { dump, old: { extensions } }: MoveInPlan,
  takesOver: "yes" | "no",
  began: number,
): Promise<MoveInResult> {
  const look = async () => ({
    rows: (await old.ask(rowCounts, longSeconds)).split("\n").filter((line) => line !== ""),
    changed: await old.ask(changes),
  });
  const secondsSince = (from: number) => (performance.now() - from) / 1000;
  const before = await look();
  await database.receive(old.dump, dump, longSeconds);
  const after = await look();
  const equal = before.rows.filter((line) => after.rows.includes(line));
  const written = before.rows.filter((line) => !equal.includes(line)).map((line) => line.split("|")[0] ?? "");
  const unexpected = written.length > 0 ? written.join(", ") : "in place";
  const allowed = takesOver === "no" || (written.length === 0 && before.changed === after.changed);
  const dumpSeconds = secondsSince(began);
  const said = await database.run(
    "move-in",
    {
      DUMP: dump,
      EXTENSIONS: extensions.map(({ name, schema }) => `${name} ${schema}`).join("\n"),
      EXPECTED: equal.join("\n"),
      ROW_COUNTS: rowCounts,
      CUT_OVER: takesOver,
      WRITTEN: allowed ? "" : unexpected,
      DUMP_SECONDS: dumpSeconds.toFixed(1),
    },
    longSeconds,
  );
  const { restoreSeconds, migrateSeconds, cleanUpSeconds, ...result } = JSON.parse(said) as Omit<
    MoveInResult,
    "seconds" | "written"
  > & { readonly [time in "restoreSeconds" | "migrateSeconds" | "cleanUpSeconds"]: number };
  const all = secondsSince(began) - cleanUpSeconds;
  return {
    ...result,
    written,
    seconds: { dump: dumpSeconds, restore: restoreSeconds, migrate: migrateSeconds, all },
  };
}

/** The result in words. */
export function renderMoveIn(result: MoveInResult, again: string): string {
  const { tables, rows, schema, replaced, seconds, written } = result;
  const parts = `dump and copy ${seconds.dump.toFixed(1)} s, restore and check ${seconds.restore.toFixed(1)} s, migrations ${seconds.migrate.toFixed(1)} s`;
  const what = `${tables} tables, ${rows} rows, schema version ${schema}`;
  if (replaced !== "") {
    return `Moved in: ${what}, all rows counted at both places. Downtime: ${seconds.all.toFixed(1)} s (${parts}). The old database stays closed for writes; what was here is put aside for 7 days as ${replaced}.`;
  }
  const others =
    written.length === 0
      ? "all rows counted at both places"
      : `all rows counted at both places but of ${written.join(", ")}, which were written meanwhile`;
  return `Rehearsed: ${what}, ${others}; nothing was replaced. Downtime to expect: ${seconds.all.toFixed(1)} s (${parts}). The cut-over: ${again}`;
}
