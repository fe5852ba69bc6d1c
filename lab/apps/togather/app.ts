import { standIn } from "../application.ts";

/**
 * Togather's server, written in Go. Source: the seed `togather.md` ("Health Endpoint", "Required Secrets"), and where it says nothing
 * github.com/Togather-Foundation/server.
 *
 * Its published image (`ghcr.io/togather-foundation/server`, .github/workflows/release.yml) is not taken as `published`: it has
 * no golang-migrate, and its schema needs River's migrations beside its own; `lab up --image togather/app=…` deploys it.
 */
export const declaration = standIn({
  standsInFor: "Togather's server",
  workingDirectory: "/app",
  user: "10001:10001",
  entrypoint: ["/app/server"],
  files: {
    "/app/server": { runs: "server" },
    "/app/integration-tests": { runs: "integration-tests.ts" },
  },
  tools: [
    {
      // https://github.com/golang-migrate/migrate/releases
      command: "migrate",
      package: "github.com/golang-migrate/migrate/v4/cmd/migrate",
      version: "v4.19.1",
      tags: ["postgres"],
      versionVariable: "main.Version",
      goVersion: "1.24",
    },
  ],
  variables: {
    DATABASE_URL: {
      is: "postgresql://user:password@host:5432/database",
      url: ["postgresql", "postgres"],
      secret: true,
    },
    JWT_SECRET: { is: "key that signs tokens; openssl rand -base64 32", leastCharacters: 16, secret: true },
    ADMIN_API_KEY: { is: "key of the admin endpoints; openssl rand -hex 32", secret: true },
    // internal/config/config.go, and deploy/config/environments/.env.production.example for the networks.
    RATE_LIMIT_PUBLIC: { is: "requests a minute of one client", default: "60", number: [0, 1_000_000] },
    TRUSTED_PROXY_CIDRS: { is: "networks of proxies that name the client", default: "10.0.0.0/8" },
  },
  database: {
    connection: { url: "DATABASE_URL" },
    migrations: {
      folder: "/app/internal/storage/postgres/migrations",
      // golang-migrate's own record.
      state: "SELECT version, dirty FROM schema_migrations LIMIT 1",
      shipped: [
        { name: "000001_events" },
        { name: "000002_jobs" },
        { name: "000003_search" },
        { name: "000004_source", since: 2 },
        // The first fails halfway; the second fails only on the database itself, not on a copy with another name.
        { name: "000005_broken", only: "broken-migration" },
        { name: "000005_broken_live", only: "broken-migration-live" },
      ],
    },
  },
  jobs: { table: "river_job" },
  http: {
    port: 8080,
    // cmd/server/cmd/serve.go, gracefulShutdown: SIGTERM closes the listener and the idle connections at once.
    refusesAtOnce: true,
    health: {
      path: "/health",
      fields: {
        status: { from: "status" },
        version: { from: "version" },
        database: { from: "database" },
        migrations: { from: "migrations" },
        jobs: { from: "jobs" },
        uptime: { from: "uptime" },
      },
    },
    // internal/api/router.go limits every public read so. Here the events are not limited, because load tests read them.
    routes: { "GET /api/v1/places": { json: { items: [], next_cursor: "" } } },
    limits: [
      {
        routes: ["GET /api/v1/places"],
        perMinute: "RATE_LIMIT_PUBLIC",
        trustedProxies: "TRUSTED_PROXY_CIDRS",
        retryAfterSeconds: 60,
      },
    ],
  },
  special: "api.ts",
  load: [
    { method: "GET", path: "/health", expect: [200], weight: 9, version: { field: "version" } },
    { method: "GET", path: "/api/v1/events", expect: [200], weight: 9 },
    {
      method: "POST",
      path: "/api/v1/events",
      body: JSON.stringify({ name: "Load", startsAt: "2026-01-28T19:00:00Z" }),
      expect: [200, 201, 202],
      weight: 2,
    },
  ],
});
