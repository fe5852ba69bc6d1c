import { standIn } from "../application.ts";

const release = "/app/bin/sertantai_auth";

/**
 * sertantai-auth, a Phoenix app whose own source is not public. Source: the seed `sertantai-legal.md` ("Key ports": 4001), and what its
 * neighbour asks of it, github.com/shotleybuilder/sertantai-legal at b7e02d9: backend/lib/sertantai_legal/auth/jwks_client.ex and
 * backend/lib/sertantai_legal_web/controllers/electric_proxy_controller.ex (`/api/gatekeeper`). Release, health and record of migrations are
 * taken as its neighbours have them; its tables are the stand-in's.
 */
export const declaration = standIn({
  standsInFor: "sertantai-auth",
  workingDirectory: "/app",
  user: "1000:1000",
  entrypoint: [release, "start"],
  files: {
    "/app/lib/migrate": { runs: "migrations" },
    "/app/lib/start": { runs: "server" },
    [release]: {
      text: '#!/bin/sh\ncase $1 in\n  start) exec /app/lib/start ;;\n  eval) exec /app/lib/migrate ;;\n  *) echo "unknown command: $1" >&2 && exit 1 ;;\nesac\n',
      executable: true,
    },
  },
  variables: {
    DATABASE_URL: {
      is: "ecto://USER:PASS@HOST/DATABASE",
      url: ["ecto", "postgresql", "postgres"],
      secret: true,
    },
    SECRET_KEY_BASE: { is: "key of the cookies; mix phx.gen.secret", leastCharacters: 64, secret: true },
    PHX_HOST: { is: "host name of the app" },
    PHX_SERVER: { is: "without it nothing listens", oneOf: ["true", "1"] },
  },
  database: {
    connection: { url: "DATABASE_URL" },
    tls: "unverified",
    migrations: {
      folder: "/app/lib/sertantai_auth/priv/repo/migrations",
      shipped: [
        { name: "20251101120000_add_users" },
        { name: "20260301120000_add_organizations", since: 2 },
        { name: "20260401000000_broken", only: "broken-migration" },
      ],
      state: "SELECT max(version) AS version, false AS dirty FROM schema_migrations",
      runner: {
        create:
          "CREATE TABLE IF NOT EXISTS schema_migrations (version bigint PRIMARY KEY, inserted_at timestamp(0))",
        applied: "SELECT version::text AS name FROM schema_migrations",
        record: "INSERT INTO schema_migrations SELECT split_part($1, '_', 1)::bigint, now()",
      },
    },
  },
  http: {
    port: 4001,
    health: {
      path: "/health",
      fields: {
        status: { from: "status", as: { healthy: "ok", degraded: "ok", unhealthy: "error" } },
        service: "sertantai-auth",
        timestamp: { from: "time" },
      },
      considers: [],
    },
    routes: {
      "GET /.well-known/jwks.json": {
        json: { keys: [{ kty: "OKP", crv: "Ed25519", alg: "EdDSA", use: "sig", kid: "stand-in", x: "" }] },
      },
      // Nobody has a token of it.
      "POST /api/gatekeeper": { status: 401, json: { error: "Authentication required" } },
    },
  },
  load: [{ method: "GET", path: "/health", expect: [200], weight: 1 }],
});
