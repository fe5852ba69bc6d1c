import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, describe, expect, test } from "vitest";
import { storeFiles } from "../../../lab/backups/store.ts";
import type { Recovered } from "../../../ops/point-in-time.ts";
import { findCanaries, plantedCanaries } from "../canaries.ts";
import { deployCommittedVersion, opsOk, sql } from "../database.ts";
import { scenarios } from "../search.ts";
import { home, labOk, onMachine, ops } from "../support.ts";

/** Backups on a machine as a person sets them up and uses them, to a store of the lab; every damage is in test/lab/backups.test.ts. */

scenarios();
afterAll(deployCommittedVersion);

const up = (...more: string[]) => labOk("up", "--backups", ...more);
interface Entry {
  readonly id: string;
  readonly source: string;
}
const source = "database togather_postgres/togather";
const backups = async () =>
  (JSON.parse((await opsOk("backups", "togather", "--json")).stdout) as Entry[]).filter(
    (each) => each.source === source,
  );
const status = async () =>
  JSON.parse((await opsOk("status", "--json")).stdout) as {
    backups: { drills: Record<string, { rows: number; rpoSeconds: number; rtoSeconds: number }> }[];
    backupProblems: string[];
  };

describe("backups", () => {
  test("are set up by an up, which writes the first and restores it; the next one has nothing to do", async () => {
    await labOk("up", "--set", "togather:app.version=v1.0.0");
    await sql(
      "INSERT INTO events (name, starts_at) SELECT 'kept ' || n, now() FROM generate_series(1, 5000) AS n",
    );
    await up();
    expect(await backups()).toHaveLength(1);
    expect((await status()).backupProblems).toEqual([
      "backup of the state of production: there is none yet; npm run lab -- ops save-state --stack production",
    ]);
    expect((await opsOk("save-state")).stdout).toMatch(/^state production: backup [0-9a-f]{8}, \d+ bytes$/m);
    const { backupProblems, backups: records } = await status();
    expect(backupProblems).toEqual([]);
    const drill = records[0]?.drills[source];
    expect(drill?.rows).toBeGreaterThan(5000);
    process.stdout.write(`RPO ${drill?.rpoSeconds} s, RTO ${drill?.rtoSeconds} s, ${drill?.rows} rows\n`);
    await labOk("preview", "--backups", "--expect-no-changes");
  });

  test("are taken and drilled by the timers' own units, as the deploy user", async () => {
    await onMachine("sudo systemctl start berth-backup-togather.service berth-backup-togather-drill.service");
    expect(await onMachine("systemctl list-timers --all --no-legend 'berth-backup-*' | wc -l")).toContain(
      "4",
    );
    expect(await onMachine("sudo stat --format '%a %U' /etc/berth/backups/togather")).toContain("600 root");
    expect(await backups()).toHaveLength(2);
  });

  test("bring a damaged database back while everything runs", async () => {
    const sum = () => sql("SELECT count(*) || ' ' || sum(id) FROM events WHERE name LIKE 'kept %'");
    const before = await sum();
    await opsOk("backup", "togather");
    const newest = (await backups()).at(-1)?.id ?? "";
    await sql("TRUNCATE events CASCADE");
    // The host's own snapshots are gone too.
    await onMachine("sudo rm -f /var/backups/togather/*.tar /var/backups/togather/nightly/*");
    const { output } = await opsOk("restore", "togather", "--from-backup", newest, "--yes");
    expect(output).toContain("Restored: togather_production_");
    expect(await sum()).toBe(before);
    expect((await opsOk("status")).output).toContain("put aside");
    await opsOk("drill", "togather");
  });

  test("bring a database back to one second, as a snapshot that restore puts in its place", async () => {
    const kept = () => sql("SELECT count(*) FROM events WHERE name LIKE 'second %'");
    await sql(
      "INSERT INTO events (name, starts_at) SELECT 'second ' || n, now() FROM generate_series(1, 100) AS n",
    );
    const at = await sql(
      `SELECT to_char(now() AT TIME ZONE 'UTC' + interval '1 second', 'YYYY-MM-DD"T"HH24:MI:SS"Z"')`,
    );
    await sleep(2500);
    await sql("DELETE FROM events WHERE name LIKE 'second %'");
    const found = JSON.parse(
      (await opsOk("point-in-time", "togather", "--at", at, "--json")).stdout,
    ) as Recovered;
    process.stdout.write(`${JSON.stringify(found)}\n`);
    expect(await kept()).toBe("0");
    await opsOk("restore", "togather", found.snapshot, "--yes");
    expect(await kept()).toBe("100");
    const before = await ops("point-in-time", "togather", "--at", "2026-01-01T00:00:00Z");
    expect(before.exitCode).toBe(1);
    expect(before.output).toMatch(
      /cannot be brought back to 2026-01-01T00:00:00Z\. It can be, to any second from \S+ to \S+/,
    );
    // The timer's own unit, as the deploy user.
    await onMachine("sudo systemctl start berth-backup-togather-wal.service");
    expect((await status()).backupProblems.filter((each) => /WAL|base/.test(each))).toEqual([]);
    expect((await opsOk("backups", "togather")).output).toContain("togather_postgres");
    await labOk("preview", "--backups", "--expect-no-changes");
  });

  test("that do not exist or are of another kind are refused", async () => {
    const missing = await ops("restore", "togather", "--from-backup", "00000000", "--yes");
    expect(missing.output).toContain("there is no backup 00000000 of togather");
    const invalid = await ops("restore", "togather", "--from-backup", "../x", "--yes");
    expect(invalid.output).toContain('"../x" is not a backup');
    expect((await ops("backup", "mfa")).output).toContain('no system "mfa" is deployed');
  });

  // What all commands have printed, the units' journal and argument lists are searched after each test (search.ts).
  test("have no secret in the store, its names, or the status page", async () => {
    const canaries = plantedCanaries(home.stateDir);
    expect(canaries.map(({ key }) => key)).toContain("berth:backupsPassword");
    const { data, versions } = storeFiles(home);
    const files = [data, versions].flatMap((folder) =>
      readdirSync(folder, { recursive: true, withFileTypes: true })
        .filter((entry) => entry.isFile())
        .map((entry) => join(entry.parentPath, entry.name)),
    );
    expect(files.length).toBeGreaterThan(10);
    const texts = new Map(files.map((file) => [file, readFileSync(file, "latin1")]));
    texts.set("names", files.join("\n"));
    texts.set("the status page", (await opsOk("status", "--html")).stdout);
    expect(findCanaries(canaries, texts)).toEqual([]);
  });

  test("that are no longer declared leave the host, and the store as it is", async () => {
    await labOk("up");
    expect(
      await onMachine(
        "ls /etc/berth/backups /usr/local/lib/berth; systemctl list-unit-files 'berth-backup*' || true",
      ),
    ).not.toContain("berth-backup-togather");
    expect((await opsOk("status")).output).toContain("nothing leaves the hosts");
    expect((await ops("backups", "togather")).output).toContain("there are no backups of togather");
  });
});
