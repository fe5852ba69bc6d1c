import { type InputRules, text } from "../inputs.ts";
import { identifier } from "./connection.ts";
import { databaseExists, databaseOf, idInDatabase, type PostgresKind } from "./kind.ts";

const rules: InputRules = {
  name: { kind: "string", replaces: true },
  database: { kind: "string", computed: true, replaces: true },
  schema: { kind: "string", computed: true },
  version: { kind: "string", computed: true },
  createCascade: { kind: "boolean", default: false },
  dropCascade: { kind: "boolean", default: false },
};

/** An extension in one database. An existing extension is adopted. */
export const extension: PostgresKind = {
  rules,
  named: true,
  deleteBeforeReplace: false,
  failures: () => [],
  id: idInDatabase,

  create: (server, inputs) =>
    server.transaction(
      async (sql) => {
        const name = text(inputs, "name") ?? "";
        const [schema, version] = [text(inputs, "schema"), text(inputs, "version")];
        const clauses = [
          ...(schema === undefined ? [] : [`SCHEMA ${identifier(schema)}`]),
          ...(version === undefined ? [] : [`VERSION ${identifier(version)}`]),
          ...(inputs.createCascade === true ? ["CASCADE"] : []),
        ];
        const statement = `CREATE EXTENSION IF NOT EXISTS ${identifier(name)} ${clauses.join(" ")}`;
        await sql.run(`create extension "${name}"`, statement);
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
          `read extension "${name}"`,
          `SELECT n.nspname, e.extversion FROM pg_catalog.pg_extension e
             JOIN pg_catalog.pg_namespace n ON n.oid = e.extnamespace WHERE e.extname = $1`,
          [name],
        ),
      database,
    );
    if (row === undefined) return undefined;
    return { ...known, name, database, schema: String(row.nspname), version: String(row.extversion) };
  },

  update: (server, olds, news) =>
    server.transaction(
      async (sql) => {
        const name = text(news, "name") ?? "";
        const alter = (what: string) =>
          sql.run(`alter extension "${name}"`, `ALTER EXTENSION ${identifier(name)} ${what}`);
        const [schema, version] = [text(news, "schema"), text(news, "version")];
        if (schema !== undefined && schema !== olds.schema) await alter(`SET SCHEMA ${identifier(schema)}`);
        if (version !== undefined && version !== olds.version)
          await alter(`UPDATE TO ${identifier(version)}`);
      },
      databaseOf(server, olds),
    ),

  remove: (server, known) =>
    server.transaction(
      async (sql) => {
        const name = text(known, "name") ?? "";
        const mode = known.dropCascade === true ? "CASCADE" : "RESTRICT";
        await sql.run(`drop extension "${name}"`, `DROP EXTENSION ${identifier(name)} ${mode}`);
      },
      databaseOf(server, known),
    ),
};
