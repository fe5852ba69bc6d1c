import { copyFile, mkdir, readdir, readFile, rm, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import {
  DeleteObjectCommand,
  ListObjectVersionsCommand,
  PutBucketPolicyCommand,
  PutBucketVersioningCommand,
  S3Client,
} from "@aws-sdk/client-s3";
import { execa } from "execa";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { labStore } from "../../lab/backups/address.ts";
import { storeOwner } from "../../lab/backups/bucket.ts";
import { storeFiles } from "../../lab/backups/store.ts";
import { type BackupHost, startBackupHost, testStore } from "./backup-host.ts";
import { ownHome } from "./own-lab.ts";
import { type PostgresTestServer, startPostgres } from "./postgres-server.ts";

/**
 * Backups as a host writes, lists, drills and fetches them: its own script, restic, a real S3 server with versions and a key that may not
 * remove them, a real PostgreSQL server. What installs it on a host is in test/full/togather/backups.test.ts.
 */
const home = ownHome("backups");
const { key: hostKey, password } = testStore;
/** In a row, and in a role's password hash: neither may be in the store in clear. */
const canary = "berth-canary-7f3c1d5e9b";
const source = "database togather_postgres/togather";

let server: PostgresTestServer;
let host: BackupHost;
let folder: string;
const at = (...names: string[]) => join(folder, ...names);
const install = (more: Record<string, unknown> = {}, key = hostKey) => host.install(more, key);
const ok = (...words: string[]) => host.ok(...words);
const fails = (...words: string[]) => host.fails(...words);
const restic = (...words: string[]) => host.restic(...words);

/** A file as a backup of the database, whatever is in it. */
const send = (file: string, bytes: number) =>
  restic(
    ...["backup", "--host", "production-togather", "--tag", `source=${source}`, "--tag", `bytes=${bytes}`],
    at(file),
  );

const record = () => host.record();
const backups = async () =>
  (JSON.parse(await ok("list")) as { id: string; source: string; bytes: number }[]).filter(
    (entry) => entry.source === source,
  );

/** The files in which the store keeps the newest backup's data: those that were not there before. */
async function packs(): Promise<string[]> {
  const data = join(storeFiles(home).data, "backups", "production", "togather", "data");
  const names = await readdir(data, { recursive: true, withFileTypes: true });
  return names.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
}

/** Rows up to 5000 that compress badly: a backup without them is much smaller. */
const rows = (from: number) =>
  `INSERT INTO events (id, name) SELECT n, '${canary}' || md5(n::text) || md5((n * 7)::text) FROM generate_series(${from}, 5000) AS n`;

beforeAll(async () => {
  server = await startPostgres("backups");
  host = await startBackupHost({
    ...{ home, of: "togather", password, key: hostKey, dockerHost: server.dockerHost },
    data: (folder) => [
      {
        ...{ kind: "database", of: "togather", server: "togather_postgres", name: "togather", after: [] },
        ...{ image: server.image, dataPath: "/var/lib/postgresql/data" },
      },
      { kind: "folder", of: "togather", path: join(folder, "blobs"), after: [] },
    ],
    // The server of the test has no label of Swarm's; the throwaway one is found by what `docker run` says.
    functions: `find_postgres() { postgres=${server.container}; }`,
  });
  folder = host.folder;
  await mkdir(at("blobs"));
  await writeFile(at("blobs", "layer"), canary.repeat(1000));
  await server.query(`CREATE ROLE togather LOGIN PASSWORD '${canary}'`);
  await server.query("CREATE DATABASE togather OWNER togather");
  await server.query(
    `CREATE TABLE events (id int PRIMARY KEY, name text, created_at timestamptz DEFAULT now());
     ${rows(1)}; ANALYZE;`,
    "togather",
  );
  await install();
});
afterAll(async () => {
  await host?.close();
  await server?.stop();
});

describe("a backup", () => {
  test("is written for the database and the folder, read back, and listed", async () => {
    const said = await ok("take");
    expect(said).toMatch(/^database togather_postgres\/togather: backup [0-9a-f]{8}, \d+ bytes$/m);
    expect(said).toMatch(/^folder .*\/blobs: backup [0-9a-f]{8}, \d+ bytes$/m);
    expect(await backups()).toHaveLength(1);
    expect(await record()).toMatchObject({
      backup: { problem: "" },
      sources: { [source]: { problem: "", ok: expect.any(String), rows: "5000" } },
    });
  });

  test("is nowhere in the store in clear, nor is a name of it", async () => {
    const { folder: stored } = storeFiles(home);
    for (const text of [canary, "togather_production_", password, "CREATE TABLE", "SCRAM-SHA-256"]) {
      const { stdout } = await execa("grep", ["-rlaF", text, stored], { reject: false });
      expect(stdout, text).toBe("");
    }
    const { stdout } = await execa(
      "grep",
      ["-rlaF", "-e", password, "-e", hostKey.secretAccessKey, host.script],
      {
        reject: false,
      },
    );
    expect(stdout).toBe("");
  });

  test("restores into a throwaway server, which is gone afterwards", async () => {
    const said = await ok("drill");
    expect(said).toMatch(/: backup [0-9a-f]{8} restored: 1 tables, 5000 rows; RPO \d+ s, RTO \d+ s$/m);
    expect(await record()).toMatchObject({ drills: { [source]: { problem: "", rows: 5000, tables: 1 } } });
    const { stdout } = await execa("docker", ["ps", "--all", "--filter", "name=berth-drill", "--quiet"], {
      env: { DOCKER_HOST: server.dockerHost },
    });
    expect(stdout).toBe("");
    expect(await readdir(folder)).not.toContain("drill");
  });

  test("is fetched for a restore, whole, after the database was damaged", async () => {
    const [backup] = await backups();
    await server.query("DELETE FROM events WHERE id > 10", "togather");
    const name = (await ok("fetch", backup?.id ?? "", source)).trim();
    expect(name).toMatch(/^togather_production_\d{8}_\d{6}\.tar$/);
    const { stdout } = await execa("tar", ["-xOf", at("snapshots", name), "manifest.json"]);
    expect(JSON.parse(stdout)).toMatchObject({ system: "togather", database: "togather", tables: "1" });
    await server.query(rows(11), "togather");
  });

  test("of another source is not fetched for it", async () => {
    expect(await fails("fetch", "00000000", source)).toContain("there is no backup 00000000 of togather");
    const all = JSON.parse(await ok("list")) as { id: string; source: string }[];
    const other = all.find((entry) => entry.source !== source)?.id ?? "";
    expect(await fails("fetch", other, source)).toContain("is of folder ");
  });
});

describe("a drill catches", () => {
  const damaged = async (damage: (file: string) => Promise<void>, says: RegExp) => {
    const before = new Set(await packs());
    await server.query(
      `INSERT INTO events (id, name) SELECT max(id) + 1, '${canary}' FROM events; ANALYZE`,
      "togather",
    );
    await ok("take");
    const files = (await packs()).filter((file) => !before.has(file));
    expect(files).not.toEqual([]);
    for (const file of files) {
      await copyFile(file, `${file}.whole`);
      await damage(file);
    }
    await rm(at("cache"), { recursive: true, force: true });
    try {
      const said = await fails("drill");
      expect(said).toMatch(says);
      expect((await record()).drills[source].problem).toMatch(says);
    } finally {
      for (const file of files) {
        await writeFile(file, await readFile(`${file}.whole`));
        await rm(`${file}.whole`);
      }
    }
  };

  test("a corrupted backup", async () => {
    await damaged(async (file) => {
      const bytes = await readFile(file);
      for (let place = 0; place < bytes.length; place += 64) bytes[place] = (bytes[place] ?? 0) ^ 0xff;
      await writeFile(file, bytes);
    }, /backup [0-9a-f]{8} (cannot be read|cannot be restored)/);
  });

  test("a truncated backup", async () => {
    await damaged((file) => truncate(file, 100), /backup [0-9a-f]{8} (cannot be read|cannot be restored)/);
  });

  test("an empty file in the place of a backup", async () => {
    await writeFile(at("nothing.tar"), "");
    await send("nothing.tar", 0);
    expect(await fails("drill")).toContain("cannot be restored: it does not begin as a snapshot does");
  });

  test("a backup of another system", async () => {
    await ok("take");
    const [name = ""] = await readdir(at("nightly"));
    const there = at("nightly", name);
    await execa(
      "bash",
      [
        "-c",
        `mkdir x && cd x && tar -xf '${there}' && jq '.system = "mfa"' manifest.json > m && mv m manifest.json && tar -cf ../foreign.tar *`,
      ],
      { cwd: folder },
    );
    await send("foreign.tar", 9);
    expect(await fails("drill")).toContain(
      "it is of mfa, production, database togather; here is togather, production",
    );
  });

  test("an emptied database, unless that is acknowledged; old backups stay meanwhile", async () => {
    const count = (await backups()).length;
    await server.query("CREATE TABLE saved AS TABLE events", "postgres").catch(() => undefined);
    await server.query("DELETE FROM events; ANALYZE", "togather");
    expect(await ok("take")).toMatch(/PROBLEM: it has \d+ bytes, the one before had \d+/);
    expect(await backups()).toHaveLength(count + 1);
    expect(await fails("drill")).toMatch(
      /has 0 rows, and the last good drill counted 500\d\. If that is right: npm run ops -- drill togather --fewer-rows/,
    );
    expect(await ok("drill", "yes")).toContain("1 tables, 0 rows");
  });

  test("data that stopped coming, by the owner's query", async () => {
    await server.query(
      `INSERT INTO events (id, name, created_at) SELECT n, '${canary}', now() - interval '3 days' FROM generate_series(1, 100) AS n; ANALYZE`,
      "togather",
    );
    const newest = { togather: { query: "SELECT max(created_at) FROM events", maxAgeHours: 24 } };
    await install({ drill: { newest } });
    await ok("take");
    expect(await fails("drill")).toContain("more than 24 hours older than the backup");
    await install({ drill: { newest: { togather: { ...newest.togather, query: "SELECT nothing" } } } });
    expect(await fails("drill")).toContain("berth:backups.drill.newest.togather.query fails");
    await install();
    await ok("drill");
  });

  test("that there is no row any more, and not that there is none yet", async () => {
    const asked = (query: string) =>
      install({ drill: { newest: { togather: { query, maxAgeHours: 100 } } } });
    const none = "SELECT max(created_at) FROM events WHERE id < 0";
    await asked(none);
    await ok("drill");
    await asked("SELECT max(created_at) FROM events");
    await ok("drill");
    await asked(none);
    expect(await fails("drill")).toMatch(/answers nothing on backup \w+; in the last good drill it was 20/);
    await ok("drill", "yes");
    await install();
  });
});

describe("retention", () => {
  test("keeps the newest of each day and week, and removes nothing while something is wrong", async () => {
    for (let day = 60; day > 0; day -= 1) {
      const time = new Date(Date.now() - day * 86_400_000).toISOString().slice(0, 19).replace("T", " ");
      if (day % 4 === 0)
        await restic(
          "backup",
          "--quiet",
          "--host",
          "production-togather",
          "--time",
          time,
          "--tag",
          `source=${source}`,
          "--tag",
          "bytes=1",
          at("blobs"),
        );
    }
    const before = (await backups()).length;
    await server.query("ALTER DATABASE togather RENAME TO gone");
    expect(await fails("take")).toContain("there is no database togather on togather_postgres");
    expect(await backups()).toHaveLength(before);
    await server.query("ALTER DATABASE gone RENAME TO togather");
    await ok("take");
    const left = await backups();
    // Seven days that have a backup, today with the newest, and the weeks of those and before.
    expect(left.length).toBeLessThan(12);
    expect(left.length).toBeGreaterThanOrEqual(7);
    await ok("drill");
  });
});

describe("whoever has the host's key", () => {
  const thief = async () => {
    const { endpoint, region } = labStore(home, "");
    const owner = await storeOwner(home);
    return new S3Client({
      ...{ endpoint, region, forcePathStyle: true, maxAttempts: 1, credentials: hostKey },
      requestHandler: owner.config.requestHandler,
    });
  };

  test("cannot remove what is there, nor change the bucket", async () => {
    const [client, owner] = [await thief(), await storeOwner(home)];
    const { Versions = [] } = await owner.send(new ListObjectVersionsCommand({ Bucket: "backups" }));
    expect(Versions.length).toBeGreaterThan(20);
    for (const { Key, VersionId } of Versions.slice(0, 20)) {
      const gone = client.send(new DeleteObjectCommand({ Bucket: "backups", Key, VersionId }));
      await expect(gone).rejects.toThrow(/Access ?Denied/i);
    }
    const suspended = { Bucket: "backups", VersioningConfiguration: { Status: "Suspended" } } as const;
    await expect(client.send(new PutBucketVersioningCommand(suspended))).rejects.toThrow(/Access ?Denied/i);
    const Policy = JSON.stringify({
      Version: "2012-10-17",
      Statement: [
        {
          Effect: "Allow",
          Principal: "*",
          Action: "s3:*",
          Resource: ["arn:aws:s3:::backups", "arn:aws:s3:::backups/*"],
        },
      ],
    });
    await expect(client.send(new PutBucketPolicyCommand({ Bucket: "backups", Policy }))).rejects.toThrow(
      /Access ?Denied/i,
    );
  });

  test("who marks all of it deleted is noticed, and it all comes back", async () => {
    const [client, owner] = [await thief(), await storeOwner(home)];
    const before = await backups();
    const { Versions = [] } = await owner.send(new ListObjectVersionsCommand({ Bucket: "backups" }));
    for (const { Key, IsLatest } of Versions)
      if (IsLatest) await client.send(new DeleteObjectCommand({ Bucket: "backups", Key }));
    expect(await fails("take")).toContain("the repository of togather is gone from");
    const { undelete } = await import("../../ops/undelete-backups.ts");
    expect(await undelete(owner, { bucket: "backups", prefix: "production/togather/" })).toBeGreaterThan(20);
    await rm(at("cache"), { recursive: true, force: true });
    const after = await backups();
    for (const { id } of before) expect(after.map((entry) => entry.id)).toContain(id);
    await ok("drill");
  });

  test("a key that could remove it is refused", async () => {
    await install({}, { accessKeyId: "lab-operator", secretAccessKey: "lab-operators-key-of-the-store" });
    expect(await fails("take")).toContain("may delete backups for good");
    await install({}, { accessKeyId: hostKey.accessKeyId, secretAccessKey: "another-secret" });
    expect(await fails("take")).toMatch(/the store https:\/\/\S+ (refuses|cannot be used)/);
    await install();
  });
});
