/** Applies the migrations that an image ships, for apps that have their own runner: the program of a file with `runs: "migrations"`. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { readDeclaration } from "./declaration.ts";
import { textOf } from "./log.ts";
import { createPool } from "./pool.ts";
import { connectionOf, readSettings } from "./settings.ts";

/** Only one runner at a time, also when several replicas start at once, unless the app's own takes no lock. */
const lockKey = 4_071_968;

async function migrate(): Promise<void> {
  const declaration = readDeclaration();
  const { database } = declaration;
  const runner = database?.migrations?.runner;
  if (database?.migrations === undefined || runner === undefined) {
    throw new Error(`${declaration.name} declares no runner of migrations`);
  }
  const { folder } = database.migrations;
  // Mostly only the variables of the database are required: a migration job has no others.
  const authority = typeof database.tls === "object" ? [database.tls.authorityFile] : [];
  const needed = runner.checksAllVariables
    ? Object.keys(declaration.variables)
    : [...Object.values(database.connection), ...authority];
  const variables = Object.fromEntries(
    needed.map((name) => [name, declaration.variables[name] ?? { is: name }]),
  );
  const { values } = readSettings({ variables }, process.env);
  const pool = createPool(connectionOf(database, values), `${declaration.name} migrations`);
  console.log("🔍 Checking for pending migrations...");
  const client = await pool.connect();
  try {
    if (!runner.unlocked) await client.query("SELECT pg_advisory_lock($1)", [lockKey]);
    await client.query(runner.create);
    const { rows } = await client.query<{ name: string }>(runner.applied);
    const applied = new Set(rows.map(({ name }) => name));
    const shipped = readdirSync(folder).map((file) => file.replace(/\.sql$/, ""));
    // Some records have the number alone.
    const pending = shipped
      .filter((name) => !applied.has(name) && !applied.has(name.split("_")[0] ?? ""))
      .sort();
    for (const name of pending) {
      try {
        // The file and its record in one transaction: it is rolled back when the connection ends.
        await client.query("BEGIN");
        await client.query(readFileSync(join(folder, `${name}.sql`), "utf8"));
        await client.query(runner.record, [name]);
        await client.query("COMMIT");
      } catch (error) {
        throw new Error(`migration ${name} failed: ${textOf(error)}`);
      }
    }
    if (pending.length === 0) console.log("✅ Database is up to date - no pending migrations");
    else {
      console.log(`✅ Applied ${pending.length} migration(s):`);
      for (const name of pending) console.log(`   - ${name}`);
    }
    console.log("✅ Migration check completed successfully");
  } finally {
    client.release(true);
    await pool.end();
  }
}

// Whoever imports this module goes on when it has ended.
await migrate().catch((error: unknown) => {
  console.error(`❌ Migrations failed: ${textOf(error)}`);
  process.exitCode = 1;
});
