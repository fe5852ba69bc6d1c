import { Agent, get } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
import type Dockerode from "dockerode";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ask, exitOf, type ImageLab, openImages, secrets } from "./image-containers.ts";
import { until } from "./until.ts";

let lab: ImageLab;
let postgres: Dockerode.Container;
let databaseUrl: string;

// The first use of an image builds it.
beforeAll(async () => {
  lab = await openImages("app-image");
  postgres = await lab.startPostgres();
  // As the program does; its migrations find them there.
  await lab.sql(postgres, "CREATE EXTENSION postgis; CREATE EXTENSION vector; CREATE EXTENSION pg_trgm");
  databaseUrl = `postgres://togather_admin:${secrets.password}@${await lab.addressOf(postgres)}:5432/togather?sslmode=disable`;
});
afterAll(() => lab?.close());

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
  return lab.start(await lab.pull("togather/app", version), {
    Env: Object.entries(all).map(([key, value]) => `${key}=${value}`),
  });
}

async function serving(container: Dockerode.Container): Promise<string> {
  const address = await lab.addressOf(container);
  await until("the app serves", 10, () => ask(address, "/health"));
  return address;
}

/** Runs golang-migrate from the app's image, as a deploy does. */
async function migrate(version: string, ...command: string[]): Promise<{ exit: number; log: string }> {
  const container = await lab.start(await lab.pull("togather/app", version), {
    Entrypoint: [
      "sh",
      "-c",
      `exec migrate -path internal/storage/postgres/migrations -database "$DATABASE_URL" ${command.join(" ")} 2>&1`,
    ],
    Env: [`DATABASE_URL=${databaseUrl}`],
  });
  const exit = await exitOf(container, 60);
  return { exit, log: await lab.logsOf(container) };
}

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
      return events.find((each) => each.id === made.body.id && each.indexed);
    });
    expect(listed).toMatchObject({ name: event.name, location: event.location });
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

    expect(await lab.inside(app, "sh", "-c", "id -u; pwd; which wget curl migrate")).toBe(
      "10001\n/app\n/usr/bin/wget\n/usr/bin/curl\n/usr/local/bin/migrate",
    );
    const { Config } = await lab.docker.client.getImage((await app.inspect()).Image).inspect();
    expect(Config.Entrypoint).toEqual(["/app/server"]);
    expect(Config.Cmd ?? null).toBeNull();
    expect(Config.Labels).toMatchObject({ "org.opencontainers.image.version": "v1.0.0" });
    await app.remove({ force: true });
  });

  test("answers 429 by itself beyond 60 requests a minute of one client, whom a trusted proxy names", async () => {
    const app = await startApp("v1.0.0", { TRUSTED_PROXY_CIDRS: "198.18.0.0/15" });
    const address = await serving(app);
    const places = (client: string) =>
      ask(address, "/api/v1/places", { headers: { "X-Forwarded-For": client } });
    // All at once: one comes back each second.
    const answers = await Promise.all(Array.from({ length: 120 }, () => places("203.0.113.7")));
    const [passed, refused] = [200, 429].map((wanted) => answers.filter(({ status }) => status === wanted));
    expect(passed?.length).toBeGreaterThanOrEqual(60);
    expect(passed?.length).toBeLessThan(120);
    expect(refused).toHaveLength(120 - (passed?.length ?? 0));
    expect(refused?.[0]).toMatchObject({ body: {}, retryAfter: "60" });
    expect((await places("203.0.113.8")).status).toBe(200);
    // What loads send is not limited.
    for (let count = 0; count < 70; count += 1) {
      expect((await ask(address, "/api/v1/events?limit=1")).status).toBe(200);
    }
    await app.remove({ force: true });
  });

  test("refuses to start without its variables, and says which", async () => {
    const app = await startApp("v1.0.0", { JWT_SECRET: "" });
    expect(await exitOf(app)).toBe(1);
    expect(await lab.logsOf(app)).toContain("JWT_SECRET is missing");
  });

  test("on SIGTERM accepts nothing more, finishes what it began, and ends with 0", async () => {
    const app = await startApp("v1.0.0");
    const address = await serving(app);
    await until("it is healthy", 10, async () =>
      (await ask(address, "/health")).status === 200 ? true : undefined,
    );
    const late = ask(address, "/api/v1/slow?milliseconds=4000");
    await sleep(500);
    await app.kill({ signal: "SIGTERM" });
    const signalled = Date.now();
    const ended = exitOf(app);
    await until("it refuses connections", 3, async () =>
      ask(address, "/health").then(
        () => undefined,
        ({ code }: { code?: string }) => code === "ECONNREFUSED",
      ),
    );
    expect(await late).toMatchObject({ status: 200, body: { milliseconds: 4000 } });
    expect(await ended).toBe(0);
    const seconds = (Date.now() - signalled) / 1000;
    expect(seconds).toBeGreaterThan(3);
    expect(seconds).toBeLessThan(8);
    expect(await lab.logsOf(app)).toMatch(/"draining"[\s\S]*"stopped"/);
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
    expect(await lab.logsOf(app)).toContain("version broken-start fails at start on purpose");
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
    expect(await lab.logsOf(app)).toContain("never healthy, on purpose");
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
    expect(await lab.sql(postgres, "SELECT version, dirty FROM schema_migrations")).toBe("5|t");
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
    const log = await lab.logsOf(app);
    expect(log).toContain("health check failing");
    expect(log).not.toContain("canary");
    await app.remove({ force: true });
  });

  test("can be pulled by tag at a version that nobody has asked for before", async () => {
    const version = `v1.7.${Date.now()}`;
    const image = await lab.docker.client.getImage(await lab.pull("togather/app", version, "tag")).inspect();
    expect(image.Config.Env).toContain(`APP_VERSION=${version}`);
  });
});
