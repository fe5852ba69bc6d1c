import { execFileSync } from "node:child_process";
import { mkdir, readdir, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type Dockerode from "dockerode";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { KeptData } from "../../components/host/stored-data.ts";
import { type BackupHost, startBackupHost, testStore } from "./backup-host.ts";
import { type ImageLab, openImages } from "./image-containers.ts";
import { until } from "./until.ts";

/** Backups and drills of a Redis server as the host's script makes them: a real Redis under its service's label, restic, a real S3 server. */

const password = "redis-canary-9b1d0c7fe4a2";
const source = "redis mfa_redis";
const configuration = "/run/secrets/redis.conf";
let lab: ImageLab;
let redis: Dockerode.Container;
let host: BackupHost;

const cli = (container: Dockerode.Container | { id: string }, ...words: string[]) =>
  lab.inside(
    container as Dockerode.Container,
    ...["sh", "-c", `REDISCLI_AUTH=${password} exec redis-cli --raw "$@"`, "redis-cli", ...words],
  );
const data = (...names: string[]) => join(lab.folder, ...names);

beforeAll(async () => {
  lab = await openImages("backups-redis");
  await mkdir(data("data"), { mode: 0o755 });
  await writeFile(data("redis.conf"), `requirepass ${password}\nsave ""\n`, { mode: 0o400 });
  execFileSync("chown", ["999:999", data("redis.conf")]);
  redis = await lab.start(await lab.pull("redis", "7-alpine"), {
    Cmd: [configuration, "--appendonly", "yes"],
    Labels: { "com.docker.swarm.service.name": "mfa_redis" },
    HostConfig: { Binds: [`${data("redis.conf")}:${configuration}:ro`, `${data("data")}:/data`] },
  });
  await until("Redis answers", 30, async () => (await cli(redis, "ping")) === "PONG");
  host = await startBackupHost({
    ...{ home: lab.home, of: "mfa", ...testStore },
    dockerHost: `unix://${lab.docker.socketPath}`,
    data: () => [{ kind: "redis", of: "mfa", server: "mfa_redis", path: data("data"), after: [] }],
    functions: "",
  });
  await host.install();
  await cli(redis, "eval", "for i = 1, 10000 do redis.call('lpush', 'sync:queue', i) end", "0");
  await cli(redis, "set", "sync:status", "kept");
});
afterAll(async () => {
  await redis?.remove({ force: true });
  await host?.close();
  await lab?.close();
});

test("its append-only files are written while it serves, and rewritten as before afterwards", async () => {
  expect(await host.ok("take")).toMatch(/^redis mfa_redis: backup [0-9a-f]{8}, \d+ bytes$/m);
  expect(await host.record()).toMatchObject({
    backup: { problem: "" },
    sources: { [source]: { problem: "", rows: "2" } },
  });
  expect(await cli(redis, "config", "get", "auto-aof-rewrite-percentage")).toMatch(/100$/);
  expect((await readdir(lab.folder)).sort()).toEqual(["data", "redis.conf"]);
});

test("a rewrite that runs is waited for", async () => {
  // Redis forks, and the child takes its time over each key.
  await cli(redis, "config", "set", "key-load-delay", "0");
  await cli(redis, "config", "set", "rdb-key-save-delay", "1000000");
  await cli(redis, "bgrewriteaof");
  const began = Date.now();
  await host.ok("take");
  await cli(redis, "config", "set", "rdb-key-save-delay", "0");
  expect(Date.now() - began).toBeGreaterThan(1500);
});

test("a throwaway server starts from the newest, has its keys, and is gone afterwards", async () => {
  expect(await host.ok("drill")).toMatch(
    /^redis mfa_redis: backup [0-9a-f]{8} restored: 2 keys; RPO \d+ s, RTO \d+ s$/m,
  );
  expect(await host.record()).toMatchObject({ drills: { [source]: { problem: "", rows: 2 } } });
  const left = execFileSync("docker", [
    ...["-H", `unix://${lab.docker.socketPath}`, "ps", "--all", "--quiet", "--filter", "name=berth-drill"],
  ]);
  expect(left.toString()).toBe("");
});

test("a drill catches a backup that Redis cannot read, and one that lacks most keys", async () => {
  await host.ok("take");
  const send = (folder: string, keys: number) =>
    host.restic(
      ...["backup", "--host", "production-mfa", "--tag", `source=${source}`, "--tag", "bytes=9"],
      ...["--tag", `rows=${keys}`, folder],
    );
  const copy = data("copy");
  execFileSync("cp", ["--archive", data("data", "appendonlydir"), copy]);
  for (const name of await readdir(copy)) if (name.endsWith(".manifest")) await truncate(join(copy, name), 7);
  await send(copy, 2);
  expect(await host.fails("drill")).toMatch(/redis mfa_redis: FAILED: backup [0-9a-f]{8} does not start/);
  execFileSync("rm", ["-r", copy]);
  execFileSync("cp", ["--archive", data("data", "appendonlydir"), copy]);
  await send(copy, 50);
  expect(await host.fails("drill")).toMatch(/backup [0-9a-f]{8} has 2 keys, and mfa_redis had 50/);
  expect(await host.ok("drill", "yes")).toContain("2 keys");
});

test("a server that does not run is a problem of its own", async () => {
  await redis.stop();
  expect(await host.fails("take")).toContain("redis mfa_redis: FAILED: mfa_redis is not running");
  await redis.start();
  await until("Redis answers", 30, async () => (await cli(redis, "ping")) === "PONG");
  await host.ok("take");
});

test("a server without files begins with the newest backup, one that has some is left alone", async () => {
  const rebuilt: KeptData = { kind: "redis", of: "mfa", server: "mfa_redis", path: data("rebuilt") };
  await mkdir(rebuilt.path, { mode: 0o755 });
  const { answer, all } = await host.restore(rebuilt);
  expect(answer, all).toMatchObject({ source, rows: 2, problems: [] });
  const other = await lab.start(await lab.pull("redis", "7-alpine"), {
    Cmd: [configuration, "--appendonly", "yes"],
    HostConfig: { Binds: [`${data("redis.conf")}:${configuration}:ro`, `${rebuilt.path}:/data`] },
  });
  try {
    await until("Redis answers", 30, async () => (await cli(other, "ping")) === "PONG");
    expect(await cli(other, "llen", "sync:queue")).toBe("10000");
    expect(await cli(other, "get", "sync:status")).toBe("kept");
  } finally {
    await other.remove({ force: true });
  }
  expect((await host.restore(rebuilt)).answer).toEqual({ source, left: `files in ${rebuilt.path}` });
});
