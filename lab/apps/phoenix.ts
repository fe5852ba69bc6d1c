import type { ShippedMigration, StandIn } from "./application.ts";

/** What every Phoenix app reads (config/runtime.exs as `mix phx.new` writes it). */
export const phoenixVariables = {
  DATABASE_URL: {
    is: "ecto://USER:PASS@HOST/DATABASE",
    url: ["ecto", "postgresql", "postgres"],
    secret: true,
  },
  // 64: what Phoenix asks of it (Plug.Session.COOKIE, "validate_secret_key_base").
  SECRET_KEY_BASE: { is: "key of the cookies; mix phx.gen.secret", leastCharacters: 64, secret: true },
  PHX_HOST: { is: "host name of the app" },
  PHX_SERVER: { is: "without it nothing listens", oneOf: ["true", "1"] },
} as const satisfies StandIn["variables"];

/** The program that `mix release` makes: `/app/bin/sertantai_auth`. */
export const phoenixProgram = (release: string) => `/app/bin/${release}`;

/**
 * A release's program, which starts the server and evaluates `migrate()` of its release module, and its database by Ecto.
 * @param shipped names as in the release's priv/repo/migrations
 */
export function phoenixRelease(
  release: string,
  shipped: readonly ShippedMigration[],
): Pick<StandIn, "files" | "database"> {
  return {
    files: {
      "/app/lib/migrate": { runs: "migrations" },
      "/app/lib/start": { runs: "server" },
      [phoenixProgram(release)]: {
        text: '#!/bin/sh\ncase $1 in\n  start) exec /app/lib/start ;;\n  eval) exec /app/lib/migrate ;;\n  *) echo "unknown command: $1" >&2 && exit 1 ;;\nesac\n',
        executable: true,
      },
    },
    database: {
      connection: { url: "DATABASE_URL" },
      // Ecto's `ssl=true`, with no authority.
      tls: "unverified",
      migrations: {
        folder: `/app/lib/${release}/priv/repo/migrations`,
        shipped,
        // Ecto's record (ecto_sql, lib/ecto/migration/schema_migration.ex).
        state: "SELECT max(version) AS version, false AS dirty FROM schema_migrations",
        runner: {
          create:
            "CREATE TABLE IF NOT EXISTS schema_migrations (version bigint PRIMARY KEY, inserted_at timestamp(0))",
          applied: "SELECT version::text AS name FROM schema_migrations",
          record: "INSERT INTO schema_migrations SELECT split_part($1, '_', 1)::bigint, now()",
        },
      },
    },
  };
}
