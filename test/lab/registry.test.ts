import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { cp, mkdir, readdir, rm, utimes, writeFile } from "node:fs/promises";
import { type AddressInfo, connect, createServer, type Server } from "node:net";
import { join } from "node:path";
import { hash } from "bcryptjs";
import type Dockerode from "dockerode";
import { execa } from "execa";
import { afterAll, beforeAll, expect, test } from "vitest";
import { parse } from "yaml";
import { registryConfiguration } from "../../components/data/registry.ts";
import { dockerCheck } from "../../components/health.ts";
import { readScript, wholeScript } from "../../components/host/command.ts";
import { type ImageLab, openImages } from "./image-containers.ts";
import { until } from "./until.ts";

/** The registry's image as components/data/registry.ts runs it, and what the host does with it. */

let lab: ImageLab;
let registry: Dockerode.Container;
let image: string;
/** On loopback, where Docker asks for no TLS. */
let server: string;
let forwarder: Server;
let data: string;

beforeAll(async () => {
  lab = await openImages("registry");
  data = join(lab.folder, "data");
  await mkdir(data);
  await mkdir(join(lab.folder, "users"), { mode: 0o700 });
  await writeUsers("first");
  // Without TLS here: it would send a push to its own domain.
  const configuration = parse(registryConfiguration("registry.example.org"));
  delete configuration.http.host;
  await writeFile(join(lab.folder, "registry.yml"), JSON.stringify(configuration));
  image = await lab.pull("registry", "2.8.3");
  registry = await lab.start(image, {
    Cmd: ["/berth/registry.yml"],
    Labels: { "berth.resource": "test_registry" },
    Env: ["OTEL_TRACES_EXPORTER=none"],
    Healthcheck: { Test: healthCheck(), Interval: 1e9, Timeout: 1e9, Retries: 10 },
    HostConfig: {
      Binds: [
        `${join(lab.folder, "registry.yml")}:/berth/registry.yml:ro`,
        `${join(lab.folder, "users")}:/etc/berth:ro`,
        `${data}:/var/lib/registry`,
      ],
    },
  });
  await forward();
  await until("the registry answers", 30, () => check()).catch(async (error: unknown) => {
    throw new Error(`it did not start:\n${await lab.logsOf(registry)}`, { cause: error });
  });
});
afterAll(async () => {
  forwarder?.close();
  await registry?.remove({ force: true });
  for (const reference of pushed)
    await lab.docker.client
      .getImage(reference)
      .remove({ force: true })
      .catch(() => undefined);
  await lab?.close();
});

/** What was pushed, which the engine may have pulled: an image that the host has is never collected. */
const pushed = new Set<string>();
/** Makes the images of this run others than those of an earlier one, which an engine may still have. */
const run = `${process.pid} ${Date.now()}`;

/** Leads a port of loopback to the registry. */
async function forward(): Promise<void> {
  const host = await lab.addressOf(registry);
  forwarder = createServer((client) => {
    const there = connect(5000, host);
    client.pipe(there).pipe(client);
    for (const side of [client, there]) side.on("error", () => [client, there].map((each) => each.destroy()));
  });
  await new Promise<void>((resolve) => forwarder.listen(0, "127.0.0.1", resolve));
  server = `127.0.0.1:${(forwarder.address() as AddressInfo).port}`;
}

/** Docker's own check, by its declaration. */
function check(): Promise<string> {
  const [, ...words] = healthCheck();
  return lab.inside(registry, ...words);
}

function healthCheck(): string[] {
  return dockerCheck({ tool: "wget", http: { port: 5000, path: "/" } });
}

/** What registry-users.sh does, by the script itself. */
async function writeUsers(password: string): Promise<void> {
  const parameters = `USERS_DIRECTORY=${join(lab.folder, "users")}\nLOGIN_USER=berth\nHASH='${await hash(password, 10)}'\n`;
  host(parameters, readScript(import.meta.url, "../../components/data/scripts/registry-users.sh"));
}

