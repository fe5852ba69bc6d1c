import { mkdir, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { KeptData } from "../../components/host/stored-data.ts";
import { type BackupHost, startBackupHost } from "./backup-host.ts";
import { ownHome } from "./own-lab.ts";
import { type PostgresTestServer, startPostgres } from "./postgres-server.ts";

/**
 * `restoreFrom: backups` as a host does it: the script of the resource, restic, a real S3 server, a real PostgreSQL server that is made empty
 * as one on a new host is. Redis is in test/lab/backups-redis.test.ts, a whole host in test/full/togather/rebuild.test.ts.
 */
const home = ownHome("restore-from");
const key = { accessKeyId: "host-key-of-the-test", secretAccessKey: "canary-secret-of-the-hosts-key" };
const password = "canary-what-the-backups-are-encrypted-with";
const source = "database mfa_postgres/mfa";
const before = "canary-password-before";
const after = "canary-password-after";

let server: PostgresTestServer;
let host: BackupHost;
let database: KeptData;
const at = (...names: string[]) => join(host.folder, ...names);
const folderOf = (path: string, owner?: string): KeptData => ({
  ...{ kind: "folder", of: "mfa", path },
  ...(owner === undefined ? {} : { owner }),
});

const checksum = async () =>
  (
    await server.query(
      "SELECT count(*)::int AS rows, md5(string_agg(id || name, ',' ORDER BY id)) AS sum FROM events",
      "mfa",
    )
  )[0];

/** As a host is that the program has just made: a role with a password of its own, its database without tables, no record. */
async function newHost(): Promise<void> {
  await server.query("DROP DATABASE IF EXISTS mfa WITH (FORCE)");
  await server.query("DROP ROLE IF EXISTS mfa");
  await server.query("DROP ROLE IF EXISTS reporter");
  await server.query(`CREATE ROLE mfa LOGIN PASSWORD '${after}'`);
  await server.query("CREATE DATABASE mfa OWNER mfa");
  for (const name of ["record.json", "nightly", "snapshots", "cache"])
    await rm(at(name), { recursive: true, force: true });
}

let written: Record<string, unknown> | undefined;
beforeAll(async () => {
  server = await startPostgres("restore-from");
  const kept = (folder: string): KeptData[] => [
    {
      ...{ kind: "database", of: "mfa", server: "mfa_postgres", name: "mfa" },
      ...{ image: server.image, dataPath: "/var/lib/postgresql/data" },
    },
    { kind: "folder", of: "mfa", path: join(folder, "blobs") },
  ];
  host = await startBackupHost({
    ...{ home, of: "mfa", password, key, dockerHost: server.dockerHost },
    data: (folder) => kept(folder).map((data) => ({ ...data, after: [] })),
    functions: `find_postgres() { postgres=${server.container}; }`,
  });
  const [first] = kept(host.folder);
  if (first === undefined) throw new Error("no database");
  database = first;
  await mkdir(at("blobs", "docker"), { recursive: true });
  await writeFile(at("blobs", "docker", "layer"), "a layer");
  await server.query(`CREATE ROLE mfa LOGIN PASSWORD '${before}'`);
  await server.query("CREATE ROLE reporter");
  await server.query("CREATE DATABASE mfa OWNER mfa");
  await server.query("ALTER DATABASE mfa SET timezone TO 'Europe/Berlin'");
  await server.query(
    `SET ROLE mfa; CREATE TABLE events (id int PRIMARY KEY, name text);
     INSERT INTO events SELECT n, md5(n::text) FROM generate_series(1, 1000) AS n; GRANT SELECT ON events TO reporter; ANALYZE events`,
    "mfa",
  );
  await host.install();
  await host.ok("take");
  written = await checksum();
});
afterAll(async () => {
  await host?.close();
  await server?.stop();
});

describe("a database without tables", () => {
  beforeEach(newHost);

  test("is as it was: rows, owner, privileges, settings; the new password of its role stays", async () => {
    // Views of an extension are nobody's data.
    await server.query("CREATE EXTENSION pg_stat_statements", "mfa");
    const { answer, all } = await host.restore(database);
    expect(answer, all).toMatchObject({ source, tables: 1, rows: 1000, problems: [] });
    expect(answer?.id).toMatch(/^[0-9a-f]{8}$/);
    for (const seconds of [answer?.rpoSeconds, answer?.rtoSeconds]) expect(seconds).toBeGreaterThanOrEqual(0);
    process.stdout.write(`RPO ${answer?.rpoSeconds} s, RTO ${answer?.rtoSeconds} s, ${answer?.rows} rows\n`);
    expect(await checksum()).toEqual(written);
    await server.login("mfa", after, "mfa");
    await expect(server.login("mfa", before, "mfa")).rejects.toThrow("password");
    expect(
      await server.query(
        "SELECT tableowner, current_setting('timezone') AS zone, has_table_privilege('reporter', 'events', 'SELECT') AS may FROM pg_tables WHERE tablename = 'events'",
        "mfa",
      ),
    ).toEqual([{ tableowner: "mfa", zone: "Europe/Berlin", may: true }]);
    expect(await server.query("SELECT datname FROM pg_database WHERE datname LIKE 'mfa_%'")).toEqual([]);
    expect((await stat(at("restored", "store"))).mode & 0o777).toBe(0o600);
    expect(await readdir(host.folder)).not.toContain("drill");
    for (const secret of [password, key.secretAccessKey]) expect(all).not.toContain(secret);
  });

  test("that an interrupted restore has dropped is restored by the next one", async () => {
    await server.query("DROP DATABASE mfa");
    await server.query("CREATE DATABASE mfa_restored");
    const { answer, all } = await host.restore(database);
    expect(answer, all).toMatchObject({ rows: 1000 });
    expect(await checksum()).toEqual(written);
  });

  test("takes the backup before where the newest is damaged, and says so", async () => {
    await writeFile(at("damaged.tar"), "no snapshot");
    await host.restic(
      ...["backup", "--host", "production-mfa", "--tag", `source=${source}`, "--tag", "bytes=11"],
      at("damaged.tar"),
    );
    const { answer, all } = await host.restore(database);
    expect(answer, all).toMatchObject({
      rows: 1000,
      problems: [{ said: expect.stringContaining("it does not begin as a snapshot does") }],
    });
    expect(answer?.id).not.toBe(answer?.problems?.[0]?.id);
    expect(await checksum()).toEqual(written);
  });

  test("stays empty, and the run fails, where the store has no backup of it or is another one", async () => {
    const missing = await host.restore({ ...database, server: "mfa_other" } as KeptData);
    expect(missing.exitCode).not.toBe(0);
    expect(missing.all).toContain("the store has no backup of database mfa_other/mfa in https://");
    expect(missing.all).toContain(
      'add "database mfa_other/mfa" to the list berth:hosts.main.beginEmpty of Pulumi.production.yaml',
    );
    const other = await host.restore({ ...database, of: "togather" } as KeptData);
    expect(other.all).toContain("the store has no backup of database mfa_postgres/mfa in https://");
    const closed = await host.restore(database, { password: "another-password-of-24-characters" });
    expect(closed.all).toContain("does not open with berth:backupsPassword");
    const refused = await host.restore(database, { key: { ...key, secretAccessKey: "not-the-stores-key" } });
    expect(refused.all).toContain("cannot be used");
    expect(
      await server.query("SELECT count(*)::int AS tables FROM pg_tables WHERE schemaname = 'public'", "mfa"),
    ).toEqual([{ tables: 0 }]);
  });

  test("begins empty where that is acknowledged", async () => {
    const { answer, all } = await host.restore({ ...database, server: "mfa_other" } as KeptData, {
      beginEmpty: true,
    });
    expect(answer, all).toMatchObject({ source: "database mfa_other/mfa", empty: true });
  });
});

describe("a database with tables", () => {
  test("is left alone, and the store is not asked", async () => {
    await newHost();
    await server.query("CREATE TABLE mine (id int); INSERT INTO mine VALUES (7)", "mfa");
    const { answer, all } = await host.restore(database, { password: "not-the-password-of-the-store" });
    expect(answer, all).toEqual({ source, left: "1 tables, views and sequences" });
    expect(await server.query("SELECT id FROM mine", "mfa")).toEqual([{ id: 7 }]);
  });
});

describe("a folder", () => {
  test("that is empty stays the same folder and has its files, one that is missing is made", async () => {
    const blobs = folderOf(at("blobs"));
    await rm(at("blobs", "docker"), { recursive: true });
    const { ino } = await stat(at("blobs"));
    const { answer, all } = await host.restore(blobs);
    expect(answer, all).toMatchObject({ source: `folder ${at("blobs")}`, files: 1, problems: [] });
    expect((await stat(at("blobs"))).ino).toBe(ino);
    await rm(at("blobs"), { recursive: true });
    expect((await host.restore(folderOf(at("blobs"), "nobody"))).answer).toMatchObject({ files: 1 });
    expect(await readFile(at("blobs", "docker", "layer"), "utf8")).toBe("a layer");
    expect((await stat(at("blobs", "docker", "layer"))).uid).toBe(65534);
  });

  test("with files is left alone", async () => {
    await writeFile(at("blobs", "docker", "layer"), "a newer layer");
    expect((await host.restore(folderOf(at("blobs")))).answer).toEqual({
      source: `folder ${at("blobs")}`,
      left: `files in ${at("blobs")}`,
    });
    expect(await readFile(at("blobs", "docker", "layer"), "utf8")).toBe("a newer layer");
  });
});

test("a host that was restored goes on writing to the same repository", async () => {
  await newHost();
  await host.restore(database);
  const count = JSON.parse(await host.ok("list")).length;
  expect(await host.ok("first")).toMatch(/^database mfa_postgres\/mfa: backup [0-9a-f]{8}/m);
  expect(JSON.parse(await host.ok("list")).length).toBeGreaterThan(count);
  expect(await host.ok("drill")).toContain("1 tables, 1000 rows");
});
