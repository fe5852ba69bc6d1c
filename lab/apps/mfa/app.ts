import { standIn } from "../application.ts";

const backends = ["airtable_only", "postgres_shadow_read", "postgres_only"];

/**
 * The Mental Fitness App's server, Express on Node. Source: the seed `mfa.md`, whose lines are named below; the app's own source is
 * not public, so the port, the health's fields beside its path, the page, `/api/programs` and `/api/sync` are the stand-in's, and so is
 * the variable that names Redis. Cache and job queue in Redis (L172, L389) and the worker (L159), which is the same image with
 * another command, are code in the folder beside. OpenAI and Airtable are asked where a variable says that they are somewhere else than
 * in reality, and the mail server where its secrets lead to one; so a rehearsal never leaves this machine.
 */
export const declaration = standIn({
  standsInFor: "the Mental Fitness App",
  workingDirectory: "/app",
  user: "1000:1000",
  entrypoint: ["node", "server.mjs"],
  files: {
    "/app/server.mjs": { runs: "server" },
    "/app/worker.mjs": { runs: "worker.ts" },
    // L28: run by hand inside the container; L236: idempotent, no way down (L275).
    "/app/tasks/db-migrate.mjs": { runs: "migrations" },
  },
  // L299 to L308: each as a file, as L235 says of the database's.
  variables: {
    AIRTABLE_ACCESS_TOKEN: { is: "Airtable API token", secret: true, file: true },
    AIRTABLE_BASE_ID: { is: "Airtable base id", secret: true, file: true },
    JWT_SECRET: { is: "key that signs tokens", secret: true, file: true, leastCharacters: 16 },
    OPENAI_API_KEY: { is: "OpenAI API key", secret: true, file: true },
    SMTP_SERVER: { is: "host name of the mail server", file: true },
    SMTP_PORT: { is: "port of the mail server", file: true, number: [1, 65_535] },
    SMTP_USER: { is: "user at the mail server", secret: true, file: true },
    SMTP_PASSWORD: { is: "password at the mail server", secret: true, file: true },
    SMTP_FROM: {
      is: "address that mail comes from",
      file: true,
      pattern: { text: ".+@.+", says: "an address" },
    },
    // L314
    DATABASE_URL: {
      is: "postgresql://postgres:password@mfa_postgres:5432/mfa",
      url: ["postgresql", "postgres"],
      secret: true,
      file: true,
    },
    REDIS_URL: {
      is: "redis://:password@mfa_redis:6379",
      url: ["redis", "rediss"],
      secret: true,
      file: true,
    },
    // The names by which Airtable's and OpenAI's own clients are led elsewhere (airtable.js README; openai-node README, "baseURL").
    AIRTABLE_ENDPOINT_URL: { is: "where Airtable is instead", url: ["http", "https"], optional: true },
    OPENAI_BASE_URL: { is: "where OpenAI is instead", url: ["http", "https"], optional: true },
    SYNC_JOBS_PER_SECOND: {
      is: "jobs a second of one worker; Airtable takes 50, in 5 requests of 10 records (its documentation, Rate limits)",
      number: [1, 100_000],
      default: "100000",
    },
    // L179 to L181
    DATA_BACKEND_PROGRAMS: { is: "where programs are", oneOf: backends, default: "postgres_shadow_read" },
    DATA_BACKEND_HABIT_USAGE: { is: "where the use of habits is", oneOf: backends, default: "airtable_only" },
    DATA_BACKEND_METHOD_USAGE: {
      is: "where the use of methods is",
      oneOf: backends,
      default: "airtable_only",
    },
  },
  database: {
    connection: { url: "DATABASE_URL" },
    migrations: {
      // L234
      folder: "/app/tasks/db/migrations",
      shipped: [
        { name: "001_programs" },
        { name: "002_habit_usage" },
        { name: "003_method_usage" },
        // L241
        { name: "004_add_notifications", since: 2 },
        { name: "005_broken", only: "broken-migration" },
      ],
      // L250 and L288 name the columns `id` and `version`.
      state:
        "SELECT max(substring(version FROM '^[0-9]+')::int) AS version, false AS dirty FROM schema_migrations",
      runner: {
        create:
          "CREATE TABLE IF NOT EXISTS schema_migrations (id serial PRIMARY KEY, version text NOT NULL UNIQUE, applied_at timestamptz NOT NULL DEFAULT now())",
        applied: "SELECT version AS name FROM schema_migrations",
        record: "INSERT INTO schema_migrations (version) VALUES ($1)",
      },
    },
  },
  special: "api.ts",
  packages: ["@redis/client"],
  http: {
    port: 3000,
    health: {
      // L31
      path: "/api/health",
      fields: {
        status: { from: "status", as: { healthy: "ok", degraded: "degraded", unhealthy: "error" } },
        version: { from: "version" },
        database: { from: "database" },
        migrations: { from: "migrations" },
        uptime: { from: "uptime" },
      },
    },
    routes: {
      "GET /": { html: "<!doctype html><title>Mental Fitness App</title>" },
      "POST /api/programs": {
        sql: "INSERT INTO programs (name) SELECT $1::jsonb->>'name' RETURNING id, name",
        status: 201,
      },
    },
  },
  outside: [
    { host: "api.airtable.com", why: "the data that is not in Postgres yet (L174)" },
    { host: "api.openai.com", why: "OPENAI_API_KEY (L302)" },
    { host: "SMTP_SERVER", why: "mail (L303)" },
  ],
  load: [
    { method: "GET", path: "/api/health", expect: [200], weight: 9, version: { field: "version" } },
    { method: "GET", path: "/api/programs", expect: [200], weight: 9 },
    { method: "POST", path: "/api/sync", body: JSON.stringify({ ids: ["load"] }), expect: [202], weight: 1 },
    {
      method: "POST",
      path: "/api/programs",
      body: JSON.stringify({ name: "Load" }),
      expect: [201],
      weight: 2,
    },
  ],
});
