import { standIn } from "../application.ts";

/**
 * connected-repo's backend on Node. Source: the seed `connected-repo.md`, whose lines are named below, and where it is silent
 * github.com/shipmyapp/connected-repo at f8354b8 (its files below `apps/backend/` are named). The seed wins where they differ: the
 * source has other variables today (src/configs/env.config.ts: GOOGLE_WEB_CLIENT_ID, DB_SCHEMA, S3_*, BETTER_AUTH_SECRET) and more
 * fields at `/` and `/health` (src/request_handlers/main.handler.ts). `/api/prompts` is the stand-in's, on a table of the first migration,
 * and so is GOOGLE_TOKEN_URL, which leads a rehearsal to a Google of its own.
 *
 * TLS to the database follows PGSSLMODE, as node-postgres does by itself; the source says `ssl: false` (src/db/config.db.ts), which
 * a server that takes TLS alone refuses.
 */
export const declaration = standIn({
  standsInFor: "connected-repo's backend",
  // Dockerfile: WORKDIR, USER, ENTRYPOINT, CMD.
  workingDirectory: "/app/apps/backend",
  user: "1001:1001",
  entrypoint: ["docker-entrypoint.sh"],
  command: ["node", "dist/server.js"],
  files: {
    // scripts/docker-entrypoint.sh: the migrations at each start (L129), then the server.
    "/usr/local/bin/docker-entrypoint.sh": {
      text: '#!/bin/sh\nset -e\necho "Running database migrations..."\nnode dist/db/db_script.js up\necho "Starting server..."\nexec "$@"\n',
      executable: true,
    },
    "/app/apps/backend/dist/db/db_script.js": { runs: "migrations" },
    "/app/apps/backend/dist/server.js": { runs: "server" },
  },
  // L78 to L99
  variables: {
    NODE_ENV: { is: "environment", oneOf: ["development", "staging", "production", "test"] },
    DB_HOST: { is: "host of the database" },
    DB_PORT: { is: "port of the database", number: [1, 65_535] },
    DB_USER: { is: "user of the database" },
    DB_PASSWORD: { is: "password of that user", secret: true },
    DB_NAME: { is: "name of the database" },
    SESSION_SECRET: {
      is: "key of the sessions; openssl rand -base64 32",
      leastCharacters: 32,
      secret: true,
    },
    // src/configs/env.config.ts
    GOOGLE_CLIENT_ID: {
      is: "OAuth client id of Google",
      pattern: { text: ".+\\.apps\\.googleusercontent\\.com", says: "a client id of Google" },
    },
    GOOGLE_CLIENT_SECRET: { is: "OAuth client secret of Google", secret: true },
    // src/configs/allowed_origins.config.ts: split at commas and nothing else.
    ALLOWED_ORIGINS: { is: "origins of the frontends, separated by commas" },
    WEBAPP_URL: { is: "https://app.example.com", url: ["http", "https"] },
    VITE_API_URL: { is: "https://api.example.com", url: ["http", "https"] },
    GOOGLE_TOKEN_URL: {
      is: "where an authorization code is exchanged",
      url: ["http", "https"],
      default: "https://oauth2.googleapis.com/token",
    },
  },
  database: {
    connection: {
      host: "DB_HOST",
      port: "DB_PORT",
      user: "DB_USER",
      password: "DB_PASSWORD",
      name: "DB_NAME",
    },
    migrations: {
      folder: "/app/apps/backend/dist/db/migrations",
      shipped: [
        { name: "0001_initial_schema" },
        { name: "0002_push_devices", since: 2 },
        { name: "0003_broken", only: "broken-migration" },
      ],
      // Orchid ORM's record (rake-db: src/migration/manage-migrated-versions.ts); L292 names the table.
      state: 'SELECT max(version::int) AS version, false AS dirty FROM "schemaMigrations"',
      runner: {
        create: 'CREATE TABLE IF NOT EXISTS "schemaMigrations" (version text NOT NULL, name text NOT NULL)',
        applied: `SELECT version || '_' || name AS name FROM "schemaMigrations"`,
        record: `INSERT INTO "schemaMigrations" SELECT split_part($1, '_', 1), regexp_replace($1, '^[0-9]+_', '')`,
        // src/db/db_script.ts: `transaction: "per-migration"`. Orchid ORM then reads what is applied before its lock, which ends with
        // the statement that takes it (rake-db: src/commands/migrateOrRollback.ts, `pg_advisory_xact_lock` outside a transaction).
        unlocked: true,
        // src/db/config.db.ts imports src/configs/env.config.ts.
        checksAllVariables: true,
      },
    },
  },
  http: {
    port: 3000,
    health: {
      // L211 to L217: of the process alone, whatever the database does.
      path: "/health",
      fields: {
        status: { from: "status", as: { healthy: "ok", degraded: "degraded", unhealthy: "error" } },
        timestamp: { from: "time" },
      },
      considers: [],
    },
    routes: {
      // L225
      "GET /": { json: { message: "Backend is live." } },
      "GET /api/prompts": { sql: "SELECT id, text FROM prompts ORDER BY id LIMIT 20" },
    },
    // src/utils/cors.utils.ts, and src/request_handlers/user_app.handler.ts with the same origins.
    cors: {
      under: "/api/",
      origins: "ALLOWED_ORIGINS",
      methods: ["GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"],
      headers: ["Content-Type", "Authorization", "x-csrf-token", "x-requested-with", "traceparent"],
      exposed: ["x-trace-id", "traceparent"],
    },
    // src/utils/graceful_shutdown.utils.ts: no drain.
    refusesAtOnce: true,
    limits: [
      {
        // L415: 200 a minute of one client, counted by each replica for itself (L332); L399 is its message.
        routes: ["GET /api/prompts"],
        perMinute: 200,
        retryAfterSeconds: 60,
        json: { error: "Rate limit exceeded. Please try again later." },
      },
    ],
    // L383
    startedMessage: "Server running",
  },
  // L91
  special: "sign-in.ts",
  outside: [{ host: "oauth2.googleapis.com", why: "sign-in with Google (L91)" }],
  load: [
    { method: "GET", path: "/health", expect: [200], weight: 9, version: { header: "x-stand-in-version" } },
    { method: "GET", path: "/api/auth/get-session", expect: [200], weight: 9 },
    {
      method: "POST",
      path: "/api/auth/sign-in/social",
      body: JSON.stringify({ provider: "google" }),
      expect: [200],
      weight: 2,
    },
  ],
});
