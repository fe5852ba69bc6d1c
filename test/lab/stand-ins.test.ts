import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import type Dockerode from "dockerode";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ask, exitOf, type ImageLab, openImages, secrets } from "./image-containers.ts";
import { until } from "./until.ts";

/** The stand-ins that are declarations alone, each in a container against a database of its own. */

let lab: ImageLab;
let postgres: Dockerode.Container;
let host: string;

// The first use of an image builds it.
beforeAll(async () => {
  lab = await openImages("stand-ins");
  postgres = await lab.startPostgres();
  host = await lab.addressOf(postgres);
  for (const name of ["mfa", "connected"]) await lab.sql(postgres, `CREATE DATABASE ${name}`);
});
afterAll(() => lab?.close());

const inDatabase = (name: string, sql: string) =>
  lab.inside(postgres, "psql", "-U", "togather_admin", "-d", name, "-XAtc", sql);
const environment = (variables: Readonly<Record<string, string>>) =>
  Object.entries(variables).map(([name, value]) => `${name}=${value}`);

async function healthy(container: Dockerode.Container, path: string): Promise<string> {
  const address = await lab.addressOf(container);
  await until(`${path} answers 200`, 20, async () =>
    (await ask(address, path)).status === 200 ? true : undefined,
  ).catch(async (error: unknown) => {
    throw new Error(`not healthy:\n${await lab.logsOf(container)}`, { cause: error });
  });
  return address;
}

describe("connected-repo's backend", () => {
  const start = async (version: string, more: Readonly<Record<string, string>> = {}) =>
    lab.start(await lab.pull("connected-repo/api", version), {
      Env: environment({
        NODE_ENV: "production",
        PORT: "8080",
        ...{ DB_HOST: host, DB_PORT: "5432", DB_USER: "togather_admin", DB_NAME: "connected" },
        ...{ DB_PASSWORD: secrets.password, SESSION_SECRET: `${secrets.jwt}-and-more-of-it` },
        ...{ GOOGLE_CLIENT_ID: "1.apps.googleusercontent.com", GOOGLE_CLIENT_SECRET: secrets.admin },
        ...{ ALLOWED_ORIGINS: "https://a.example", WEBAPP_URL: "https://a.example" },
        VITE_API_URL: "https://api.example",
        ...more,
      }),
    });

  test("migrates at start, its next replica finds nothing left; serves, limits by itself, and ends", async () => {
    const first = await start("v1.0.0");
    const address = await healthy(first, "/health");
    const apps = [first, await start("v1.0.0")];
    await Promise.all(apps.map((app) => healthy(app, "/health")));
    expect((await ask(address, "/health")).body).toEqual({ status: "ok", timestamp: expect.any(String) });
    expect((await ask(address, "/")).body).toEqual({ message: "Backend is live." });
    expect(await inDatabase("connected", `SELECT version, name FROM "schemaMigrations"`)).toBe(
      "0001|initial_schema",
    );
    const logs = await Promise.all(apps.map((app) => lab.logsOf(app)));
    expect(logs.filter((log) => log.includes("✅ Applied 1 migration(s):"))).toHaveLength(1);
    expect(logs.filter((log) => log.includes("✅ Database is up to date"))).toHaveLength(1);
    for (const log of logs) expect(log).toContain("Server running");

    const next = await start("v2.0.0");
    await healthy(next, "/health");
    expect(await lab.logsOf(next)).toContain("   - 0002_push_devices");

    const prompts = await Promise.all(Array.from({ length: 400 }, () => ask(address, "/api/prompts")));
    const statuses = prompts.map(({ status }) => status);
    expect(statuses.filter((status) => status === 200).length).toBeGreaterThanOrEqual(200);
    expect(prompts.find(({ status }) => status === 429)?.body).toEqual({
      error: "Rate limit exceeded. Please try again later.",
    });
    expect((await ask(address, "/health")).status).toBe(200);

    for (const app of [...apps, next]) {
      expect(await lab.logsOf(app)).not.toContain("canary");
      await app.kill({ signal: "SIGTERM" });
      expect(await exitOf(app)).toBe(0);
    }
  });

  test("fails where the seed says so: a short session secret, a broken migration, health on purpose", async () => {
    const short = await start("v2.0.0", { SESSION_SECRET: "short-canary" });
    expect(await exitOf(short)).toBe(1);
    expect(await lab.logsOf(short)).toMatch(/SESSION_SECRET is shorter than 32 characters/);
    expect(await lab.logsOf(short)).not.toContain("canary");
    const broken = await start("broken-migration");
    expect(await exitOf(broken)).toBe(1);
    expect(await lab.logsOf(broken)).toMatch(/migration 0003_broken failed: .*nobody_made_this_column/);
    // In one transaction with its record: nothing of it is left.
    expect(
      await inDatabase(
        "connected",
        `SELECT count(*) FROM information_schema.columns WHERE column_name = 'author'`,
      ),
    ).toBe("0");
    const ill = await start("broken-health");
    const address = await lab.addressOf(ill);
    const answer = await until("it serves", 20, () => ask(address, "/health"));
    expect(answer).toMatchObject({ status: 503, body: { status: "error" } });
    await ill.remove({ force: true });
  });
});

