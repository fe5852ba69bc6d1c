import { readFileSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { until } from "../../lab/until.ts";
import { opsOk, sql } from "../database.ts";
import { scenariosOf } from "../search.ts";
import { labOk, onMachine, ops } from "../support.ts";
import { sertantaiSystem } from "../systems.ts";
import { printTable } from "../tables.ts";
import { followRegister } from "./shape.ts";

/** Production is filled from a developer's dump: compared, refused or restored, while ElectricSQL's own client follows the table. */

scenariosOf(sertantaiSystem);

const count = 100_000;
const postgres = "$(docker ps --quiet --filter label=berth.resource=sertantai_postgres)";
const checksum = (database?: string) =>
  sql(
    "SELECT count(*) || ' ' || md5(string_agg(uk_lrt::text, '|' ORDER BY id)) FROM uk_lrt",
    ...(database === undefined ? [] : [database]),
  );
const containers = () =>
  onMachine(
    "for each in backend electric; do docker ps --quiet --filter label=berth.resource=sertantai_$each; done",
  );
const state = async () => [
  await containers(),
  await sql("SELECT count(*) FROM uk_lrt"),
  await sql("SELECT string_agg(oid || datname, ' ' ORDER BY oid) FROM pg_database"),
  await onMachine("ls -A /var/backups/sertantai 2>/dev/null || true"),
];

let folder: string;
const dumps = { good: "", lacking: "" };

/** A dump of the developer's database, from the machine to here. */
async function dump(name: string): Promise<string> {
  const text = await onMachine(
    `docker exec ${postgres} pg_dump -U postgres --format=custom dev | base64 --wrap=0`,
    300,
  );
  const path = join(folder, `${name}.dump`);
  await writeFile(path, Buffer.from(text.trim(), "base64"));
  return path;
}

const restore = (path: string) =>
  ops("restore", "sertantai", "--database", "sertantai_legal", "--from", path, "--yes");

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "berth-dumps-"));
  await sql("DELETE FROM uk_lrt");
  await onMachine(
    `docker exec ${postgres} dropdb -U postgres --if-exists dev; docker exec ${postgres} createdb -U postgres dev
    docker exec ${postgres} pg_dump -U postgres --schema-only --no-publications sertantai_legal | docker exec -i ${postgres} psql -q -U postgres -d dev -v ON_ERROR_STOP=1 >/dev/null`,
    120,
  );
  await sql("INSERT INTO schema_migrations (version, inserted_at) VALUES (99990101000000, now())", "dev");
  await sql(
    `INSERT INTO uk_lrt (name, title_en, year, number, tags, duty_type)
      SELECT 'UK_uksi_' || n, E'The Regulations\\n' || n, 1974 + n % 50, n::text, ARRAY['a', n::text], jsonb_build_object('n', n) FROM generate_series(1, ${count}) AS n`,
    "dev",
  );
  dumps.good = await dump("good");
  await sql("ALTER TABLE uk_lrt DROP COLUMN title_en", "dev");
  dumps.lacking = await dump("lacking");
  // For the comparison afterwards.
  await onMachine(
    `docker exec ${postgres} dropdb -U postgres dev; docker exec ${postgres} createdb -U postgres dev`,
  );
  await onMachine(
    `base64 --decode <<'DUMP' | docker exec -i ${postgres} pg_restore -U postgres --no-owner -d dev\n${readFileSync(dumps.good).toString("base64")}\nDUMP`,
    300,
  );
}, 600_000);

afterAll(async () => {
  await onMachine(`docker exec ${postgres} dropdb -U postgres --if-exists --force dev`);
  await rm(folder, { recursive: true });
});

test("a dump with a column missing is refused with that column named, and nothing is stopped or changed", async () => {
  const before = await state();
  const refused = await restore(dumps.lacking);
  printTable("refused", [], [[refused.output.trim()]]);
  expect(refused.exitCode).toBe(1);
  expect(refused.output).toContain("✖ public.uk_lrt: the dump lacks the column title_en (text)");
  expect(refused.output).toContain("nothing was changed");
  expect(await state()).toEqual(before);
});

test("a table with rows is refused and named with their number, before the dump is sent", async () => {
  await sql("INSERT INTO uk_lrt (name, year) SELECT 'here ' || n, 2026 FROM generate_series(1, 3) AS n");
  const before = await state();
  const refused = await restore(dumps.good);
  expect(refused.exitCode).toBe(1);
  expect(refused.output).toContain("✖ public.uk_lrt has 3 rows here, which the dump's would join");
  expect(refused.output).not.toContain("sending");
  expect(await state()).toEqual(before);
  await sql("DELETE FROM uk_lrt");
});

test("it asks first, and takes silence for a no", async () => {
  const before = await state();
  const asked = await ops("restore", "sertantai", "--database", "sertantai_legal", "--from", dumps.good);
  expect(asked.exitCode).toBe(1);
  expect(asked.output).toContain("go into the database sertantai_legal of production");
  expect(asked.output).toContain("sertantai_backend, sertantai_electric are stopped meanwhile");
  expect(asked.output).toContain('pass --yes to confirm "sertantai production"');
  expect(await state()).toEqual(before);
});

test("a good dump restores 100,000 rows with equal checksums, and ElectricSQL's client resumes", async () => {
  const client = await followRegister();
  try {
    expect(await client.rows()).toHaveLength(0);
    const handle = client.handle();
    const migrations = await sql(
      "SELECT string_agg(version::text, ' ' ORDER BY version) FROM schema_migrations",
    );
    const owner = "SELECT pg_get_userbyid(relowner) FROM pg_class WHERE relname = 'uk_lrt'";
    const owned = await sql(owner);

    const { seconds, output } = await opsOk(
      ...["restore", "sertantai", "--database", "sertantai_legal", "--from", dumps.good, "--yes"],
    );
    printTable(`a dump of ${count} rows, restored in ${seconds.toFixed(1)} s`, [], [[output.trim()]]);
    expect(output).toMatch(/public\.uk_lrt +100000\n/);
    expect(output).toMatch(
      /Nothing of sertantai_backend, sertantai_electric ran for [\d.]+ s; sertantai_electric was cleared and begins anew\./,
    );
    const sum = await checksum();
    expect(sum).toMatch(/^100000 /);
    expect(sum).toBe(await checksum("dev"));
    expect(await sql("SELECT string_agg(version::text, ' ' ORDER BY version) FROM schema_migrations")).toBe(
      migrations,
    );
    expect(await sql(owner)).toBe(owned);

    await until("the client has the restored rows", 180, async () =>
      client.current().length === count ? true : undefined,
    );
    expect(client.handle()).not.toBe(handle);
    await sql("INSERT INTO uk_lrt (name, year) VALUES ('after the restore', 2026)");
    await until("the client has what came after", 60, async () =>
      client.current().length === count + 1 ? true : undefined,
    );
    expect(await sql("SELECT slot_name, database, active FROM pg_replication_slots")).toBe(
      "electric_slot_legal|sertantai_legal|t",
    );
    expect(await onMachine("ls -A /var/backups/sertantai | grep -E '^[.](moving|stopped)' || true")).toBe("");
  } finally {
    client.stop();
  }
});

test("a second up has nothing to do, and what was replaced is put aside for 7 days", async () => {
  const preview = await labOk("preview", "--expect-no-changes");
  expect(preview.output).toContain("nothing to do");
  expect((await opsOk("status")).output).toMatch(/sertantai_legal_replaced_\d{8}_\d{6}.* put aside/);
  await opsOk("drop-replaced", "sertantai", "--database", "sertantai_legal", "--yes");
  await sql("DELETE FROM uk_lrt");
});
