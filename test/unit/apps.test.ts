import { readFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { applications } from "../../lab/apps/index.ts";
import { migrationsOf, togather } from "../../lab/apps/togather/image.ts";
import { embed, parseEvent } from "../../lab/apps/togather/src/events.ts";
import { type Findings, judge, spoil } from "../../lab/apps/togather/src/health.ts";
import { createLog } from "../../lab/apps/togather/src/log.ts";
import { connectionLost } from "../../lab/apps/togather/src/pool.ts";
import { readSettings, secretValues } from "../../lab/apps/togather/src/settings.ts";
import { signToken, verifyToken } from "../../lab/apps/togather/src/token.ts";
import { brokenHealth, deliberateFailure, majorVersion } from "../../lab/apps/togather/src/version.ts";

describe("versions", () => {
  test.each([
    ["v1.0.0", undefined, 1],
    ["2.1.0", undefined, 2],
    ["v10", undefined, 10],
    ["main-abc1234", undefined, 1],
    ["broken-start", "start", 1],
    ["broken-health-2", "health", 1],
    ["broken-migration.1", "migration", 1],
    ["broken-after", "after", 1],
    ["broken-afternoon", undefined, 1],
  ])("%s", (version, failure, major) => {
    expect(deliberateFailure(version)).toBe(failure);
    expect(majorVersion(version)).toBe(major);
  });

  test.each([
    ["v1.4.0", 3, "000003_search"],
    ["v2.0.0", 4, "000004_source"],
    ["broken-health", 3, "000003_search"],
    ["broken-migration", 5, "000005_broken"],
  ])("%s ships %d migrations up to %s", (version, count, last) => {
    expect(migrationsOf(version)).toHaveLength(count);
    expect(migrationsOf(version).at(-1)).toBe(last);
  });
});

describe("Togather's image", () => {
  test("keeps the seed's contract", async () => {
    const image = await togather.image("v1.2.3");
    expect(image.entrypoint).toEqual(["/app/server"]);
    expect(image.workingDirectory).toBe("/app");
    expect(image.user).not.toMatch(/^(0|root)(:|$)/);
    expect(image.labels).toMatchObject({
      "org.opencontainers.image.version": "v1.2.3",
      "org.opencontainers.image.created": "2026-01-28T00:00:00Z",
    });
    const paths = image.layers.flat().map((entry) => entry.path);
    expect(paths).toContain("app/internal/storage/postgres/migrations/000001_events.up.sql");
    expect(paths).toContain("app/node_modules/pg-protocol");
    expect(paths.filter((path) => path.startsWith("/") || path.includes(".."))).toEqual([]);
  });

  test("versions of one schema share every layer", async () => {
    const [one, other, next] = await Promise.all(
      ["v1.0.0", "v1.9.0", "v2.0.0"].map((v) => togather.image(v)),
    );
    expect(one?.layers).toEqual(other?.layers);
    expect(one?.layers.slice(0, -1)).toEqual(next?.layers.slice(0, -1));
    expect(one?.environment).not.toEqual(other?.environment);
  });

  test("each migration can be undone, and none creates an extension", () => {
    const folder = join(import.meta.dirname, "../../lab/apps/togather/migrations");
    for (const name of [...migrationsOf("broken-migration"), "000005_broken_live"]) {
      for (const way of ["up", "down"]) {
        const text = readFileSync(join(folder, `${name}.${way}.sql`), "utf8");
        expect(text, name).not.toMatch(/create\s+extension/i);
        expect(text.trim(), name).not.toBe("");
      }
    }
  });

  test("is what the registry answers under togather/app", () => {
    expect(applications["togather/app"]).toBe(togather);
  });
});

describe("health", () => {
  const fine: Findings = {
    database: "connected",
    schema: { version: 3, dirty: false },
    jobs: "operational",
  };
  const about = { version: "v1", expectedSchema: 3, uptimeSeconds: 61.9 };

  test.each<[string, Partial<Findings>, "always" | undefined, string, string]>([
    ["all well", {}, undefined, "healthy", "up-to-date"],
    [
      "a newer schema, as during a deploy",
      { schema: { version: 4, dirty: false } },
      undefined,
      "healthy",
      "up-to-date",
    ],
    ["a newer migration failed", { schema: { version: 4, dirty: true } }, undefined, "degraded", "unknown"],
    [
      "its own migration failed, or a newer one is being reversed",
      { schema: { version: 3, dirty: true } },
      undefined,
      "degraded",
      "unknown",
    ],
    ["an older migration failed", { schema: { version: 2, dirty: true } }, undefined, "unhealthy", "pending"],
    ["an older schema", { schema: { version: 2, dirty: false } }, undefined, "unhealthy", "pending"],
    ["no schema at all", { schema: undefined }, undefined, "unhealthy", "pending"],
    ["no database", { database: "disconnected", schema: undefined }, undefined, "unhealthy", "unknown"],
    ["no job queue", { jobs: "degraded" }, undefined, "degraded", "up-to-date"],
    ["a version that is never healthy", {}, "always", "unhealthy", "up-to-date"],
  ])("%s", (_name, findings, broken, status, migrations) => {
    const health = judge({ ...fine, ...findings }, { ...about, broken });
    expect(health).toEqual({
      status,
      version: "v1",
      database: findings.database ?? "connected",
      migrations,
      jobs: findings.jobs ?? "operational",
      uptime: 61,
    });
  });

  test.each([
    ["broken-health-database", { status: "unhealthy", database: "disconnected", migrations: "unknown" }],
    ["broken-health-migrations", { status: "unhealthy", migrations: "pending" }],
    ["broken-health-unknown", { status: "degraded", migrations: "unknown" }],
    ["broken-health-jobs", { status: "degraded", jobs: "degraded" }],
    ["broken-health-status", { status: "degraded" }],
    ["broken-health-1", { status: "unhealthy" }],
  ])("%s is broken in that field alone", (version, expected) => {
    expect(deliberateFailure(version)).toBe("health");
    const broken = brokenHealth(version) ?? "always";
    expect(judge(spoil(fine, broken), { ...about, broken })).toEqual({
      ...{ version: "v1", database: "connected", migrations: "up-to-date", jobs: "operational", uptime: 61 },
      ...expected,
    });
  });
});

test("a query is sent again when its connection is lost, not when it is wrong", () => {
  const failed = (message: string, code?: string) => Object.assign(new Error(message), { code });
  expect(connectionLost(failed("terminating connection due to administrator command", "57P01"))).toBe(true);
  expect(connectionLost(failed('database "togather" does not exist', "3D000"))).toBe(true);
  expect(connectionLost(failed("Connection terminated unexpectedly"))).toBe(true);
  expect(connectionLost(failed('relation "events" does not exist', "42P01"))).toBe(false);
  expect(connectionLost(failed("duplicate key value", "23505"))).toBe(false);
});

describe("tokens", () => {
  const secret = "a key of the server, long enough";
  const claims = { sub: "anna@example.org", iat: 1000, exp: 4600 };

  test("a token is known again until it expires, by the key that signed it", () => {
    const token = signToken(claims, secret);
    expect(verifyToken(token, secret, 4599)).toEqual(claims);
    expect(verifyToken(token, secret, 4600)).toBeUndefined();
    expect(verifyToken(token, "another key of the server", 4599)).toBeUndefined();
  });

  test("a token without signature is refused, whatever its header asks for", () => {
    const none = Buffer.from('{"alg":"none","typ":"JWT"}').toString("base64url");
    const body = Buffer.from(JSON.stringify(claims)).toString("base64url");
    expect(verifyToken(`${none}.${body}.`, secret, 2000)).toBeUndefined();
    expect(verifyToken("", secret, 2000)).toBeUndefined();
  });

  test("no change of a character survives", () => {
    const token = signToken(claims, secret);
    fc.assert(
      fc.property(fc.nat(token.length - 2), fc.constantFrom("A", "z", "0", "_", "."), (at, letter) => {
        const changed = token.slice(0, at) + letter + token.slice(at + 1);
        fc.pre(changed !== token);
        expect(verifyToken(changed, secret, 2000)).toBeUndefined();
      }),
    );
  });
});

describe("settings", () => {
  const env = {
    DATABASE_URL: "postgresql://togather:p%40ss-canary@postgres:5432/togather",
    JWT_SECRET: "jwt-canary-0123456789",
    ADMIN_API_KEY: "admin-canary-0123456789",
  };

  test("names everything that is missing at once", () => {
    expect(() => readSettings({ PORT: "0", LOG_LEVEL: "loud" })).toThrow(
      "the environment is not usable: " +
        "DATABASE_URL is missing (postgresql://user:password@host:5432/database); " +
        "JWT_SECRET is missing (key that signs tokens; openssl rand -base64 32); " +
        "ADMIN_API_KEY is missing (key of the admin endpoints; openssl rand -hex 32); " +
        'LOG_LEVEL is "loud", allowed: debug, info, warn, error; ' +
        'PORT is "0", allowed: a number from 1 to 65535',
    );
  });

  test("never shows a secret's value", () => {
    const wrong = { ...env, DATABASE_URL: "mysql://u:canary-password@h/d", JWT_SECRET: "short-canary" };
    expect(() => readSettings(wrong)).toThrow(/^(?!.*canary).*$/);
  });

  test("does not read files", () => {
    expect(() =>
      readSettings({ ...env, JWT_SECRET: undefined, JWT_SECRET_FILE: "/run/secrets/jwt" }),
    ).toThrow("JWT_SECRET is missing");
  });

  test("secrets stay out of the log, also inside other text", () => {
    const lines: string[] = [];
    const log = createLog("info", secretValues(readSettings(env)), (line) => lines.push(line));
    log.error(`cannot reach ${env.DATABASE_URL}`, {
      key: env.JWT_SECRET,
      list: [`p@ss-canary ${env.ADMIN_API_KEY}`],
    });
    log.debug("not at this level");
    expect(lines).toHaveLength(1);
    expect(lines[0]).not.toContain("canary");
    expect(JSON.parse(lines[0] ?? "")).toMatchObject({ level: "error", msg: "cannot reach ***REDACTED***" });
  });
});

describe("events", () => {
  test("a body is checked as a whole", () => {
    expect(() =>
      parseEvent({ name: "", startsAt: "soon", location: { latitude: 91, longitude: 0 } }),
    ).toThrow(
      "name: a text of 1 to 200 characters is needed; startsAt: a time such as 2026-05-01T18:00:00Z is needed; " +
        "location: { latitude: -90 to 90, longitude: -180 to 180 }",
    );
    expect(() => parseEvent(null)).toThrow("name:");
  });

  test("an embedding has length one", () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        expect(Math.hypot(...embed(text))).toBeCloseTo(1);
      }),
    );
  });
});
