import { mkdir, readdir } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type Dockerode from "dockerode";
import { execa } from "execa";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { storeFiles } from "../../lab/backups/store.ts";
import { renderPointInTime } from "../../ops/backups.ts";
import { backupProblemsOf } from "../backup-problems.ts";
import { type BackupHost, startBackupHost, testStore } from "./backup-host.ts";
import { type ImageLab, openImages } from "./image-containers.ts";
import { leftOutOfCi } from "./system-lab.ts";
import { until } from "./until.ts";

/**
 * Point in time as a host's script keeps it and uses it: a real PostgreSQL server on a folder of the host, restic, a real S3 server with versions
 * and a key that may not remove them. The timers are in test/program/backups.test.ts.
 */
const { key, password } = testStore;
/** In rows, so that it is in the WAL and in the base backup: neither may be in the store in clear. */
const canary = "berth-canary-4c1f0aa9d3";
const server = "gadgetbot_postgres";
const leftOut = leftOutOfCi("point in time");

let lab: ImageLab;
let postgres: Dockerode.Container;
let host: BackupHost;

const sql = (text: string, database = "gadgetbot") =>
  lab
    .inside(
      postgres,
      ...["psql", "-U", "postgres", "-d", database, "-XqAt", "-v", "ON_ERROR_STOP=1", "-c", text],
    )
    .then((said) => said.trim());
const answers = () =>
  until("Postgres answers", 60, async () => {
    await lab.inside(postgres, "pg_isready", "-h", "127.0.0.1", "-U", "postgres");
    return true;
  });
/** A second of the server's clock, before which all that was done is, and after which all that comes. */
async function aSecond(): Promise<string> {
  await sleep(1100);
  const time = await sql(
    `SELECT to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"')`,
  );
  await sleep(1100);
  return time;
}
const rows = async (from: number, to: number) =>
  sql(`INSERT INTO events SELECT n, '${canary}' || md5(n::text) FROM generate_series(${from}, ${to}) AS n`);
const recorded = async () => (await host.record()).pointInTime[server];
const problems = async () =>
  backupProblemsOf({ of: "gadgetbot", ...(await host.record()) }).map((each) => each.says);
/** Writes so many segments, so that the slot's limit can be reached without much data. */
const segments = async (count: number) => {
  for (let n = 0; n < count; n += 1) {
    await sql("SELECT pg_logical_emit_message(false, 'filler', 'x')");
    await sql("SELECT pg_switch_wal()");
  }
};

interface Recovered {
  readonly snapshot: string;
  readonly reached: string;
  readonly newestRow: string;
}
const recover = async (at: string) =>
  JSON.parse((await host.ok("recover", server, "gadgetbot", at)).split("\n").at(-1) ?? "") as Recovered;

/** The ids in a snapshot of the database, as pg_restore has them. */
async function idsIn(snapshot: string): Promise<number[]> {
  const file = join(host.folder, "snapshots", snapshot);
  const { stdout } = await execa("bash", [
    "-c",
    `tar -xOf "$1" database.dump | docker -H "$2" exec -i "$3" pg_restore --data-only --table events --file -`,
    ...["bash", file, `unix://${lab.docker.socketPath}`, postgres.id],
  ]);
  return stdout.split("\n").flatMap((line) => (/^\d+\t/.test(line) ? [Number(line.split("\t")[0])] : []));
}

beforeAll(async () => {
  lab = await openImages("point-in-time");
  await mkdir(join(lab.folder, "data"), { mode: 0o755 });
  const image = await lab.pull("postgres", "17");
  postgres = await lab.start(image, {
    Env: ["POSTGRES_PASSWORD=superuser-of-the-test", "PGDATA=/var/lib/postgresql/data/pgdata"],
    Labels: { "berth.resource": server },
    // Connections as a system sets them: the throwaway server has the default. Without autovacuum, nothing is written but by the test.
    Cmd: ["postgres", "-c", "max_connections=120", "-c", "autovacuum=off"],
    HostConfig: { Binds: [`${join(lab.folder, "data")}:/var/lib/postgresql/data`] },
  });
  await answers();
  host = await startBackupHost({
    ...{ home: lab.home, of: "gadgetbot", password, key, dockerHost: `unix://${lab.docker.socketPath}` },
    data: () => [
      {
        ...{ kind: "database", of: "gadgetbot", server, name: "gadgetbot", after: [] },
        ...{ image, dataPath: "/var/lib/postgresql/data" },
      },
    ],
    functions: "",
    parameters: { WAL_LIMIT_MEBIBYTES: 128, HELD_SEGMENTS: 3 },
  });
  await host.install({
    pointInTime: {},
    drill: { newest: { gadgetbot: { query: "SELECT now()", maxAgeHours: 48 } } },
  });
  await sql("CREATE DATABASE gadgetbot", "postgres");
  await sql("CREATE TABLE events (id int PRIMARY KEY, name text)");
  await rows(1, 1000);
});
afterAll(async () => {
  await host?.close();
  await postgres?.remove({ force: true, v: true });
  await lab?.close();
});

