import { mkdtemp, readFile, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { copies, decorate, deployCommittedVersion, dropReplaced, dumpAll, opsOk, sql } from "../database.ts";
import { leftovers } from "../leftovers.ts";
import { expectSameDump } from "../same-dump.ts";
import { scenarios } from "../search.ts";
import { labOk, onMachine, ops, togather } from "../support.ts";
import { printTable } from "../tables.ts";
import { expectNoFailure, underLoad } from "../under-load.ts";

/** Snapshots and their way back: rows deleted, one command, rows there again, while everything runs. */

scenarios();
afterAll(deployCommittedVersion);

const folder = "/var/backups/togather";
const checksum = () =>
  sql(
    "SELECT count(*) || ' ' || md5(string_agg(events::text, '|' ORDER BY id)) FROM events WHERE name LIKE 'kept %'",
  );
const taken = async () =>
  (JSON.parse((await opsOk("snapshot", "togather", "--json")).stdout) as { snapshot: string }).snapshot;
const list = async () =>
  JSON.parse((await opsOk("snapshots", "togather", "--json")).stdout) as { name: string; problem: string }[];

describe("a restore", () => {
  test("brings back the whole cluster, dump for dump", async () => {
    await labOk("up", "--set", "togather:app.version=v1.0.0");
    await dropReplaced();
    await decorate();
    await sql(
      "INSERT INTO events (name, starts_at) SELECT 'kept ' || n, now() FROM generate_series(1, 20000) AS n",
    );
    const before = await dumpAll();
    const snapshot = await taken();
    await sql("DELETE FROM events WHERE id % 3 = 0");
    await sql("REVOKE ALL ON DATABASE togather FROM reader");
    await sql("DROP TABLE river_job");
    expect(await dumpAll()).not.toBe(before);
    const { seconds } = await opsOk("restore", "togather", snapshot, "--yes");
    process.stdout.write(`restored 20000 rows in ${seconds.toFixed(1)} s\n`);
    expectSameDump(await dumpAll(), before);
    expect(await copies()).toMatch(/^togather_replaced_\d{8}_\d{6}$/);
  });

  test("puts aside what it replaced, with its last writes, until it is dropped or 7 days old", async () => {
    const [aside = ""] = (await copies()).split("\n");
    const postgres = '"$(docker ps --quiet --filter label=berth.resource=togather_postgres)"';
    const kept = await onMachine(
      `docker exec ${postgres} psql -U postgres -d ${aside} -At -c "SELECT count(*) > 0 FROM events"`,
    );
    expect(kept.trim()).toBe("t");
    expect((await opsOk("status")).output).toMatch(new RegExp(`togather +${aside}, .* put aside`));

    // The timer's own run: one of eight days ago goes, one of six days ago stays.
    const stamp = (days: number) => `$(date -u -d "${days} days ago" +%Y%m%d_%H%M%S)`;
    await onMachine(
      `for at in ${stamp(8)} ${stamp(6)}; do docker exec ${postgres} createdb -U postgres togather_replaced_$at; done; sudo systemctl start berth-replaced-expire-togather.service`,
    );
    expect((await copies()).split("\n")).toHaveLength(2);
    expect(await onMachine("systemctl is-active berth-replaced-expire-togather.timer")).toContain("active");

    const asked = await ops("drop-replaced", "togather");
    expect(asked.exitCode).toBe(1);
    expect(asked.output).toContain('pass --yes to confirm "drop togather"');
    expect((await copies()).split("\n")).toHaveLength(2);
    await opsOk("drop-replaced", "togather", "--yes");
    expect(await copies()).toBe("");
  });

  test("of a database that something keeps says what keeps it", async () => {
    const postgres = '"$(docker ps --quiet --filter label=berth.resource=togather_postgres)"';
    const name = "togather_replaced_20260101_000000";
    await onMachine(`docker exec ${postgres} createdb -U postgres ${name}`);
    await onMachine(
      `docker exec ${postgres} psql -U postgres -d ${name} -c "ALTER DATABASE ${name} IS_TEMPLATE true"`,
    );
    const refused = await ops("drop-replaced", "togather", "--yes");
    expect(refused.exitCode).toBe(1);
    expect(refused.output).toContain(`the database ${name} could not be dropped. Postgres says:`);
    expect(refused.output).toContain("cannot drop a template database");
    await onMachine(
      `docker exec ${postgres} psql -U postgres -c "ALTER DATABASE ${name} IS_TEMPLATE false" && docker exec ${postgres} dropdb -U postgres ${name}`,
    );
  });

  test("under load: rows back, equal checksums, the app never stopped, nothing to do for a second up", async () => {
    const before = await togather();
    const slot = `docker ps --quiet --filter label=com.docker.swarm.service.name=${before.slot}`;
    const containers = await onMachine(`${slot}; docker ps --quiet --filter label=berth.role=edge`);
    const rows = await checksum();
    const snapshot = await taken();
    const { result, load } = await underLoad("a restore", async () => {
      await sql("DELETE FROM events WHERE name LIKE 'kept %'");
      const deleted = await checksum();
      const restored = await opsOk("restore", "togather", snapshot, "--yes");
      return { deleted, restored };
    });
    process.stdout.write(
      `failed during the exchange: ${load.failures} of ${load.requests}, longest gap ${load.longestGapMs} ms\n`,
    );
    expect(result.deleted).toBe("");
    expect(await checksum()).toBe(rows);
    expect(await onMachine(`${slot}; docker ps --quiet --filter label=berth.role=edge`)).toBe(containers);
    expectNoFailure(load);
    const preview = await labOk("preview", "--set", "togather:app.version=v1.0.0", "--expect-no-changes");
    expect(preview.output).toContain("nothing to do");
    expect(await leftovers()).toEqual([]);
  });

  test("of a snapshot that is older than the deployed version brings the schema along", async () => {
    const snapshot = await taken();
    const rows = await checksum();
    await labOk("up", "--set", "togather:app.version=v2.0.0");
    await sql("DELETE FROM events");
    const { load } = await underLoad("a restore from before a migration", () =>
      opsOk("restore", "togather", snapshot, "--yes"),
    );
    expectNoFailure(load);
    expect(await sql("SELECT version, dirty FROM schema_migrations")).toBe("4|f");
    // The newer schema has a column more, at the end of each row.
    expect(await sql("SELECT count(*) FROM events WHERE name LIKE 'kept %' AND source = 'local'")).toBe(
      rows.split(" ")[0],
    );
    await labOk("preview", "--set", "togather:app.version=v2.0.0", "--expect-no-changes");
  });

  test("asks before it replaces anything, and takes silence for a no", async () => {
    const before = await sql("SELECT oid FROM pg_database WHERE datname = 'togather'");
    const asked = await ops("restore", "togather");
    expect(asked.exitCode).toBe(1);
    expect(asked.output).toContain("replaces the database togather of production");
    expect(asked.output).toContain('pass --yes to confirm "togather production"');
    expect(await sql("SELECT oid FROM pg_database WHERE datname = 'togather'")).toBe(before);
  });
});

describe("refused, before anything is touched", () => {
  const bad = "togather_production_20200101_000000.tar";
  const cases: readonly [string, string, RegExp][] = [
    ["a truncated one", `head -c -50000 "$good" > ${bad}`, /truncated or damaged: its checksum differs/],
    [
      "a damaged one",
      `cp "$good" ${bad}; printf XXXX | dd of=${bad} bs=1 seek=50000 conv=notrunc status=none`,
      /truncated or damaged: its checksum differs/,
    ],
    [
      "one of another system",
      `sed 's/"system": "togather"/"system": "mfa12345"/' "$good" > ${bad}`,
      /it is of mfa12345, production, database togather/,
    ],
    [
      "one of another environment",
      `sed 's/"environment": "production"/"environment": "staging123"/' "$good" > ${bad}`,
      /it is of togather, staging123/,
    ],
    ["any other file", `echo 'DROP DATABASE togather;' > ${bad}`, /does not begin as a snapshot does/],
  ];
  test.each(cases)("%s", async (_what, make, reason) => {
    await taken();
    const state = () => sql("SELECT string_agg(oid || datname, ' ' ORDER BY oid) FROM pg_database");
    const before = await state();
    await onMachine(`cd ${folder}; good=$(ls togather_production_*.tar | tail -n 1); ${make}`);
    try {
      const files = await onMachine(`ls ${folder}`);
      const refused = await ops("restore", "togather", bad, "--yes");
      printTable("refused", [], [[refused.output.trim()]]);
      expect(refused.exitCode).toBe(1);
      expect(refused.output).toMatch(reason);
      expect(refused.output).toContain("nothing was touched");
      expect((await list()).find(({ name }) => name === bad)?.problem).toMatch(reason);
      expect(await state()).toBe(before);
      expect(await onMachine(`ls ${folder}`)).toBe(files);
    } finally {
      await onMachine(`rm -f ${folder}/${bad}`);
    }
  });
});

describe("without Berth", () => {
  /** Runs commands beside a server that has nothing. */
  const elsewhere = (commands: string) =>
    onMachine(
      `cd ${folder}
      image=$(docker inspect --format '{{.Config.Image}}' $(docker ps --quiet --filter label=berth.resource=togather_postgres))
      docker run --detach --name elsewhere --network none --env POSTGRES_HOST_AUTH_METHOD=trust "$image" >/dev/null
      trap 'docker rm --force --volumes elsewhere >/dev/null' EXIT
      for _ in $(seq 60); do docker exec elsewhere pg_isready -q -h 127.0.0.1 -U postgres && break; sleep 1; done
      { ${commands}\n} >/dev/null 2>&1
      docker exec elsewhere psql -U postgres -d togather -At -c "SELECT count(*) || ' ' || md5(string_agg(events::text, '|' ORDER BY id)) FROM events WHERE name LIKE 'kept %'"
      docker exec elsewhere psql -U postgres -d togather -At -c "SELECT rolname FROM pg_roles WHERE rolname IN ('togather', 'reader') ORDER BY 1"`,
      300,
    );

  test("a snapshot is restored by tar, psql and pg_restore into a server that has nothing", async () => {
    const snapshot = await taken();
    const rows = await checksum();
    const said = await elsewhere(`tar -xOf ${snapshot} roles.sql | docker exec -i elsewhere psql -U postgres
      tar -xOf ${snapshot} database.dump | docker exec -i elsewhere pg_restore -U postgres --create -d postgres`);
    expect(said.trim().split("\n")).toEqual([rows, "reader", "togather"]);
  });

  test("an export is restored by psql alone", async () => {
    const rows = await checksum();
    const folder = await mkdtemp(join(tmpdir(), "berth-export-"));
    const file = join(folder, "togather.sql");
    await opsOk("export", "togather", "--to", file);
    const sql = await readFile(file, "utf8");
    expect((await stat(file)).mode & 0o777).toBe(0o600);
    await rm(folder, { recursive: true });
    const said = await elsewhere(
      `docker exec -i elsewhere psql --no-psqlrc -q -U postgres <<'EXPORT'\n${sql}\nEXPORT`,
    );
    expect(said.trim().split("\n")).toEqual([rows, "reader", "togather"]);
  });

  test("the last 7 are kept", async () => {
    for (let count = 0; count < 8; count++) await taken();
    expect(await list()).toHaveLength(7);
    expect((await list()).filter(({ problem }) => problem !== "")).toEqual([]);
  });
});