/** Runs a host's script here, as root, against the engine of the lab. */
function host(parameters: string, body: string): string {
  const common = wholeScript(body).replaceAll("sudo ", "");
  const { status, stdout, stderr } = spawnSync("bash", ["-s"], {
    encoding: "utf8",
    env: { ...process.env, DOCKER_HOST: `unix://${lab.docker.socketPath}` },
    input: parameters + common,
  });
  if (status !== 0) throw new Error(`exit ${status}: ${stdout}${stderr}`);
  return stdout;
}

/** Docker's client with a login file of the test's own. */
async function docker(...words: string[]): Promise<string> {
  return client(words, "");
}
async function login(password: string): Promise<string> {
  return client(["login", "--username", "berth", "--password-stdin", server], password);
}
async function client(words: readonly string[], input: string): Promise<string> {
  const own = ["--config", join(lab.folder, "login"), "-H", `unix://${lab.docker.socketPath}`];
  return (await execa("docker", [...own, ...words], { input, timeout: 60_000 })).stdout;
}

/** Builds an image of one file and pushes it. @returns its digest */
async function push(name: string, tag: string, content: string): Promise<string> {
  const folder = join(lab.folder, "build");
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder);
  await writeFile(join(folder, "Dockerfile"), "FROM scratch\nCOPY content /content\n");
  await writeFile(join(folder, "content"), `${content} ${run}`);
  const reference = `${server}/${name}:${tag}`;
  pushed.add(reference);
  await docker("build", "--quiet", "--tag", reference, folder);
  const said = await docker("push", reference);
  await docker("image", "rm", "--force", reference);
  return /digest: (sha256:[0-9a-f]{64})/.exec(said)?.[1] ?? said;
}

test("refuses who has no login, and who has a wrong one", async () => {
  await expect(docker("pull", `${server}/app:v1`)).rejects.toThrow(
    /no basic auth credentials|unauthorized|denied/,
  );
  await expect(push("app", "v1", "1")).rejects.toThrow(/no basic auth credentials|unauthorized|denied/);
  await expect(login("wrong")).rejects.toThrow(/401|unauthorized/);
  expect(host("SERVICE=x PORT=5000 WAIT_SECONDS=5\n", ready())).toBe("");
});

function ready(): string {
  const script = readScript(import.meta.url, "../../components/data/scripts/registry-ready.sh");
  return `current_container() { echo ${registry.id}; }\n${script}`;
}

test("takes a push and answers it by digest", async () => {
  expect(await login("first")).toContain("Login Succeeded");
  const digest = await push("app", "v1", "first version");
  expect(digest).toMatch(/^sha256:/);
  await docker("pull", "--quiet", `${server}/app@${digest}`);
  await docker("image", "rm", "--force", `${server}/app@${digest}`);
});

test("takes another password without a restart, and the old one no more", async () => {
  const { State: before } = await registry.inspect();
  await writeUsers("second");
  await expect(docker("pull", "--quiet", `${server}/app:v1`)).rejects.toThrow(/401|unauthorized|denied/);
  expect(await login("second")).toContain("Login Succeeded");
  await docker("pull", "--quiet", `${server}/app:v1`);
  await docker("image", "rm", "--force", `${server}/app:v1`);
  const { State: after } = await registry.inspect();
  expect(after.StartedAt).toBe(before.StartedAt);
  const shown = JSON.stringify(await registry.inspect());
  for (const password of ["first", "second"]) expect(shown).not.toContain(`"${password}`);
});