describe.skipIf(leftOut)("point in time", () => {
  test("begins with the first backup, without a restart of the server", async () => {
    const started = await sql("SELECT pg_postmaster_start_time()");
    expect(await host.ok("first")).toMatch(/: base backup; any second from \S+Z on can be brought back/);
    expect(await sql("SELECT pg_postmaster_start_time()")).toBe(started);
    expect(await sql("SHOW max_slot_wal_keep_size")).toBe("128MB");
    const { windows, base } = await recorded();
    expect(windows).toHaveLength(1);
    expect(base).toMatchObject({ problem: "" });
    expect(await problems()).toEqual([
      `drill of database ${server}/gadgetbot (gadgetbot): there was none yet`,
      `drill of point in time ${server} (gadgetbot): there was none yet`,
    ]);
  });

  test("brings deleted rows back, and none that came later", async () => {
    await rows(1001, 1100);
    const before = await aSecond();
    await sql("DELETE FROM events WHERE id <= 1000");
    await rows(2001, 2010);
    const { snapshot, reached } = await recover(before);
    expect(new Date(reached).getTime()).toBeLessThanOrEqual(Date.parse(before));
    const ids = await idsIn(snapshot);
    expect(ids).toHaveLength(1100);
    expect(Math.max(...ids)).toBe(1100);
    // The live database is as it was, and nothing of the throwaway one is left.
    expect(await sql("SELECT count(*) FROM events")).toBe("110");
    expect(await readdir(host.folder)).not.toContain("drill");
    const { stdout: manifest } = await execa("tar", [
      "-xOf",
      join(host.folder, "snapshots", snapshot),
      "manifest.json",
    ]);
    expect(JSON.parse(manifest)).toMatchObject({ system: "gadgetbot", database: "gadgetbot", time: before });
  });

  test("goes on while nothing is written, without anything being sent", async () => {
    await host.ok("wal");
    const { id, until: first } = await recorded();
    const at = await aSecond();
    await host.ok("wal");
    const { id: same, until: second } = await recorded();
    expect(same).toBe(id);
    expect(second > first).toBe(true);
    expect(await idsIn((await recover(at)).snapshot)).toHaveLength(110);
  });

  test("misses nothing when sending stops, and the server crashes meanwhile", async () => {
    await rows(3001, 3100);
    await segments(2);
    await postgres.kill({ signal: "SIGKILL" });
    await postgres.wait();
    await postgres.start();
    await answers();
    await rows(4001, 4100);
    const at = await aSecond();
    await sql("DELETE FROM events");
    await segments(4);
    await host.ok("wal");
    await rows(5001, 5001);
    await segments(4);
    await host.ok("wal");
    expect((await idsIn((await recover(at)).snapshot)).length).toBe(310);
    const later = await aSecond();
    expect(await idsIn((await recover(later)).snapshot)).toEqual([5001]);
    expect((await recorded()).windows).toHaveLength(1);
  });

  test("outside the window is refused with its two ends", async () => {
    const { windows } = await recorded();
    const ends = new RegExp(
      `${server} cannot be brought back to 2020-01-01T00:00:00Z. It can be, to any second from ${windows[0].from} to \\S+Z`,
    );
    expect(await host.fails("recover", server, "gadgetbot", "2020-01-01T00:00:00Z")).toMatch(ends);
    expect(await host.fails("recover", server, "gadgetbot", "2099-01-01T00:00:00Z")).toContain(
      "cannot be brought back to 2099-01-01T00:00:00Z",
    );
    expect(await host.fails("recover", server, "other", windows[0].from)).toContain(
      `gadgetbot has no database ${server}/other`,
    );
  });

  test("is drilled, up to its last second", async () => {
    const said = await host.ok("drill", "yes");
    expect(said).toMatch(
      /^point in time gadgetbot_postgres: backup [0-9a-f]{8} restored: 1 tables, 1 rows; RPO/m,
    );
    expect(await problems()).toEqual([]);
  });

  test("is nowhere in the store in clear", async () => {
    for (const text of [canary, password, "CREATE TABLE", "SCRAM-SHA-256"]) {
      const { stdout } = await execa("grep", ["-rlaF", text, storeFiles(lab.home).folder], { reject: false });
      expect(stdout, text).toBe("");
    }
  });
});

