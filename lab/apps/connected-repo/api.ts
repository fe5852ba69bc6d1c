import { standIn } from "../application.ts";

/**
 * connected-repo's backend, Fastify on Node. Source: the seed `connected-repo.md`, whose lines are named below; paths, user and
 * entrypoint by github.com/shipmyapp/connected-repo (apps/backend/Dockerfile, scripts/docker-entrypoint.sh). Its newer source asks
 * for more variables (src/configs/env.config.ts: DB_SCHEMA, S3_*, BETTER_AUTH_SECRET); the seed wins. `/api/prompts` is the
 * stand-in's, on a table of the app's first migration.
 *
 * The migrations run at each start (L129), before the server; a release that has applied them leaves nothing to do.
 */
export const declaration = standIn({
  standsInFor: "connected-repo's backend",
  workingDirectory: "/app/apps/backend",
  user: "1001:1001",
  entrypoint: ["docker-entrypoint.sh"],
  command: ["node", "dist/server.js"],
  files: {
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
    GOOGLE_CLIENT_ID: { is: "OAuth client id of Google" },
    GOOGLE_CLIENT_SECRET: { is: "OAuth client secret of Google", secret: true },
    ALLOWED_ORIGINS: { is: "origins of the frontends, separated by commas" },
    WEBAPP_URL: { is: "https://app.example.com", url: ["http", "https"] },
    VITE_API_URL: { is: "https://api.example.com", url: ["http", "https"] },
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
  outside: [{ host: "oauth2.googleapis.com", why: "sign-in with Google (L91)" }],
  load: [
    { method: "GET", path: "/health", expect: [200], version: { header: "x-stand-in-version" } },
    { method: "GET", path: "/", expect: [200] },
  ],
});
