import { readFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { applicationImage, migrationsOf } from "../../lab/apps/image.ts";
import { evaluateHealth, type Findings, healthBody, withBrokenHealth } from "../../lab/apps/server/health.ts";
import { clientAddress, networks, tokenBuckets } from "../../lab/apps/server/limit.ts";
import { brokenHealth, deliberateFailure, majorVersion } from "../../lab/apps/server/version.ts";
import { embed, parseEvent } from "../../lab/apps/togather/app/events.ts";
import { signToken, verifyToken } from "../../lab/apps/togather/app/token.ts";
import { declaration as togather } from "../../lab/apps/togather/app.ts";

const shipped = (version: string) => migrationsOf(togather.database?.migrations ?? { shipped: [] }, version);

const imageOf = (version: string) => applicationImage("togather/app", togather, version);

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
    ["broken-migration-2", 5, "000005_broken"],
    ["broken-migration-live", 5, "000005_broken_live"],
    ["broken-migration-live-2", 5, "000005_broken_live"],
  ])("%s ships %d migrations up to %s", (version, count, last) => {
    expect(shipped(version)).toHaveLength(count);
    expect(shipped(version).at(-1)).toBe(last);
  });
});

describe("Togather's image", () => {
  test("has the interface that the seed describes", () => {
    const image = imageOf("v1.2.3");
    expect(image.entrypoint).toEqual(["/app/server"]);
    expect(image.workingDirectory).toBe("/app");
    expect(image.user).not.toMatch(/^(0|root)(:|$)/);
    expect(image.labels).toMatchObject({
      "org.opencontainers.image.version": "v1.2.3",
      "org.opencontainers.image.created": "2026-01-28T00:00:00Z",
    });
    const paths = image.layers.flat().map((entry) => entry.path);
    expect(paths).toContain("app/internal/storage/postgres/migrations/000001_events.up.sql");
    expect(paths).toContain("opt/stand-in/node_modules/pg-protocol");
    expect(paths).toContain("opt/stand-in/togather/app/api.ts");
    expect(paths.filter((path) => path.endsWith(".sql"))).toHaveLength(6);
    expect(paths.filter((path) => path.startsWith("/") || path.includes(".."))).toEqual([]);
  });

  test("versions of one schema share every layer", () => {
    const [one, other, next] = ["v1.0.0", "v1.9.0", "v2.0.0"].map(imageOf);
    expect(one?.layers).toEqual(other?.layers);
    expect(one?.layers.slice(0, -1)).toEqual(next?.layers.slice(0, -1));
    expect(one?.environment).not.toEqual(other?.environment);
  });

  test("each migration can be undone, and none creates an extension", () => {
    const folder = join(import.meta.dirname, "../../lab/apps/togather/app/migrations");
    for (const name of [...shipped("broken-migration"), "000005_broken_live"]) {
      for (const way of ["up", "down"]) {
        const text = readFileSync(join(folder, `${name}.${way}.sql`), "utf8");
        expect(text, name).not.toMatch(/create\s+extension/i);
        expect(text.trim(), name).not.toBe("");
      }
    }
  });
});

describe("health", () => {
  const fine: Findings = {
    database: "connected",
    schema: { version: 3, dirty: false },
    jobs: "operational",
  };
  const all = ["database", "migrations", "jobs"] as const;

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
    expect(evaluateHealth({ ...fine, ...findings }, all, 3, broken)).toEqual({
      status,
      database: findings.database ?? "connected",
      migrations,
      jobs: findings.jobs ?? "operational",
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
    expect(evaluateHealth(withBrokenHealth(fine, broken), all, 3, broken)).toEqual({
      ...{ database: "connected", migrations: "up-to-date", jobs: "operational" },
      ...expected,
    });
  });

  test.each(["always", "database", "migrations", "unknown", "jobs"] as const)(
    "of an app without checks: with the failure %s it is never healthy, otherwise always",
    (broken) => {
      const lost: Findings = { database: "disconnected", schema: undefined, jobs: "degraded" };
      expect(evaluateHealth(lost, [], 3, undefined).status).toBe("healthy");
      expect(evaluateHealth(withBrokenHealth(fine, broken), [], 3, broken).status).toBe("unhealthy");
    },
  );

  test("has the fields and the values that are declared", () => {
    const verdict = evaluateHealth({ ...fine, jobs: "degraded" }, all, 3, undefined);
    const fields = {
      status: { from: "status", as: { healthy: "ok", degraded: "warn", unhealthy: "down" } },
      checks: { database: { status: { from: "database" } }, queue: { from: "jobs" } },
      version: { from: "version" },
      uptime: { from: "uptime" },
      name: "app",
    } as const;
    expect(healthBody(fields, verdict, { version: "v1", uptimeSeconds: 61.9 })).toEqual({
      status: "warn",
      checks: { database: { status: "connected" }, queue: "degraded" },
      version: "v1",
      uptime: 61,
      name: "app",
    });
    const { timestamp } = healthBody({ timestamp: { from: "time" } }, verdict, {
      version: "v1",
      uptimeSeconds: 0,
    });
    expect(Date.parse(String(timestamp))).toBeGreaterThan(Date.now() - 10_000);
  });
});

describe("tokens", () => {
  const secret = "a key of the server, long enough";
  const claims = { sub: "anna@example.org", iat: 1000, exp: 4600 };

  test("a token is accepted until it expires, with the key that signed it", () => {
    const token = signToken(claims, secret);
    expect(verifyToken(token, secret, 4599)).toEqual(claims);
    expect(verifyToken(token, secret, 4600)).toBeUndefined();
    expect(verifyToken(token, "another key of the server", 4599)).toBeUndefined();
  });

  test("a token without signature is refused, whatever its header says", () => {
    const none = Buffer.from('{"alg":"none","typ":"JWT"}').toString("base64url");
    const body = Buffer.from(JSON.stringify(claims)).toString("base64url");
    expect(verifyToken(`${none}.${body}.`, secret, 2000)).toBeUndefined();
    expect(verifyToken("", secret, 2000)).toBeUndefined();
  });

  test("a token with one changed character is refused", () => {
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

describe("the limit of a client", () => {
  test("allows a minute's number of requests at once, then one after the other at the rate", () => {
    const pass = tokenBuckets(60);
    const passed = (client: string, at: number, count: number) =>
      Array.from({ length: count }, () => pass(client, at)).filter(Boolean).length;
    expect(passed("a", 0, 100)).toBe(60);
    expect(passed("b", 0, 1)).toBe(1);
    expect(passed("a", 900, 10)).toBe(0);
    expect(passed("a", 3_000, 10)).toBe(3);
    expect(passed("a", 3_600_000, 100)).toBe(60);
  });

  test.each([
    ["10.0.3.4", { "x-forwarded-for": "203.0.113.7, 10.0.0.1" }, "203.0.113.7"],
    ["::ffff:10.0.3.4", { "x-real-ip": "203.0.113.8" }, "203.0.113.8"],
    ["10.0.3.4", {}, "10.0.3.4"],
    ["198.51.100.9", { "x-forwarded-for": "203.0.113.7", "x-real-ip": "203.0.113.8" }, "198.51.100.9"],
    ["fd00::1", { "x-forwarded-for": "203.0.113.7" }, "fd00::1"],
  ])("a request from %s with %j is of %s", (remoteAddress, headers, client) => {
    expect(clientAddress({ headers, socket: { remoteAddress } }, networks("10.0.0.0/8, 172.16.0.0/12"))).toBe(
      client,
    );
  });
});

describe("events", () => {
  test("all problems of a body are reported", () => {
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