describe.skipIf(leftOut)("WAL beyond the server's limit", () => {
  test("is lost, which is said, and a new base backup begins a new window", async () => {
    const before = (await recorded()).windows[0];
    await rows(6001, 6100);
    const inTheGap = await aSecond();
    await segments(12);
    await sql("CHECKPOINT");
    expect(await sql("SELECT wal_status FROM pg_replication_slots")).toBe("lost");
    expect(await host.ok("wal")).toContain("base backup; any second from");
    const { windows, lost } = await recorded();
    expect(windows).toHaveLength(2);
    expect(windows[0].from).toBe(before.from);
    expect(lost.from >= windows[0].until).toBe(true);
    expect(await problems()).toEqual([
      `WAL of ${server} (gadgetbot) was lost between ${lost.from} and ${lost.until}: no second of that can be brought back (docs/runbooks/backups.md)`,
    ]);
    expect(await host.fails("recover", server, "gadgetbot", inTheGap)).toMatch(
      /It can be, to any second from \S+Z to \S+Z, from \S+Z to \S+Z$/m,
    );
    // Either side of it.
    expect(await idsIn((await recover(windows[0].until)).snapshot)).toEqual([5001]);
    expect(await idsIn((await recover(await aSecond())).snapshot)).toHaveLength(101);
    expect(
      renderPointInTime([{ of: "gadgetbot", ...(await host.record()) }]).split("\n").length,
    ).toBeGreaterThan(2);
  });
});

test.skipIf(leftOut)(
  "a base backup makes what came before the window superfluous, and nothing else",
  async () => {
    const all = async () => {
      const { stdout } = await execa(
        "bash",
        [
          "-c",
          'set -a; . "$0"; exec restic --repo "$RESTIC_REPOSITORY/point-in-time" --cacert "$1" snapshots --json',
          ...[join(host.folder, "store"), join(host.folder, "authority.pem")],
        ],
        { env: { NO_PROXY: "*" } },
      );
      return (JSON.parse(stdout) as { tags: string[] }[]).map(
        ({ tags }) => tags.find((tag) => tag.startsWith("kind="))?.slice(5) ?? "",
      );
    };
    const count = (kinds: readonly string[], kind: string) => kinds.filter((each) => each === kind).length;
    const before = await all();
    await host.ok("base");
    const after = await all();
    // One more of the copy and of its label; of the WAL that grew, the newest.
    expect(count(after, "base")).toBe(count(before, "base") + 1);
    expect(count(after, "data")).toBe(count(after, "base"));
    expect(count(after, "wal")).toBeLessThanOrEqual(count(before, "wal") + 1);
    expect(await idsIn((await recover((await recorded()).windows[0].from)).snapshot)).toHaveLength(1000);
  },
);

test.skipIf(leftOut)("without it, the server keeps nothing any longer", async () => {
  await host.install();
  await host.ok("first");
  expect(await sql("SELECT count(*) FROM pg_replication_slots")).toBe("0");
  expect(await sql("SHOW max_slot_wal_keep_size")).toBe("-1");
  expect((await host.record()).pointInTime).toBeUndefined();
  expect(await host.fails("recover", server, "gadgetbot", "2026-01-01T00:00:00Z")).toContain(
    "point in time of gadgetbot is not set up: berth:backups.pointInTime",
  );
});
