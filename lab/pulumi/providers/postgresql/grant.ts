import { type InputRules, text, texts } from "../inputs.ts";
import type { CheckFailure, Properties } from "../provider.ts";
import { identifier, type PostgresServer, type Sql } from "./connection.ts";
import { databaseExists, type PostgresKind, roleExists, schemaExists } from "./kind.ts";
import { catalogueLetters, privilegeFailures, privilegesAsWanted } from "./privileges.ts";

const rules: InputRules = {
  role: { kind: "string", required: true, replaces: true },
  database: { kind: "string", required: true, replaces: true },
  schema: { kind: "string", replaces: true },
  objectType: {
    kind: "string",
    required: true,
    replaces: true,
    allowed: ["database", "schema", "table", "sequence", "function", "procedure", "routine"],
  },
  objects: { kind: "strings", replaces: true, unordered: true },
  columns: { kind: "strings", refused: "grants on columns are not used by the program" },
  privileges: { kind: "strings", required: true, unordered: true },
  withGrantOption: { kind: "boolean", replaces: true, default: false },
};

/** Privileges of one role on a database, a schema, or objects in a schema (all of a type when none is named). */
export const grant: PostgresKind = {
  rules,
  named: false,
  // A grant and its replacement concern the same privileges: deleting the old one last would revoke them.
  deleteBeforeReplace: true,
  failures: grantFailures,

  id: (_server, inputs) => {
    const type = text(inputs, "objectType") ?? "";
    return [
      text(inputs, "role"),
      text(inputs, "database"),
      ...(type === "database" ? [] : [text(inputs, "schema") ?? ""]),
      type,
      ...[...texts(inputs, "objects")].sort(),
    ].join("_");
  },

  create: (server, inputs) => regrant(server, inputs, inputs),
  update: (server, olds, news) => regrant(server, olds, news),

  read: async (server, known) => {
    const database = text(known, "database") ?? "";
    if (!(await databaseExists(server, database))) return undefined;
    return server.connected(async (sql) => {
      if (!(await roleExists(sql, text(known, "role") ?? ""))) return undefined;
      const schema = text(known, "schema");
      if (schema !== undefined && !(await schemaExists(sql, schema))) return undefined;
      for (const granted of await grantedPrivileges(sql, known)) {
        const privileges = privilegesAsWanted(known, granted);
        // The first object that differs represents all: the next update grants everything again.
        if (privileges.join() !== texts(known, "privileges").join()) return { ...known, privileges };
      }
      return known;
    }, database);
  },

  remove: (server, known) => server.transaction((sql) => revoke(sql, known), text(known, "database") ?? ""),
};

/** In one transaction, so that the role keeps its other privileges all the time. */
function regrant(server: PostgresServer, olds: Properties, news: Properties): Promise<void> {
  return server.transaction(async (sql) => {
    await revoke(sql, olds);
    const privileges = texts(news, "privileges");
    if (privileges.length === 0) return;
    const option = news.withGrantOption === true ? " WITH GRANT OPTION" : "";
    const statement = `GRANT ${privileges.join(", ")} ON ${target(news)} TO ${grantee(news)}${option}`;
    await sql.run(`grant ${privileges.join(", ")} to ${grantee(news)}`, statement);
  }, text(news, "database") ?? "");
}

async function revoke(sql: Sql, properties: Properties): Promise<void> {
  const named = texts(properties, "objects").length > 0;
  const privileges = texts(properties, "privileges");
  // On named objects only the granted privileges, because REVOKE ALL would also revoke grants on columns.
  const what = named && privileges.length > 0 ? privileges.join(", ") : "ALL PRIVILEGES";
  const statement = `REVOKE ${what} ON ${target(properties)} FROM ${grantee(properties)}`;
  await sql.run(`revoke privileges of ${grantee(properties)}`, statement);
}

function grantee(properties: Properties): string {
  return identifier(text(properties, "role") ?? "");
}

function target(properties: Properties): string {
  const type = text(properties, "objectType") ?? "";
  const schema = identifier(text(properties, "schema") ?? "");
  if (type === "database") return `DATABASE ${identifier(text(properties, "database") ?? "")}`;
  if (type === "schema") return `SCHEMA ${schema}`;
  const objects = texts(properties, "objects");
  const keyword = type.toUpperCase();
  if (objects.length === 0) return `ALL ${keyword}S IN SCHEMA ${schema}`;
  return `${keyword} ${objects.map((object) => `${schema}.${quoteObject(object)}`).join(", ")}`;
}

/** A function may have argument types, `f(text, integer)`, which are not quoted. */
function quoteObject(object: string): string {
  const [, name = object, types = ""] = /^([^(]+)(\([\w\s,.[\]]*\))$/.exec(object) ?? [];
  return `${identifier(name)}${types}`;
}

/** The role's privileges on each object of the grant. */
async function grantedPrivileges(sql: Sql, known: Properties): Promise<readonly (readonly string[])[]> {
  const role = text(known, "role") ?? "";
  const type = text(known, "objectType") ?? "";
  const schema = text(known, "schema") ?? "";
  const attempt = `read the privileges of role "${role}"`;
  const acl = `LATERAL (SELECT COALESCE(array_agg(privilege_type::text), '{}') AS privileges FROM aclexplode(%acl%)
    WHERE grantee = CASE WHEN $1 = 'public' THEN 0 ELSE (SELECT oid FROM pg_roles WHERE rolname = $1) END) granted`;
  const query = (from: string, column: string, name: string, where: string) =>
    `SELECT ${name} AS name, granted.privileges FROM ${from}, ${acl.replace("%acl%", column)} WHERE ${where}`;
  const rows =
    type === "database"
      ? await sql.run(attempt, query("pg_database d", "d.datacl", "datname", "datname = $2"), [
          role,
          text(known, "database"),
        ])
      : type === "schema"
        ? await sql.run(attempt, query("pg_namespace n", "n.nspacl", "nspname", "nspname = $2"), [
            role,
            schema,
          ])
        : type === "table" || type === "sequence"
          ? await sql.run(
              attempt,
              query(
                "pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace",
                "c.relacl",
                "relname",
                "nspname = $2 AND relkind = $3",
              ),
              [role, schema, catalogueLetters[type]],
            )
          : await sql.run(
              attempt,
              query(
                "pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace",
                "p.proacl",
                "proname",
                "nspname = $2",
              ),
              [role, schema],
            );
  const objects = texts(known, "objects").map((object) => object.replace(/\(.*$/, ""));
  const meant = rows.filter((row) => objects.length === 0 || objects.includes(String(row.name)));
  return meant.map((row) => row.privileges as string[]);
}

function grantFailures(inputs: Properties): CheckFailure[] {
  const failures = privilegeFailures(inputs);
  const type = inputs.objectType;
  if (typeof type !== "string") return failures;
  if (type !== "database" && inputs.schema === undefined) {
    failures.push({ property: "schema", reason: `is required for the object type "${type}"` });
  }
  if ((type === "database" || type === "schema") && texts(inputs, "objects").length > 0) {
    failures.push({ property: "objects", reason: `must not be set for the object type "${type}"` });
  }
  return failures;
}
