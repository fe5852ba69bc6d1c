import { mkdir, mkdtemp, rm, stat, writeFile } from "node:fs/promises";
import { Agent, get, request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type Dockerode from "dockerode";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import type { OuterDocker } from "../../lab/contracts.ts";
import {
  ensureDocker,
  ensureNetwork,
  labLabels,
  networkName,
  removeNetwork,
  run,
} from "../../lab/docker/index.ts";
import { labHome } from "../../lab/home.ts";
import { createRegistry, type LabRegistry, type RegistryServer } from "../../lab/images/index.ts";

// Containers start while other tests keep the machine busy.
// The first use of an image builds it.
vi.setConfig({ testTimeout: 300_000 });

const home = labHome({ ...process.env, BERTH_LAB: "test-images", BERTH_LAB_SUBNET: "198.18.241.0/24" });
const secrets = {
  password: "pw-canary-8f14e45fceea167a",
  jwt: "jwt-canary-c9f0f895fb98ab91",
  admin: "admin-canary-45c48cce2e2d7fbd",
};

let docker: OuterDocker;
let registry: LabRegistry;
let server: RegistryServer;
let folder: string;
let postgres: Dockerode.Container;
let databaseUrl: string;
const pulled: string[] = [];

/** Pulls an image as a machine does, through the registry's HTTP API, by digest or by tag. */
async function pull(name: string, version: string, by: "digest" | "tag" = "digest"): Promise<string> {
  const repository = `127.0.0.1:${server.address.split(":")[1]}/${name}`;
  const { digest } = await registry.resolve(name, version);
  const reference = by === "digest" ? `${repository}@${digest}` : `${repository}:${version}`;
  const stream = await docker.client.pull(reference);
  await new Promise<void>((resolve, reject) => {
    docker.client.modem.followProgress(stream, (error: Error | null) => (error ? reject(error) : resolve()));
  });
  pulled.push(reference);
  return reference;
}

async function start(image: string, options: Dockerode.ContainerCreateOptions): Promise<Dockerode.Container> {
  const container = await docker.client.createContainer({
    Image: image,
    Labels: labLabels(home, "test"),
    ...options,
    HostConfig: { NetworkMode: networkName(home), ...options.HostConfig },
  });
  await container.start();
  return container;
}

async function addressOf(container: Dockerode.Container): Promise<string> {
  const { NetworkSettings } = await container.inspect();
  return NetworkSettings.Networks[networkName(home)]?.IPAddress ?? "";
}

async function logsOf(container: Dockerode.Container): Promise<string> {
  const engine = `unix://${docker.socketPath}`;
  return run("sh", ["-c", 'exec docker -H "$0" logs "$1" 2>&1', engine, container.id]);
}
const inside = (container: Dockerode.Container, ...command: string[]) =>
  run("docker", ["-H", `unix://${docker.socketPath}`, "exec", container.id, ...command]);

async function exitOf(container: Dockerode.Container, seconds = 20): Promise<number> {
  const late = sleep(seconds * 1000, undefined, { ref: false }).then(() => {
    throw new Error(`the container did not end within ${seconds} s`);
  });
  const ended = container.wait() as Promise<{ StatusCode: number }>;
  return (await Promise.race([ended, late])).StatusCode;
}

async function until<T>(what: string, seconds: number, look: () => Promise<T | undefined>): Promise<T> {
  const end = Date.now() + seconds * 1000;
  let last: unknown;
  while (Date.now() < end) {
    const found = await look().catch((error: unknown) => {
      last = error;
      return undefined;
    });
    if (found !== undefined) return found;
    await sleep(50);
  }
  throw new Error(`${what}: not within ${seconds} s`, { cause: last });
}

interface Reply {
  readonly status: number;
  readonly body: Record<string, unknown>;
  readonly connection: string;
}

function ask(
  address: string,
  path: string,
  init: { body?: unknown; bearer?: string; agent?: Agent } = {},
): Promise<Reply> {
  return new Promise((resolve, reject) => {
    const sent = request(
      {
        host: address,
        port: 8080,
        path,
        method: init.body === undefined ? "GET" : "POST",
        agent: init.agent ?? false,
        timeout: 15_000,
        headers: init.bearer === undefined ? {} : { Authorization: `Bearer ${init.bearer}` },
      },
      (response) => {
        const parts: Buffer[] = [];
        response.on("data", (part: Buffer) => parts.push(part));
        response.on("error", reject);
        response.on("end", () =>
          resolve({
            status: response.statusCode ?? 0,
            body: JSON.parse(Buffer.concat(parts).toString()),
            connection: response.headers.connection ?? "",
          }),
        );
      },
    );
    sent.on("timeout", () => sent.destroy(new Error("no answer within 15 s")));
    sent.on("error", reject);
    sent.end(init.body === undefined ? undefined : JSON.stringify(init.body));
  });
}

async function startApp(
  version: string,
  env: Readonly<Record<string, string>> = {},
): Promise<Dockerode.Container> {
  const all = {
    DATABASE_URL: databaseUrl,
    JWT_SECRET: secrets.jwt,
    ADMIN_API_KEY: secrets.admin,
    ...env,
  };
  return start(await pull("togather/app", version), {
    Env: Object.entries(all).map(([key, value]) => `${key}=${value}`),
  });
}

async function serving(container: Dockerode.Container): Promise<string> {
  const address = await addressOf(container);
  await until("the app serves", 10, () => ask(address, "/health"));
  return address;
}

/** Runs golang-migrate from the app's image, as a deploy does. */
async function migrate(version: string, ...command: string[]): Promise<{ exit: number; log: string }> {
  const container = await start(await pull("togather/app", version), {
    Entrypoint: [
      "sh",
      "-c",
      `exec migrate -path internal/storage/postgres/migrations -database "$DATABASE_URL" ${command.join(" ")} 2>&1`,
    ],
    Env: [`DATABASE_URL=${databaseUrl}`],
  });
  const exit = await exitOf(container, 60);
  return { exit, log: await logsOf(container) };
}

const sql = (text: string) =>
  inside(postgres, "psql", "-U", "togather_admin", "-d", "togather", "-XAtc", text);

beforeAll(async () => {
  docker = await ensureDocker(home, () => undefined);
  await ensureNetwork(docker, home);
  registry = await createRegistry(docker, home, (message) => console.info(message));
  server = await registry.listen({ host: "127.0.0.1", port: 0 });
  folder = await mkdtemp(join(tmpdir(), "berth-images-"));
  await writeFile(join(folder, "password"), `${secrets.password}\n`, { mode: 0o444 });
  // Bind-mounted directories arrive as the host has them: root's.
  await mkdir(join(folder, "data"), { mode: 0o755 });
  await mkdir(join(folder, "socket"), { mode: 0o700 });
  postgres = await start(await pull("postgres", "17"), {
    name: "test-images-postgres",
    Env: [
      "POSTGRES_PASSWORD_FILE=/run/secrets/password",
      "POSTGRES_USER=togather_admin",
      "POSTGRES_DB=togather",
      "PGDATA=/var/lib/postgresql/data/pgdata",
    ],
    Cmd: ["postgres", "-c", "max_connections=77"],
    HostConfig: {
      Binds: [
        `${join(folder, "password")}:/run/secrets/password:ro`,
        `${join(folder, "data")}:/var/lib/postgresql/data`,
        `${join(folder, "socket")}:/var/run/postgresql`,
      ],
    },
  });
  const address = await addressOf(postgres);
  databaseUrl = `postgres://togather_admin:${secrets.password}@${address}:5432/togather?sslmode=disable`;
  await until("Postgres listens", 60, () => inside(postgres, "pg_isready", "-h", "127.0.0.1")).catch(
    async (error: unknown) => {
      throw new Error(`Postgres did not start:\n${await logsOf(postgres)}`, { cause: error });
    },
  );
}, 900_000);

afterAll(async () => {
  await server?.close();
  if (docker) {
    await removeNetwork(docker, home);
    for (const reference of new Set(pulled)) {
      await docker.client
        .getImage(reference)
        .remove({ force: true })
        .catch(() => undefined);
    }
  }
  await rm(folder, { recursive: true, force: true });
  await rm(home.stateDir, { recursive: true, force: true });
}, 60_000);

describe("the postgres image", () => {
  test("takes the password from a file, arguments from the command, and owns its socket directory", async () => {
    expect(await sql("SHOW max_connections")).toBe("77");
    expect(await sql("SELECT current_user || ' ' || current_database()")).toBe("togather_admin togather");
    const socket = await stat(join(folder, "socket"));
    expect([socket.uid, socket.mode & 0o7777]).toEqual([999, 0o3775]);
    expect(await inside(postgres, "sh", "-c", "ls /var/lib/postgresql/data; ps -o user= -p 1")).toBe(
      "pgdata\npostgres",
    );
  });

  test("wants the right password over the network", async () => {
    const host = await addressOf(postgres);
    const knock = (password: string) =>
      inside(
        postgres,
        "env",
        `PGPASSWORD=${password}`,
        "psql",
        "-h",
        host,
        "-U",
        "togather_admin",
        "-d",
        "togather",
        "-XAtc",
        "SELECT 1",
      );
    expect(await knock(secrets.password)).toBe("1");
    await expect(knock("wrong")).rejects.toThrow("password authentication failed");
    expect(
      await sql("SELECT rolpassword LIKE 'SCRAM-SHA-256%' FROM pg_authid WHERE rolname = 'togather_admin'"),
    ).toBe("t");
  });

  test("brings the extensions and the tools", async () => {
    await sql("CREATE EXTENSION postgis; CREATE EXTENSION vector; CREATE EXTENSION pg_trgm");
    const tools = ["psql", "pg_isready", "pg_dump", "pg_dumpall", "pg_restore", "pg_basebackup", "gzip"];
    for (const tool of tools)
      expect(await inside(postgres, "sh", "-c", `command -v ${tool}`)).toContain(tool);
  });
});

describe("Togather's stand-in", () => {
  test("is not healthy before its migrations ran, and migrate brings it there", async () => {
    const app = await startApp("v1.0.0");
    const address = await serving(app);
    expect(await ask(address, "/health")).toMatchObject({
      status: 503,
      body: { status: "unhealthy", version: "v1.0.0", database: "connected", migrations: "pending" },
    });
    const up = await migrate("v1.0.0", "up");
    expect(up, up.log).toMatchObject({ exit: 0 });
    const healthy = await until("it turns healthy", 10, async () => {
      const reply = await ask(address, "/health");
      return reply.body.status === "healthy" ? reply : undefined;
    });
    expect(healthy).toMatchObject({
      status: 200,
      body: {
        database: "connected",
        migrations: "up-to-date",
        jobs: "operational",
        uptime: expect.any(Number),
      },
    });
    await app.remove({ force: true });
  });

  test("keeps the API's contract", async () => {
    const app = await startApp("v1.0.0");
    const address = await serving(app);
    const event = {
      name: "Night of museums",
      startsAt: "2026-05-01T18:00:00Z",
      location: { latitude: 52.5, longitude: 13.4 },
    };
    const made = await ask(address, "/api/v1/events", { body: event });
    expect(made).toMatchObject({
      status: 201,
      body: { name: event.name, location: event.location, indexed: false },
    });
    const listed = await until("the queue's worker indexes the event", 10, async () => {
      const reply = await ask(address, "/api/v1/events?search=museum%20night&limit=5");
      const events = reply.body.events as { id: string; indexed: boolean }[];
      return events.find((each) => each.id === made.body.id)?.indexed ? events : undefined;
    });
    expect(listed.length).toBeGreaterThan(0);
    expect(await ask(address, "/api/v1/events", { body: {} })).toMatchObject({ status: 400 });

    const { token } = (await ask(address, "/api/v1/auth/token", { body: { subject: "anna" } })).body;
    expect(await ask(address, "/api/v1/whoami", { bearer: String(token) })).toMatchObject({
      status: 200,
      body: { subject: "anna" },
    });
    expect(await ask(address, "/api/v1/whoami", { bearer: "no" })).toMatchObject({ status: 401 });
    expect(await ask(address, "/api/v1/admin/jobs", { bearer: "no" })).toMatchObject({ status: 401 });
    expect(await ask(address, "/api/v1/admin/jobs", { bearer: secrets.admin })).toMatchObject({
      status: 200,
      body: { counts: { completed: expect.any(Number) } },
    });
    expect(await ask(address, "/nowhere")).toMatchObject({ status: 404 });

    expect(await inside(app, "sh", "-c", "id -u; pwd; which wget curl migrate")).toBe(
      "10001\n/app\n/usr/bin/wget\n/usr/bin/curl\n/usr/local/bin/migrate",
    );
    const { Config } = await docker.client.getImage((await app.inspect()).Image).inspect();
    expect(Config.Entrypoint).toEqual(["/app/server"]);
    expect(Config.Cmd ?? null).toBeNull();
    expect(Config.Labels).toMatchObject({ "org.opencontainers.image.version": "v1.0.0" });
    await app.remove({ force: true });
  });

  test("refuses to start without its variables, and says which", async () => {
    const app = await startApp("v1.0.0", { JWT_SECRET: "" });
    expect(await exitOf(app)).toBe(1);
    expect(await logsOf(app)).toContain("JWT_SECRET is missing");
  });

  test("on SIGTERM goes on serving, finishes what it began, and ends with 0", async () => {
    const app = await startApp("v1.0.0");
    const address = await serving(app);
    await until("it is healthy", 10, async () =>
      (await ask(address, "/health")).status === 200 ? true : undefined,
    );
    const agent = new Agent({ keepAlive: true });
    expect((await ask(address, "/health", { agent })).connection).toBe("keep-alive");
    const late = ask(address, "/api/v1/slow?milliseconds=4000");
    await sleep(100);
    await app.kill({ signal: "SIGTERM" });
    const signalled = Date.now();
    const ended = exitOf(app);
    let answered = 0;
    while (Date.now() - signalled < 1500) {
      // A connection of its own each time: it still accepts.
      expect((await ask(address, "/health")).status).toBe(200);
      answered += 1;
      await sleep(20);
    }
    expect(answered).toBeGreaterThan(10);
    expect((await ask(address, "/api/v1/events", { agent })).connection).toBe("close");
    expect(await late).toMatchObject({ status: 200, body: { milliseconds: 4000 } });
    expect(await ended).toBe(0);
    const seconds = (Date.now() - signalled) / 1000;
    expect(seconds).toBeGreaterThan(3.5);
    expect(seconds).toBeLessThan(8);
    agent.destroy();
    expect(await logsOf(app)).toMatch(/"draining"[\s\S]*"stopped"/);
  });

  test("goes on while a newer version migrates the schema", async () => {
    const old = await startApp("v1.0.0");
    const address = await serving(old);
    expect((await migrate("v2.0.0", "up")).exit).toBe(0);
    const next = await startApp("v2.0.0");
    const nextAddress = await serving(next);
    for (const at of [address, nextAddress]) {
      await until("healthy", 10, async () =>
        (await ask(at, "/health")).body.status === "healthy" ? true : undefined,
      );
      const event = { name: `From ${at}`, startsAt: "2026-06-01T18:00:00Z" };
      expect((await ask(at, "/api/v1/events", { body: event })).status).toBe(201);
    }
    await Promise.all([old.remove({ force: true }), next.remove({ force: true })]);
  });

  test("answers health more than 1000 times for each second of its processor time", async () => {
    const app = await startApp("v2.0.0");
    const address = await serving(app);
    const agent = new Agent({ keepAlive: true, maxSockets: 16 });
    // Processor time and not the clock: other tests may keep this machine busy.
    const processorSeconds = async () =>
      (await app.stats({ stream: false })).cpu_stats.cpu_usage.total_usage / 1e9;
    const before = await processorSeconds();
    const end = Date.now() + 2000;
    let count = 0;
    await Promise.all(
      Array.from({ length: 16 }, async () => {
        while (Date.now() < end) {
          await new Promise<void>((resolve, reject) => {
            get({ host: address, port: 8080, path: "/health", agent }, (response) => {
              response.resume().on("end", resolve);
            }).on("error", reject);
          });
          count += 1;
        }
      }),
    );
    const used = (await processorSeconds()) - before;
    agent.destroy();
    console.info(`${count} requests in ${used.toFixed(2)} s of processor time`);
    expect(count / used).toBeGreaterThan(1000);
    await app.remove({ force: true });
  });

  test("broken-start ends at once and says so", async () => {
    const app = await startApp("broken-start");
    expect(await exitOf(app)).toBe(1);
    expect(await logsOf(app)).toContain("version broken-start fails at start on purpose");
  });

  test("broken-health is never healthy", async () => {
    const app = await startApp("broken-health-1");
    const address = await serving(app);
    for (let times = 0; times < 5; times += 1) {
      expect(await ask(address, "/health")).toMatchObject({
        status: 503,
        body: { status: "unhealthy", database: "connected" },
      });
      await sleep(200);
    }
    expect(await logsOf(app)).toContain("never healthy, on purpose");
    await app.remove({ force: true });
  });

  test("broken-after dies under real requests", async () => {
    const app = await startApp("broken-after");
    const address = await serving(app);
    const ended = exitOf(app);
    let served = 0;
    for (; served < 60; served += 1) {
      const reply = await ask(address, "/api/v1/events").catch(() => undefined);
      if (reply === undefined) break;
    }
    expect(served).toBe(49);
    expect(await ended).toBe(1);
  });

  test("broken-migration fails in the middle and leaves the version before it working", async () => {
    const app = await startApp("v2.0.0");
    const address = await serving(app);
    const failed = await migrate("broken-migration", "up");
    expect(failed.exit).not.toBe(0);
    expect(failed.log).toContain('column \\"nobody_made_this_column\\" does not exist'.replaceAll("\\", ""));
    expect(await sql("SELECT version, dirty FROM schema_migrations")).toBe("5|t");
    const health = await until("the health notices", 5, async () => {
      const reply = await ask(address, "/health");
      return reply.body.migrations === "unknown" ? reply : undefined;
    });
    expect(health).toMatchObject({ status: 200, body: { status: "degraded" } });
    expect((await migrate("v2.0.0", "force", "4")).exit).toBe(0);
    await app.remove({ force: true });
  });

  test("writes no secret into its log", async () => {
    const app = await startApp("v2.0.0", {
      LOG_LEVEL: "debug",
      DATABASE_URL: databaseUrl.replace(":5432", ":1"),
    });
    const address = await serving(app);
    await ask(address, "/api/v1/events");
    await ask(address, "/api/v1/admin/jobs", { bearer: secrets.admin });
    const log = await logsOf(app);
    expect(log).toContain("health check failing");
    expect(log).not.toContain("canary");
    await app.remove({ force: true });
  });

  test("can be pulled by tag at a version that nobody has asked for before", async () => {
    const version = `v1.7.${Date.now()}`;
    const image = await docker.client.getImage(await pull("togather/app", version, "tag")).inspect();
    expect(image.Config.Env).toContain(`APP_VERSION=${version}`);
  });
});

describe("the nginx image", () => {
  test("keeps the official image's contract and has what gapless switches need", async () => {
    const conf = join(folder, "site.conf");
    await writeFile(
      conf,
      `keepalive_min_timeout 10s;
       upstream app { zone app 64k; resolver 127.0.0.11; server test-images-postgres:5432 resolve; keepalive 8; }
       server { listen 8080; http2 on; location = /status { stub_status; } location / { return 200 '"$remote_addr"'; } }`,
    );
    const nginx = await start(await pull("nginx", "1.28.3"), {
      HostConfig: { Binds: [`${conf}:/etc/nginx/conf.d/site.conf:ro`] },
    });
    const address = await addressOf(nginx);
    await until("nginx serves", 10, () => ask(address, "/"));
    const version = await inside(nginx, "sh", "-c", "nginx -V 2>&1");
    expect(version).toContain("nginx version: nginx/1.28.3");
    for (const module of [
      "http_ssl",
      "http_v2",
      "http_realip",
      "http_stub_status",
      "http_gzip_static",
      "stream_ssl",
    ]) {
      expect(version).toContain(`--with-${module}_module`);
    }
    await inside(nginx, "nginx", "-t");
    await inside(nginx, "nginx", "-s", "reload");
    await until("nginx serves", 10, () => ask(address, "/"));
    expect(await inside(nginx, "sh", "-c", "ps -o user= -C nginx | sort -u; command -v curl")).toBe(
      "nginx\nroot\n/usr/bin/curl",
    );
    expect(await logsOf(nginx)).toContain('"GET / HTTP/1.1" 200');
    await nginx.stop({ t: 10 });
    expect((await nginx.inspect()).State.ExitCode).toBe(0);
  });
});

describe("an image given by hand", () => {
  test("answers by its digest, and the name and version keep their own image", async () => {
    const given = await registry.load("togather/app", "v9.9.9", await pull("nginx", "1.28.3"));
    expect(given.repository).toBe("registry.berth.lab:5000/togather/app");
    expect(given.digest).not.toBe((await registry.resolve("togather/app", "v9.9.9")).digest);
    expect(given.provenance).toContain("given by hand");
    await expect(registry.load("togather/app", "v9.9.8", "no/such-image:1")).rejects.toThrow(
      "the image no/such-image:1 is neither in the lab's engine nor can it be pulled",
    );
    await expect(registry.resolve("no/such", "v1")).rejects.toThrow(
      'the lab has no image "no/such"; it has: nginx, postgres, togather/app, togather/postgres',
    );
  });
});

test("postgres ends cleanly and keeps its data", async () => {
  const before = await sql("SELECT count(*) FROM events");
  const began = Date.now();
  await postgres.stop({ t: 30 });
  expect(Date.now() - began).toBeLessThan(15_000);
  expect((await postgres.inspect()).State.ExitCode).toBe(0);
  await postgres.start();
  await until("Postgres listens", 30, () => inside(postgres, "pg_isready", "-h", "127.0.0.1"));
  expect(await sql("SELECT count(*) FROM events")).toBe(before);
});