describe("the Mental Fitness App", () => {
  test("takes its secrets from files, is healthy once migrated, and stores what it is sent", async () => {
    const redis = await lab.start(await lab.pull("redis", "8"), {
      Cmd: ["redis-server", "--protected-mode", "no"],
    });
    const values = {
      AIRTABLE_ACCESS_TOKEN: `${secrets.admin}-airtable`,
      AIRTABLE_BASE_ID: `${secrets.admin}-base`,
      JWT_SECRET: secrets.jwt,
      OPENAI_API_KEY: `${secrets.admin}-openai`,
      SMTP_SERVER: "mail.example",
      SMTP_PORT: "587",
      SMTP_USER: `${secrets.admin}-user`,
      SMTP_PASSWORD: `${secrets.admin}-mail`,
      SMTP_FROM: "coach@mfa.example",
      DATABASE_URL: `postgresql://togather_admin:${secrets.password}@${host}:5432/mfa`,
      REDIS_URL: `redis://${await lab.addressOf(redis)}:6379`,
    };
    const binds: string[] = [];
    for (const [name, value] of Object.entries(values)) {
      await writeFile(join(lab.folder, name), value, { mode: 0o444 });
      binds.push(`${join(lab.folder, name)}:/run/secrets/${name}:ro`);
    }
    const files = Object.fromEntries(
      Object.keys(values).map((name) => [`${name}_FILE`, `/run/secrets/${name}`]),
    );
    const app = await lab.start(await lab.pull("mfa/app", "v1.0.0"), {
      Env: environment({ ...files, PORT: "8080" }),
      HostConfig: { Binds: binds },
    });
    const address = await lab.addressOf(app);
    const before = await until("it serves", 20, () => ask(address, "/api/health"));
    expect(before).toMatchObject({ status: 503, body: { status: "error", migrations: "pending" } });
    for (const said of [/Applied 3 migration/, /Database is up to date/]) {
      expect(await lab.inside(app, "node", "tasks/db-migrate.mjs")).toMatch(said);
    }
    await healthy(app, "/api/health");
    expect((await ask(address, "/api/programs", { body: { name: "Calm" } })).status).toBe(201);
    expect((await ask(address, "/api/programs", { body: {} })).status).toBe(400);
    expect((await ask(address, "/api/programs")).body).toMatchObject([{ name: "Calm" }]);
    expect(await inDatabase("mfa", "SELECT version FROM schema_migrations ORDER BY id")).toBe(
      "001_programs\n002_habit_usage\n003_method_usage",
    );
    expect(await lab.logsOf(app)).not.toContain("canary");
    await app.remove({ force: true });
    await redis.remove({ force: true });
  });
});
