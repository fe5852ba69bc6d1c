import { standIn } from "../application.ts";

/**
 * ElectricSQL. Source: github.com/electric-sql/electric at dc07a1e, below `packages/sync-service/`: Dockerfile (paths, command, curl),
 * config/runtime.exs (variables), lib/electric/plug (router.ex: the secret; health_check_plug.ex; serve_shape_plug.ex),
 * lib/electric/shapes/api and lib/electric/log_items.ex (answers and their headers), lib/electric/postgres/replication_client (lock,
 * publication, replication slot). It streams from PostgreSQL by pgoutput as the real one does, and keeps shapes in files.
 *
 * Left out: server-sent events, subsets, compaction, chunks (a snapshot is one answer), tables without a primary key.
 */
export const declaration = standIn({
  standsInFor: "ElectricSQL",
  // As it is on Docker Hub.
  published: "docker.io/electricsql/electric",
  workingDirectory: "/app",
  user: "65534:65534",
  entrypoint: ["/app/bin/entrypoint"],
  command: ["start"],
  files: { "/app/bin/entrypoint": { runs: "server" } },
  variables: {
    DATABASE_URL: {
      is: "postgresql://user:password@host:5432/database",
      url: ["postgresql", "postgres"],
      secret: true,
    },
    ELECTRIC_DATABASE_CA_CERTIFICATE_FILE: { is: "file of the authority of the server's certificate" },
    // lib/electric/config.ex, validate_security_config!: without it ELECTRIC_INSECURE is needed.
    ELECTRIC_SECRET: { is: "what requests for shapes have to say", secret: true },
    ELECTRIC_REPLICATION_STREAM_ID: {
      is: "of the replication slot and the publication",
      default: "default",
      pattern: { text: "[a-z_][a-z0-9_]*", says: "an identifier" },
    },
    ELECTRIC_STORAGE_DIR: { is: "folder of the shapes", default: "/app/persistent" },
    ELECTRIC_LONG_POLL_TIMEOUT: { is: "milliseconds", default: "20000", number: [1, 600_000] },
  },
  database: {
    connection: { url: "DATABASE_URL" },
    tls: { authorityFile: "ELECTRIC_DATABASE_CA_CERTIFICATE_FILE" },
  },
  special: "api.ts",
  packages: ["pg-logical-replication"],
  http: {
    port: 3000,
    portVariable: "ELECTRIC_PORT",
    // Its answer is in api.ts: 202 until it streams.
    health: { path: "/v1/health", fields: {} },
    routes: { "GET /": { html: "" } },
    startedMessage: "Running Electric",
  },
  load: [{ method: "GET", path: "/v1/health", expect: [200], weight: 1 }],
});
