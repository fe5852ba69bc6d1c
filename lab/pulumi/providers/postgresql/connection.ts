import { createRequire } from "node:module";
import type * as Pg from "pg";
import { text } from "../inputs.ts";
import { configValue } from "../property-values.ts";
import type { Properties } from "../provider.ts";

const require = createRequire(import.meta.url);
/** Loaded when it is used: an `up` without changes connects to no server. */
const pg = (): typeof Pg => require("pg");

/** The settings of one `postgresql.Provider`. */
interface ServerSettings {
  /** Name, address, or the directory of a Unix socket. */
  readonly host: string;
  readonly port: number;
  readonly username: string;
  readonly password: string | undefined;
  /** The database for objects that belong to no database, such as roles. */
  readonly database: string;
  readonly sslmode: string;
  /** How long to wait for a connection, in seconds. */
  readonly connectTimeoutSeconds: number;
}

/** How the server is reached; `prefer` and `allow` do not exist in the real provider either. */
const sslModes = ["disable", "require", "verify-ca", "verify-full"];
/** Settings of the real provider for other clouds, and for client certificates. */
const refusedSettings = [
  "awsRdsIamAuth",
  "awsRdsIamProfile",
  "awsRdsIamProviderRoleArn",
  "awsRdsIamRegion",
  "azureIdentityAuth",
  "azureTenantId",
  "clientcert",
  "gcpIamImpersonateServiceAccount",
  "sslrootcert",
];

/**
 * Reads the settings with the real provider's defaults: port 5432, user and database `postgres`, `sslmode` `require`,
 * 180 s for a connection. Unknown values (in a preview) are left out, because nothing connects then. Throws for unsupported settings.
 */
export function serverSettings(inputs: Properties): ServerSettings {
  const given = (key: string) => configValue(inputs, key);
  for (const key of refusedSettings) {
    if (given(key) !== undefined) throw new Error(`postgresql provider: ${key} is not supported by the lab`);
  }
  const scheme = given("scheme") ?? "postgres";
  if (scheme !== "postgres")
    throw new Error(`postgresql provider: scheme ${String(scheme)} is not supported by the lab`);
  const sslmode = text(inputs, "sslmode") ?? text(inputs, "sslMode") ?? "require";
  if (!sslModes.includes(sslmode)) {
    throw new Error(`postgresql provider: sslmode must be one of ${sslModes.join(", ")}, not "${sslmode}"`);
  }
  return {
    host: text(inputs, "host") ?? process.env.PGHOST ?? "localhost",
    port: number(given("port"), 5432),
    username: text(inputs, "username") ?? "postgres",
    password: text(inputs, "password"),
    database: text(inputs, "database") ?? "postgres",
    sslmode,
    connectTimeoutSeconds: number(given("connectTimeout"), 180),
  };
}

/** Runs statements; errors contain the attempted operation and PostgreSQL's message, never the statement. */
export interface Sql {
  run(
    attempt: string,
    statement: string,
    values?: readonly unknown[],
  ): Promise<readonly Record<string, unknown>[]>;
}

/** Quotes a name for use in a statement. */
export const identifier = (name: string): string => pg().escapeIdentifier(name);
/** Quotes a text for use in a statement that takes no parameters. */
export const literal = (value: string): string => pg().escapeLiteral(value);

/**
 * A server, for one operation. Connections are opened when needed and closed at once, so that none delays a server that
 * stops. Everything fails after `timeoutSeconds`.
 */
export class PostgresServer {
  readonly settings: ServerSettings;
  readonly #deadline: number;
  readonly #timeoutSeconds: number;

  constructor(settings: ServerSettings, timeoutSeconds: number) {
    this.settings = settings;
    this.#timeoutSeconds = timeoutSeconds;
    this.#deadline = Date.now() + timeoutSeconds * 1000;
  }

  /**
   * Runs `work` in a transaction of `database` (default: the provider's own), with a lock that excludes other changes
   * by this provider: PostgreSQL refuses concurrent grants on one object ("tuple concurrently updated").
   */
  transaction<T>(work: (sql: Sql) => Promise<T>, database = this.settings.database): Promise<T> {
    return this.connected(async (sql) => {
      await sql.run("begin a transaction", "BEGIN");
      await sql.run(
        "wait for the changes before this one",
        "SELECT pg_advisory_xact_lock(hashtext('postgresql provider'))",
      );
      // After an error the connection is closed, which rolls the transaction back.
      const result = await work(sql);
      await sql.run("commit", "COMMIT");
      return result;
    }, database);
  }

  /** Runs `work` on a connection of its own, outside of any transaction. */
  async connected<T>(work: (sql: Sql) => Promise<T>, database = this.settings.database): Promise<T> {
    const client = await this.#connect(database);
    try {
      return await work({
        run: async (attempt, statement, values) => {
          try {
            return (await client.query(statement, values === undefined ? undefined : [...values])).rows;
          } catch (error) {
            throw this.#failure(database, `could not ${attempt}`, error);
          }
        },
      });
    } finally {
      await client.end().catch(() => {});
    }
  }

  async #connect(database: string): Promise<Pg.Client> {
    const { host, port, username, password, sslmode, connectTimeoutSeconds } = this.settings;
    const leftMilliseconds = Math.max(1, this.#deadline - Date.now());
    // For the real provider 0 means no limit; here the operation's deadline applies.
    const connectMilliseconds = Math.min(
      connectTimeoutSeconds > 0 ? connectTimeoutSeconds * 1000 : leftMilliseconds,
      leftMilliseconds,
    );
    const client = new (pg().Client)({
      host,
      port,
      user: username,
      database,
      ...(password === undefined ? {} : { password }),
      ssl: sslmode === "disable" ? false : { rejectUnauthorized: sslmode.startsWith("verify") },
      connectionTimeoutMillis: connectMilliseconds,
      statement_timeout: leftMilliseconds,
      // The server's error is preferred; a broken connection has none.
      query_timeout: leftMilliseconds + 1000,
      application_name: "postgresql provider",
    });
    // Without a listener a broken connection would end the engine's process.
    client.on("error", () => {});
    try {
      await client.connect();
    } catch (error) {
      await client.end().catch(() => {});
      const late = error instanceof Error && /^timeout expired$/.test(error.message);
      throw this.#failure(
        database,
        late ? `no connection within ${Math.round(connectMilliseconds / 1000)} s` : "could not connect",
        late ? undefined : error,
      );
    }
    return client;
  }

  #failure(database: string, what: string, error: unknown): Error {
    const where = `PostgreSQL at ${this.settings.host}:${this.settings.port}, database "${database}"`;
    const timedOut = error instanceof pg().DatabaseError && error.code === "57014";
    const reason = timedOut ? `not done within ${this.#timeoutSeconds} s` : reasonOf(error);
    return new Error([where, what, reason].filter((part) => part !== "").join(": "));
  }
}

function number(value: unknown, fallback: number): number {
  return typeof value === "number" ? value : fallback;
}

/** The server's message with its detail and hint, or the network's. */
function reasonOf(error: unknown): string {
  if (error instanceof pg().DatabaseError) {
    return [error.message, error.detail, error.hint].filter((part) => part).join("; ");
  }
  // Node tries all addresses of a name; the error that summarizes them has no message.
  if (error instanceof AggregateError) return error.errors.map(reasonOf).join("; ");
  return error instanceof Error ? error.message : "";
}
