import { expect } from "vitest";
import { labOk, onMachine, ops, tested } from "./support.ts";

/** Reads a system's database without Berth, and runs the operator's commands about it. */

const container = () => `$(docker ps --quiet --filter label=berth.resource=${tested.name}_postgres)`;

/** Rows of a query as psql prints them, a line each. */
export async function sql(query: string, database = tested.database ?? tested.name): Promise<string> {
  const quoted = query.replaceAll("'", `'\\''`);
  return (
    await onMachine(
      `docker exec ${container()} psql --no-psqlrc -U postgres -d ${database} -At -v ON_ERROR_STOP=1 -c '${quoted}'`,
    )
  ).trim();
}

/**
 * The whole cluster as pg_dumpall writes it: roles, every database, permissions, data. Without the key that differs each time, and
 * without what restores have put aside.
 */
export function dumpAll(options = ""): Promise<string> {
  return onMachine(
    `docker exec ${container()} pg_dumpall -U postgres --exclude-database='togather_replaced_*' ${options} | grep -v -E '^.(un)?restrict '`,
    120,
  );
}

/** Properties that a restore must keep and that are easily missed: permissions, settings and a comment of the database itself. */
export async function decorate(): Promise<void> {
  await sql(
    "DO $$ BEGIN IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'reader') THEN DROP OWNED BY reader; DROP ROLE reader; END IF; END $$",
  );
  await sql("CREATE ROLE reader");
  await sql("GRANT CONNECT, TEMPORARY ON DATABASE togather TO reader WITH GRANT OPTION");
  await sql("GRANT SELECT ON events TO reader");
  await sql("REVOKE TEMPORARY ON DATABASE togather FROM PUBLIC");
  await sql("ALTER DATABASE togather SET app.thing TO 'va''l:ue, x'");
  await sql(`ALTER DATABASE togather SET search_path TO "$user", public`);
  await sql("ALTER ROLE reader IN DATABASE togather SET work_mem TO '8MB'");
  await sql(`COMMENT ON DATABASE togather IS 'it''s :"database"'`);
}

/** Runs `npm run ops -- …` and fails the test with the command's output when it fails. */
export async function opsOk(...args: readonly string[]) {
  const run = await ops(...args);
  expect(run.exitCode, `ops ${args.join(" ")}\n${run.output}`).toBe(0);
  return run;
}

/** Drops the databases that restores have replaced and kept: a role that one of them uses cannot be dropped. */
export async function dropReplaced(): Promise<void> {
  if ((await copies()) !== "") await opsOk("drop-replaced", "togather", "--yes");
}

/** Deploys the committed version again, with its own schema, for the next test file. */
export async function deployCommittedVersion(): Promise<void> {
  await dropReplaced();
  if ((await sql("SELECT version > 3 FROM schema_migrations")) === "t") {
    await opsOk("reverse-migration", "togather", "--to", "3", "--yes");
  }
  await labOk("up");
}

/** Databases of the server that Berth may have made beside the system's own. */
export function copies(): Promise<string> {
  return sql("SELECT datname FROM pg_database WHERE datname LIKE 'togather_%'");
}

/** The copy on which migrations are rehearsed, while they are. */
export function rehearsal(): Promise<string> {
  return sql("SELECT datname FROM pg_database WHERE datname = 'togather_rehearsal'");
}