test("the daily timer removes old tags and blobs that nothing names, and nothing that is needed", async () => {
  const versions = ["v1", "v2", "v3", "v4"];
  for (const tag of versions.slice(1)) await push("app", tag, `content of ${tag}`);
  // A tag that was pushed anew leaves its manifest without one.
  await push("moved", "v1", "before");
  await push("moved", "v1", "after");
  // What the host has is what a rollback needs.
  await docker("pull", "--quiet", `${server}/app:v1`);
  expect(collect()).toMatch(/removed 0 tags, 0 manifests, 0 MiB; its requests waited \d+ s/);

  await age(join(data, "docker/registry/v2/repositories"));
  expect(collect()).toMatch(/removed 1 tags, 2 manifests/);
  for (const tag of ["v1", "v3", "v4"]) await docker("pull", "--quiet", `${server}/app:${tag}`);
  await expect(docker("pull", "--quiet", `${server}/app:v2`)).rejects.toThrow(/manifest unknown|not found/);
  await docker("pull", "--quiet", `${server}/moved:v1`);
  const blobs = await readdir(join(data, "docker/registry/v2/blobs/sha256"), { recursive: true });
  // Four images of a configuration, a layer and a manifest.
  expect(blobs.filter((path) => path.endsWith("/data"))).toHaveLength(12);

  // What it removed can be pushed again: no cache still knows the layer.
  await push("app", "v2", "content of v2");
  await docker("pull", "--quiet", `${server}/app:v2`);
});

test("what a push has sent is left alone until its manifest names it, also while an upload lasts", async () => {
  const layer = Buffer.from(`a layer ${run}`);
  const digest = `sha256:${createHash("sha256").update(layer).digest("hex")}`;
  const authorization = `Basic ${Buffer.from("berth:second").toString("base64")}`;
  const ask = (method: string, path: string, body?: Buffer) =>
    fetch(new URL(path, `http://${server}`), { method, headers: { authorization }, ...(body && { body }) });
  const begun = await ask("POST", "/v2/half/blobs/uploads/");
  const upload = new URL(begun.headers.get("location") ?? "", `http://${server}`);
  expect(() => collect(10)).toThrow(/somebody pushes, or did within 10 minutes/);
  upload.searchParams.set("digest", digest);
  expect((await ask("PUT", upload.href, layer)).status).toBe(201);
  expect(() => collect(10)).toThrow(/somebody pushes, or did within 10 minutes/);
  expect((await ask("HEAD", `/v2/half/blobs/${digest}`)).status).toBe(200);
  // Nobody comes for it.
  expect(collect()).toMatch(/removed 0 tags, 0 manifests/);
  expect((await ask("HEAD", `/v2/half/blobs/${digest}`)).status).toBe(404);
});

test("requests wait while it is paused, and are answered afterwards", async () => {
  await registry.pause();
  const pulled = fetch(`http://${server}/`);
  const first = await Promise.race([
    pulled.then(() => "answered"),
    new Promise((r) => setTimeout(() => r("waits"), 4000)),
  ]);
  expect(first).toBe("waits");
  await registry.unpause();
  expect((await pulled).status).toBe(200);
});

test("its data, restored elsewhere, is served", async () => {
  await registry.stop({ t: 20 });
  const copy = join(lab.folder, "copy");
  await cp(data, copy, { recursive: true });
  await rm(data, { recursive: true });
  await cp(copy, data, { recursive: true });
  await registry.start();
  forwarder.close();
  await forward();
  await until("the registry answers", 30, () => check());
  await login("second");
  await docker("pull", "--quiet", `${server}/app:v4`);
});

/** @throws with what it said, when it leaves the registry alone */
function collect(quietMinutes = 0): string {
  const parameters = `SERVICE=test_registry\nDATA_DIRECTORY=${data}\nKEEP_VERSIONS=2\nQUIET_MINUTES=${quietMinutes}\n`;
  const script = readScript(import.meta.url, "../../components/data/scripts/registry-collect.sh");
  return host(parameters, script);
}

/** Makes everything below a folder eight days older, each file by a second more than the one before. */
async function age(folder: string): Promise<void> {
  const names = await readdir(folder, { recursive: true });
  const time = Date.now() / 1000 - 8 * 86_400;
  let index = 0;
  for (const name of names.filter((each) => each.endsWith("/link")).toSorted()) {
    await utimes(join(folder, name), time + index, time + index);
    index += 1;
  }
}
