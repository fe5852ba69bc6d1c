import { type InputRules, text } from "../inputs.ts";
import { identifier } from "./connection.ts";
import {
  databaseExists,
  databaseOf,
  dropFromDatabase,
  idInDatabase,
  type PostgresKind,
  schemaExists,
} from "./kind.ts";

const rules: InputRules = {
  name: { kind: "string" },
  database: { kind: "string", computed: true, replaces: true },
  owner: { kind: "string", computed: true },
  ifNotExists: { kind: "boolean", default: true },
  dropCascade: { kind: "boolean", default: false },
  policies: { kind: "anything", refused: 'use a Grant with the object type "schema"' },
};

/** A schema in one database. */
export const schema: PostgresKind = {
  rules,
  named: true,
  deleteBeforeReplace: false,
  failures: () => [],
  id: idInDatabase,

  create: (server, inputs) =>
    server.transaction(
      async (sql) => {
        const [name, owner] = [text(inputs, "name") ?? "", text(inputs, "owner")];
        // The real provider takes over a schema that is there, whatever ifNotExists says.
        const there = await schemaExists(sql, name);
        const statement = there
          ? `ALTER SCHEMA ${identifier(name)} OWNER TO ${identifier(owner ?? "")}`
          : `CREATE SCHEMA ${identifier(name)}${owner === undefined ? "" : ` AUTHORIZATION ${identifier(owner)}`}`;
        if (!there || owner !== undefined) await sql.run(`create schema "${name}"`, statement);
      },
      databaseOf(server, inputs),
    ),

  read: async (server, known) => {
    const name = text(known, "name") ?? "";
    const database = databaseOf(server, known);
    if (!(await databaseExists(server, database))) return undefined;
    const [row] = await server.connected(
      (sql) =>
        sql.run(
          `read schema "${name}"`,
          "SELECT pg_get_userbyid(nspowner) AS owner FROM pg_catalog.pg_namespace WHERE nspname = $1",
          [name],
        ),
      database,
    );
    return row === undefined ? undefined : { ...known, name, database, owner: String(row.owner) };
  },

  update: (server, olds, news) =>
    server.transaction(
      async (sql) => {
        const before = text(olds, "name") ?? "";
        const [name, owner] = [text(news, "name") ?? before, text(news, "owner")];
        const alter = (what: string) => sql.run(`alter schema "${before}"`, `ALTER SCHEMA ${what}`);
        if (name !== before) await alter(`${identifier(before)} RENAME TO ${identifier(name)}`);
        if (owner !== undefined && owner !== olds.owner)
          await alter(`${identifier(name)} OWNER TO ${identifier(owner)}`);
      },
      databaseOf(server, olds),
    ),

  remove: dropFromDatabase("schema"),
};
