import { spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from "vitest";
import { shellQuote } from "../../components/host/connection.ts";
import { imageCheck, imageNeeds } from "../../components/release/image-contract.ts";
import { ensureDocker, run } from "../../lab/docker/index.ts";
import type { OuterDocker } from "../../lab/docker/outer-docker.ts";
import type { RegistryAccess } from "../../lab/images/access.ts";
import { layerOf } from "../../lab/images/archive.ts";
import { issueCertificate } from "../../lab/images/index.ts";
import { type ImageSettings, imageConfig, imageManifest } from "../../lab/images/manifest.ts";
import { serveRegistry } from "../../lab/images/serve.ts";
import { openStore, type Store } from "../../lab/images/store.ts";
import { ownHome } from "./own-lab.ts";

/**
 * The scripts that log in, pull and check, in a real bash on a real Docker engine, with a registry of their own: what they do on a
 * host, but for where Docker's socket is.
 */
const home = ownHome("pull");
const folder = mkdtempSync(join(tmpdir(), "berth-pull-"));
const read = (path: string) =>
  readFileSync(fileURLToPath(new URL(`../../components/${path}`, import.meta.url)), "utf8");
const common = read("host/scripts/common.sh");
const pull = read("host/scripts/pull.sh");

let docker: OuterDocker;
let store: Store;
let server: { address: string; close(): Promise<void> };
let access: RegistryAccess = {};
const pulled = new Set<string>();

beforeAll(async () => {
  docker = await ensureDocker(home, () => undefined);
  store = openStore(join(folder, "store"));
  server = await serveRegistry({
    host: "127.0.0.1",
    port: 0,
    certificate: await issueCertificate(home, ["registry.berth.lab"], ["127.0.0.1"]),
    store,
    access: () => access,
    findTag: async () => undefined,
  });
  mkdirSync(join(folder, "bin"));
  mkdirSync(join(folder, "home"));
  const curl = `#!/bin/bash\nexec ${await run("sh", ["-c", "command -v curl"])} "\${@//\\/var\\/run\\/docker.sock/${docker.socketPath}}"\n`;
  writeFileSync(join(folder, "bin", "curl"), curl);
  chmodSync(join(folder, "bin", "curl"), 0o755);
});
afterEach(async () => {
  access = {};
  rmSync(join(folder, "home", ".docker"), { recursive: true, force: true });
  for (const image of pulled)
    await docker.client
      .getImage(image)
      .remove({ force: true })
      .catch(() => undefined);
  pulled.clear();
});
afterAll(async () => {
  await server?.close();
  rmSync(folder, { recursive: true, force: true });
  rmSync(home.stateDir, { recursive: true, force: true });
});

interface Ended {
  readonly status: number | null;
  readonly stderr: string;
  /** What the deployment's log would have. */
  readonly notes: string;
}

/** Runs a script as a host does. */
async function script(body: string, parameters: Readonly<Record<string, string | number>>): Promise<Ended> {
  const assignments = Object.entries(parameters).map(
    ([name, value]) => `${name}=${shellQuote(String(value))}`,
  );
  const text = [
    ...assignments,
    common,
    'note() { printf "%s\\n" "$*"; }',
    `main() {\n${body}\n}`,
    "main </dev/null\n",
  ].join("\n");
  const child = spawn("bash", ["-s"], {
    env: {
      PATH: `${join(folder, "bin")}${delimiter}${process.env.PATH}`,
      HOME: join(folder, "home"),
      DOCKER_HOST: `unix://${docker.socketPath}`,
    },
  });
  let [stderr, notes] = ["", ""];
  child.stderr.on("data", (chunk: Buffer) => {
    stderr += chunk.toString();
  });
  child.stdout.on("data", (chunk: Buffer) => {
    notes += chunk.toString();
  });
  child.stdin.end(text);
  const status = await new Promise<number | null>((resolve) => child.on("close", resolve));
  return { status, stderr, notes };
}

const settings: ImageSettings = {
  environment: { PATH: "/usr/local/bin:/bin" },
  entrypoint: ["/app/server"],
  workingDirectory: "/app",
  user: "10001:10001",
  ports: [],
  labels: {},
  created: "2026-01-28T00:00:00Z",
};
const files = (...paths: string[]) => paths.map((path) => ({ path, text: `${path}\n`, mode: 0o755 }));

/** Puts an image into the registry and answers how Docker pulls it. */
async function publish(
  entries: Parameters<typeof layerOf>[1],
  change: Partial<ImageSettings> = {},
  architecture = "amd64",
): Promise<string> {
  const layer = await layerOf(store, entries);
  const config = await store.put(imageConfig({ ...settings, ...change }, [layer], architecture));
  const { digest } = await store.put(imageManifest(config, [layer]));
  const image = `${server.address}/unit/app@${digest}`;
  pulled.add(image);
  return image;
}

const login = () => ({ REGISTRY: server.address, SERVER: server.address, LOGIN_USER: "deploy" });
const logIn = (password: string, expires = "") =>
  script(read("host/scripts/registry-login.sh"), {
    ...login(),
    EXPIRES: expires,
    SET_PASSWORD: "set another",
    PASSWORD: password,
  });
const patience = { DEADLINE_SECONDS: 60, STALLED_SECONDS: 20 };
const pullImage = (image: string, change: Partial<typeof patience> = {}, check = "", more = {}) =>
  script(`${pull}\n${check}`, {
    IMAGE: image,
    SERVER: server.address,
    WAY_IN: "the way in",
    ...patience,
    ...change,
    ...more,
  });
const isThere = async (image: string) =>
  (await docker.client
    .getImage(image)
    .inspect()
    .catch(() => undefined)) !== undefined;

vi.setConfig({ testTimeout: 90_000 });

describe("a registry with a login", () => {
  const password = 'a:"b\\c+/=ÿ?>'.replace("ÿ", "y");

  test("lets a host pull that is logged in, and one that is not hears why and what to do", async () => {
    access = { login: { user: "deploy", password } };
    const image = await publish(files("app/server"));
    const without = await pullImage(image);
    expect(without).toMatchObject({ status: 1 });
    expect(without.stderr).toMatch(
      /^127\.0\.0\.1:\d+ refuses the pull of \S+@sha256:[0-9a-f]{64}: .*(no basic auth credentials|unauthorized).*\. Nothing was changed\. the way in$/m,
    );
    expect(await isThere(image)).toBe(false);

    expect(await logIn(password)).toMatchObject({ status: 0, stderr: "" });
    expect(statSync(join(folder, "home", ".docker", "config.json")).mode & 0o777).toBe(0o600);
    expect(await pullImage(image)).toMatchObject({ status: 0, stderr: "" });
    expect(await isThere(image)).toBe(true);
  });

  test("is not logged in to with a wrong password, and the login of before stays", async () => {
    access = { login: { user: "deploy", password } };
    await logIn(password);
    const before = readFileSync(join(folder, "home", ".docker", "config.json"), "utf8");
    const wrong = await logIn("wrong", "2026-01-01");
    expect(wrong.status).toBe(1);
    expect(wrong.stderr).toMatch(
      /^127\.0\.0\.1:\d+ does not take the login of deploy: .*(unauthorized|401 Unauthorized).*\. Its password expired on 2026-01-01\. An earlier login stays as it was\. Set another one: set another$/m,
    );
    expect((await logIn("wrong", "2999-01-01")).stderr).not.toContain("expired on");
    expect(readFileSync(join(folder, "home", ".docker", "config.json"), "utf8")).toBe(before);
  });

  test("refuses what a host pulls with a password that is over", async () => {
    access = { login: { user: "deploy", password } };
    const image = await publish(files("app/server"));
    await logIn(password);
    access = { login: { user: "deploy", password: "the next one" } };
    const { status, stderr } = await pullImage(image);
    expect(status).toBe(1);
    expect(stderr).toMatch(/refuses the pull of .*unauthorized.*Nothing was changed\. the way in/);
  });

  test("is left again", async () => {
    access = { login: { user: "deploy", password } };
    await logIn(password);
    expect(await script(read("host/scripts/registry-logout.sh"), login())).toMatchObject({ status: 0 });
    expect(readFileSync(join(folder, "home", ".docker", "config.json"), "utf8")).not.toContain(
      server.address,
    );
  });
});

describe("a pull", () => {
  test("of what is there by its digest asks nobody", async () => {
    const image = await publish(files("app/server"));
    await pullImage(image);
    access = { login: { user: "deploy", password: "somebody else's" } };
    expect(await pullImage(image)).toMatchObject({ status: 0, stderr: "", notes: "" });
  });

  // Another text each time: the engine outlives the tests, and does not pull a layer that one before has left.
  const large = () => publish([{ path: "app/large", text: `${randomUUID()}${"x".repeat(4 << 20)}` }]);

  test("that stands still ends with that as its reason, and Docker ends it too", async () => {
    access = { bytesPerSecond: 0 };
    const image = await large();
    const began = Date.now();
    const { status, stderr } = await pullImage(image, { STALLED_SECONDS: 4 });
    expect(status).toBe(1);
    expect(Date.now() - began).toBeLessThan(15_000);
    expect(stderr).toMatch(
      /the pull of \S+ stalled: nothing has come for 4 s, after 0 MiB in \d+ s\. Nothing was changed/,
    );
    access = {};
    await sleep(3000);
    expect(await isThere(image)).toBe(false);
  });

  test("that is slow but moves has its whole time, and says how far it is", async () => {
    access = { bytesPerSecond: 200_000 };
    const { status, notes } = await pullImage(await large(), { STALLED_SECONDS: 4 });
    expect(status).toBe(0);
    expect(notes).toMatch(/^INFO pulling: [1-3] MiB in 1\d s$/m);
    expect(notes).toMatch(/^INFO pulled: 4 MiB in 2\d s$/m);
  });

  test("that is not done in its time says how far it came", async () => {
    access = { bytesPerSecond: 200_000 };
    const { status, stderr } = await pullImage(await large(), { DEADLINE_SECONDS: 8 });
    expect(status).toBe(1);
    expect(stderr).toMatch(/the pull of \S+ is not done after 8 s: 1 MiB in [89] s\. Nothing was changed/);
  });

  test("of an image that is not in the registry quotes what Docker says", async () => {
    const missing = `${server.address}/unit/app@sha256:${"0".repeat(64)}`;
    const { status, stderr } = await pullImage(missing);
    expect(status).toBe(1);
    expect(stderr).toMatch(
      /cannot pull \S+: .*(not found|manifest unknown|lab has no image).*\. Nothing was changed/,
    );
  });

  test("of another architecture does not begin", async () => {
    const image = await publish(files("app/server"), {}, "arm64");
    const { status, stderr, notes } = await pullImage(image);
    expect(status).toBe(1);
    expect(stderr).toContain(
      `${image} is built for linux/arm64, and the server is linux/amd64. Nothing was pulled or changed. Build it for the server, as in: docker buildx build --platform linux/amd64`,
    );
    expect(notes).toBe("");
    expect(await isThere(image)).toBe(false);
  });
});

describe("the check of an image", () => {
  const needs = imageNeeds({
    command: ["/app/server"],
    secretsAs: "variables",
    healthcheck: ["CMD", "wget", "--spider"],
    steps: [{ kind: "golang-migrate", folder: "/app/migrations", command: ["migrate"] }],
  });
  const checked = (image: string, allowRoot = false) => {
    const { script: check, parameters } = imageCheck(
      "unit_app",
      { name: "unit/app", version: "v1", reference: image, allowRoot },
      needs,
    );
    return pullImage(image, {}, check, parameters);
  };
  const complete = files(
    "app/server",
    "bin/sh",
    "bin/cat",
    "bin/wget",
    "usr/local/bin/migrate",
    "app/migrations/1.up.sql",
  );

  test("passes one that has everything, and leaves nothing behind", async () => {
    const containers = async () => (await docker.client.listContainers({ all: true })).map(({ Id }) => Id);
    const before = await containers();
    expect(await checked(await publish(complete))).toMatchObject({ status: 0, stderr: "" });
    expect((await containers()).filter((id) => !before.includes(id))).toEqual([]);
  });

  test("names all that is missing in one that has nothing but its program", async () => {
    const { status, stderr } = await checked(
      await publish([{ path: "app/server", text: "x" }], { user: "" }),
    );
    expect(status).toBe(1);
    expect(stderr.split("\n").slice(0, 8)).toEqual([
      expect.stringMatching(/^127\S+ cannot be unit_app\. Nothing was changed\. It lacks:$/),
      "  - the program /app/server: the service's command",
      "  - the program /bin/sh: makes variables of the secret files; an image without it reads the files itself",
      "  - the program cat, nowhere in its PATH (/usr/local/bin:/bin): makes variables of the secret files; an image without it reads the files itself",
      "  - the program wget, nowhere in its PATH (/usr/local/bin:/bin): Docker's health check",
      "  - the program migrate, nowhere in its PATH (/usr/local/bin:/bin): golang-migrate, which runs the migrations",
      "  - the folder /app/migrations: the migrations",
      expect.stringMatching(
        /^ {2}- a user other than root: .* acknowledge it: npx pulumi config set --path 'berth:images\["unit\/app"\]\.allowRoot' true --stack /,
      ),
    ]);
  });

  test.each(["", "root", "0:0"])("refuses the user %j unless it is acknowledged", async (user) => {
    const image = await publish(complete, { user });
    expect((await checked(image)).stderr).toContain("a user other than root");
    expect(await checked(image, true)).toMatchObject({ status: 0 });
  });

  test.each(["app", "10001:0"])("passes the user %j", async (user) => {
    expect(await checked(await publish(complete, { user }))).toMatchObject({ status: 0, stderr: "" });
  });
});
