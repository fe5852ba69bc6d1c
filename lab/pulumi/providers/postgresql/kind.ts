import { type InputRules, text } from "../inputs.ts";
import type { CheckFailure, Properties, PropertyValue } from "../provider.ts";
import type { PostgresServer, Sql } from "./connection.ts";

/** One resource type of the provider. Its functions get properties with defaults filled in. */
export interface PostgresKind {
  readonly rules: InputRules;
  /** Whether a resource without a name gets one. */
  readonly named: boolean;
  readonly deleteBeforeReplace: boolean;
  /** Problems of inputs that are valid one by one; unknown inputs pass. */
  failures(inputs: Properties): readonly CheckFailure[];
  id(server: PostgresServer, inputs: Properties): string;
  create(server: PostgresServer, inputs: Properties): Promise<void>;
  /** The outputs, as the server reports them; what it does not report is taken from `known`. Undefined when the object does not exist. */
  read(server: PostgresServer, known: Properties): Promise<Properties | undefined>;
  update(server: PostgresServer, olds: Properties, news: Properties): Promise<void>;
  /** Only called for an object that `read` finds. */
  remove(server: PostgresServer, known: Properties): Promise<void>;
}

/** The database of a resource: the one it names, otherwise the provider's. */
export function databaseOf(server: PostgresServer, properties: Properties): string {
  return text(properties, "database") ?? server.settings.database;
}

/** The id of a named object in a database. */
export function idInDatabase(server: PostgresServer, inputs: Properties): string {
  return `${databaseOf(server, inputs)}.${text(inputs, "name") ?? ""}`;
}

/** Whether the query returns a row. */
async function exists(sql: Sql, what: string, query: string, name: string): Promise<boolean> {
  return (await sql.run(`look for ${what} "${name}"`, query, [name])).length > 0;
}

/** Whether the server has the database. */
export function databaseExists(server: PostgresServer, name: string): Promise<boolean> {
  return server.connected((sql) =>
    exists(sql, "database", "SELECT FROM pg_catalog.pg_database WHERE datname = $1", name),
  );
}

/** Whether the server has the role; `public` always exists. */
export async function roleExists(sql: Sql, name: string): Promise<boolean> {
  if (name === "public") return true;
  return exists(sql, "role", "SELECT FROM pg_catalog.pg_roles WHERE rolname = $1", name);
}

/** Whether the database of the connection has the schema. */
export function schemaExists(sql: Sql, name: string): Promise<boolean> {
  return exists(sql, "schema", "SELECT FROM pg_catalog.pg_namespace WHERE nspname = $1", name);
}

/** The order of the inputs if both lists have the same items, so that another order is not a change. */
export function keepOrder(wanted: PropertyValue | undefined, actual: readonly string[]): readonly string[] {
  const same =
    Array.isArray(wanted) && JSON.stringify([...wanted].sort()) === JSON.stringify([...actual].sort());
  return same ? wanted.map(String) : [...actual].sort();
}
