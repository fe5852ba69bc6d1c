import { execFileSync } from "node:child_process";
import { mkdir, readdir, readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type Dockerode from "dockerode";
import { afterAll, beforeAll, expect, test } from "vitest";
import { dockerCheck } from "../../components/health.ts";
import { readScript } from "../../components/host/command.ts";
import { type ImageLab, openImages } from "./image-containers.ts";
import { until } from "./until.ts";

/** The Redis image as components/data/redis.ts runs it: configuration in a secret file that its user alone reads. */

const password = "redis-canary-1f3870be274f6c49";
const configuration = "/run/secrets/redis.conf";
let lab: ImageLab;
let redis: Dockerode.Container;

beforeAll(async () => {
  lab = await openImages("redis");
  await mkdir(join(lab.folder, "data"), { mode: 0o755 });
  const file = join(lab.folder, "redis.conf");
  await writeFile(file, `requirepass ${password}\nsave ""\n`, { mode: 0o400 });
  execFileSync("chown", ["999:999", file]);
  redis = await lab.start(await lab.pull("redis", "7-alpine"), {
    Cmd: [configuration, "--appendonly", "yes", "--maxmemory", "8mb", "--maxmemory-policy", "noeviction"],
    HostConfig: { Binds: [`${file}:${configuration}:ro`, `${join(lab.folder, "data")}:/data`] },
  });
  await until("Redis answers", 30, () => check()).catch(async (error: unknown) => {
    throw new Error(`Redis did not start:\n${await lab.logsOf(redis)}`, { cause: error });
  });
});
afterAll(async () => {
  await redis?.remove({ force: true });
  await lab?.close();
});

/** Docker's own check, by its declaration. */
function check(): Promise<string> {
  const [, script = ""] = dockerCheck({ tool: "redis-cli", configuration });
  return lab.inside(redis, "sh", "-c", script);
}
const cli = (...words: string[]) =>
  lab.inside(
    redis,
    "sh",
    "-c",
    `REDISCLI_AUTH="$(sed -n 's/^requirepass //p' ${configuration})" redis-cli "$@"`,
    "sh",
    ...words,
  );

test("runs as redis, on a folder that is its own", async () => {
  expect(await lab.inside(redis, "sh", "-c", "ps -o user= -p 1; pwd")).toBe("redis\n/data");
  expect((await stat(join(lab.folder, "data"))).uid).toBe(999);
});

test("answers with the password alone, which stands in no argument list", async () => {
  expect(await cli("ping")).toBe("PONG");
  expect(await lab.inside(redis, "redis-cli", "ping")).toContain("NOAUTH");
  expect(await lab.inside(redis, "sh", "-c", "REDISCLI_AUTH=wrong redis-cli ping 2>&1")).toMatch(/WRONGPASS/);
  const arguments_ = await lab.inside(redis, "sh", "-c", "cat /proc/[0-9]*/cmdline | tr '\\0' ' '");
  expect(arguments_).toContain("redis-server");
  expect(arguments_).not.toContain(password);
  expect(JSON.stringify(await redis.inspect())).not.toContain(password);
});

test("a full memory refuses writes and loses nothing", async () => {
  await cli("set", "sync:status", "kept");
  // Redis looks at its memory before a script, not within.
  await cli("eval", "for i = 1, 200 do redis.call('set', 'fill:' .. i, string.rep('x', 100000)) end", "0");
  expect(await cli("set", "more", "1")).toMatch(/^OOM command not allowed/);
  expect(await cli("get", "sync:status")).toBe("kept");
  expect(await cli("del", ...Array.from({ length: 200 }, (_, index) => `fill:${index + 1}`))).toBe("200");
});

test("ends cleanly, and what was written is there again", async () => {
  await cli("set", "job", "1");
  await redis.stop({ t: 30 });
  expect((await redis.inspect()).State.ExitCode).toBe(0);
  expect((await readdir(join(lab.folder, "data"))).join()).toContain("appendonly");
  await redis.start();
  await until("Redis answers", 30, () => check());
  expect(await cli("mget", "sync:status", "job")).toBe("kept\n1");
});

test("what was written is there after a crash too, but for its last second", async () => {
  await cli("set", "job", "2");
  await new Promise((resolve) => setTimeout(resolve, 1500));
  await redis.kill();
  await redis.start();
  await until("Redis answers", 30, () => check());
  expect(await cli("get", "job")).toBe("2");
});

test("the host's own wait takes the password by standard input and is satisfied", async () => {
  const common = await readFile(new URL("../../components/host/scripts/common.sh", import.meta.url), "utf8");
  const ready = readScript(import.meta.url, "../../components/data/scripts/redis-ready.sh");
  const run = (secret: string) =>
    execFileSync("bash", ["-s"], {
      encoding: "utf8",
      env: { ...process.env, DOCKER_HOST: `unix://${lab.docker.socketPath}` },
      input: `${common}\nSERVICE=x PORT=6379 WAIT_SECONDS=2 PASSWORD=${secret}\ncurrent_container() { echo ${redis.id}; }\n${ready}`,
    });
  expect(run(password)).toBe("");
  expect(() => run("wrong")).toThrow(/x does not answer after 2 seconds.*WRONGPASS/s);
});
