import { standIn } from "../application.ts";

/**
 * GadgetBot, TanStack Start on Node. Source: the seed `gadgetbot-zitadel.md`, whose lines are named below, and where it is silent
 * github.com/mvellandi/gadgetbot at fd9b847 (Dockerfile, src/env.ts, src/auth/server.ts, src/db). What its oRPC routes answer is left out;
 * the pages are the stand-in's.
 */
export const declaration = standIn({
  standsInFor: "GadgetBot",
  // Dockerfile: WORKDIR, USER, ENTRYPOINT, CMD.
  workingDirectory: "/app",
  user: "1001:1001",
  entrypoint: ["dumb-init", "--"],
  command: ["node", ".output/server/index.mjs"],
  files: {
    // Process 1 in the real image; Docker's init is that here.
    "/usr/local/bin/dumb-init": { text: '#!/bin/sh\n[ "$1" != -- ] || shift\nexec "$@"\n', executable: true },
    "/app/.output/server/index.mjs": { runs: "server" },
    "/app/src/db/migrate.mjs": { runs: "migrations" },
    "/app/src/db/seed.mjs": { runs: "seed.ts" },
    // L408, L426: the scripts of package.json that the image can run.
    "/usr/local/bin/npm": {
      text: '#!/bin/sh\ncase "$*" in\n"run db:migrate") exec node /app/src/db/migrate.mjs ;;\n"run db:seed") exec node /app/src/db/seed.mjs ;;\nesac\necho "npm error Missing script: $*" >&2\nexit 1\n',
      executable: true,
    },
  },
  // L231 to L254, src/env.ts
  variables: {
    DATABASE_URL: {
      is: "postgresql://user:password@host:5432/gadgetbot",
      url: ["postgresql"],
      secret: true,
    },
    DATABASE_POOL_MIN: { is: "connections that are kept", number: [0, 1000], default: "2" },
    DATABASE_POOL_MAX: { is: "connections at most", number: [1, 1000], default: "10" },
    APP_URL: { is: "https://gadgetbot.example.org", url: ["http", "https"] },
    BETTER_AUTH_URL: { is: "https://gadgetbot.example.org", url: ["http", "https"] },
    BETTER_AUTH_SECRET: {
      is: "key of the sessions; openssl rand -base64 32",
      leastCharacters: 32,
      secret: true,
    },
    ZITADEL_ISSUER_URL: { is: "https://auth.example.org", url: ["http", "https"], optional: true },
    ZITADEL_CLIENT_ID: {
      is: "client id of the application at Zitadel",
      pattern: { text: "\\d+", says: "digits alone" },
      optional: true,
    },
  },
  database: {
    connection: { url: "DATABASE_URL" },
    migrations: {
      folder: "/app/src/db/migrations",
      shipped: [
        { name: "0000_gadgetbots" },
        { name: "0001_auth" },
        { name: "0002_rentals", since: 2 },
        { name: "0003_broken", only: "broken-migration" },
      ],
      // drizzle-orm (src/pg-core/dialect.ts): its record is a table of its own schema, and it takes no lock.
      state: "SELECT count(*) - 1 AS version, false AS dirty FROM drizzle.__drizzle_migrations",
      runner: {
        create:
          "CREATE SCHEMA IF NOT EXISTS drizzle; CREATE TABLE IF NOT EXISTS drizzle.__drizzle_migrations (id serial PRIMARY KEY, hash text NOT NULL, created_at bigint)",
        applied: "SELECT hash AS name FROM drizzle.__drizzle_migrations",
        record:
          "INSERT INTO drizzle.__drizzle_migrations (hash, created_at) VALUES ($1, (extract(epoch FROM now()) * 1000)::bigint)",
        unlocked: true,
      },
    },
  },
  special: "sign-in.ts",
  http: {
    // L221
    port: 3000,
    health: {
      // L292: any answer below 400 is healthy, whatever the database does.
      path: "/",
      fields: { service: "GadgetBot" },
      considers: [],
    },
    routes: {
      "GET /login": { html: "<!doctype html><title>Sign In</title>" },
      "GET /api/gadgetbots": { sql: "SELECT name, type, status FROM gadgetbots ORDER BY name LIMIT 20" },
    },
  },
  load: [
    { method: "GET", path: "/", expect: [200], weight: 8, version: { header: "x-stand-in-version" } },
    { method: "GET", path: "/api/gadgetbots", expect: [200], weight: 8 },
    { method: "GET", path: "/api/auth/get-session", expect: [200], weight: 4 },
    {
      method: "POST",
      path: "/api/auth/sign-in/social",
      body: JSON.stringify({ provider: "zitadel" }),
      expect: [200],
      weight: 2,
    },
  ],
});
