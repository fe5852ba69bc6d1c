import { type InputRules, text } from "../inputs.ts";
import type { Properties } from "../provider.ts";
import { identifier, literal, type PostgresServer } from "./connection.ts";
import type { PostgresKind } from "./kind.ts";

const rules: InputRules = {
  name: { kind: "string" },
  owner: { kind: "string", computed: true },
  template: { kind: "string", computed: true, replaces: true },
  encoding: { kind: "string", computed: true, replaces: true },
  lcCollate: { kind: "string", computed: true, replaces: true },
  lcCtype: { kind: "string", computed: true, replaces: true },
  tablespaceName: { kind: "string", computed: true },
  connectionLimit: { kind: "number", default: -1, minimum: -1 },
  allowConnections: { kind: "boolean", default: true },
  isTemplate: { kind: "boolean", computed: true },
  alterObjectOwnership: { kind: "boolean", default: false },
};

/** A database. It can be neither created nor dropped in a transaction. */
export const database: PostgresKind = {
  rules,
  named: true,
  deleteBeforeReplace: false,
  failures: () => [],
  id: (_server, inputs) => text(inputs, "name") ?? "",

  create: (server, inputs) =>
    server.connected(async (sql) => {
      const name = text(inputs, "name") ?? "";
      const clauses = [
        `OWNER ${identifier(text(inputs, "owner") ?? server.settings.username)}`,
        `TEMPLATE ${word(text(inputs, "template") ?? "template0", identifier)}`,
        `ENCODING ${word(text(inputs, "encoding") ?? "UTF8", literal)}`,
        ...optional("LC_COLLATE", text(inputs, "lcCollate"), literal),
        ...optional("LC_CTYPE", text(inputs, "lcCtype"), literal),
        ...optional("TABLESPACE", text(inputs, "tablespaceName"), identifier),
        `ALLOW_CONNECTIONS ${inputs.allowConnections !== false}`,
        `CONNECTION LIMIT ${Number(inputs.connectionLimit)}`,
        `IS_TEMPLATE ${inputs.isTemplate === true}`,
      ];
      const statement = `CREATE DATABASE ${identifier(name)} ${clauses.join(" ")}`;
      await sql.run(`create database "${name}"`, statement);
    }),

  read: (server, known) =>
    server.connected(async (sql) => {
      const name = text(known, "name") ?? "";
      const [row] = await sql.run(
        `read database "${name}"`,
        `SELECT pg_get_userbyid(d.datdba) AS owner, pg_encoding_to_char(d.encoding) AS encoding, d.datcollate,
                d.datctype, t.spcname, d.datconnlimit, d.datallowconn, d.datistemplate
           FROM pg_catalog.pg_database d JOIN pg_catalog.pg_tablespace t ON d.dattablespace = t.oid
          WHERE d.datname = $1`,
        [name],
      );
      if (row === undefined) return undefined;
      return {
        ...known,
        name,
        owner: String(row.owner),
        template: text(known, "template") ?? "template0",
        encoding: String(row.encoding),
        lcCollate: String(row.datcollate),
        lcCtype: String(row.datctype),
        tablespaceName: String(row.spcname),
        connectionLimit: Number(row.datconnlimit),
        allowConnections: Boolean(row.datallowconn),
        isTemplate: Boolean(row.datistemplate),
      };
    }),

  update: async (server, olds, news) => {
    const before = text(olds, "name") ?? "";
    const name = text(news, "name") ?? before;
    await reassign(server, before, olds, news);
    await server.connected(async (sql) => {
      const alter = (what: string) => sql.run(`alter database "${before}"`, `ALTER DATABASE ${what}`);
      if (name !== before) await alter(`${identifier(before)} RENAME TO ${identifier(name)}`);
      const changed = (key: string) => news[key] !== undefined && news[key] !== olds[key];
      const quoted = identifier(name);
      if (changed("owner")) await alter(`${quoted} OWNER TO ${identifier(text(news, "owner") ?? "")}`);
      if (changed("tablespaceName")) {
        await alter(`${quoted} SET TABLESPACE ${identifier(text(news, "tablespaceName") ?? "")}`);
      }
      if (changed("connectionLimit"))
        await alter(`${quoted} CONNECTION LIMIT = ${Number(news.connectionLimit)}`);
      if (changed("allowConnections"))
        await alter(`${quoted} ALLOW_CONNECTIONS ${news.allowConnections === true}`);
      if (changed("isTemplate")) await alter(`${quoted} IS_TEMPLATE ${news.isTemplate === true}`);
    });
  },

  remove: (server, known) =>
    server.connected(async (sql) => {
      const name = text(known, "name") ?? "";
      const alter = `ALTER DATABASE ${identifier(name)}`;
      // A template cannot be dropped, and a client that reconnects at once would block the drop.
      await sql.run(`prepare dropping database "${name}"`, `${alter} IS_TEMPLATE false`);
      await sql.run(`close database "${name}" to new connections`, `${alter} ALLOW_CONNECTIONS false`);
      await sql.run(`drop database "${name}"`, `DROP DATABASE ${identifier(name)} WITH (FORCE)`);
    }),
};

/** Reassigns the old owner's objects in the database, if the inputs ask for it. */
async function reassign(
  server: PostgresServer,
  name: string,
  olds: Properties,
  news: Properties,
): Promise<void> {
  const [from, to] = [text(olds, "owner"), text(news, "owner")];
  if (news.alterObjectOwnership !== true || from === undefined || to === undefined || from === to) return;
  await server.transaction(async (sql) => {
    const statement = `REASSIGN OWNED BY ${identifier(from)} TO ${identifier(to)}`;
    await sql.run(`reassign what "${from}" owns`, statement);
  }, name);
}

/** DEFAULT is a keyword to PostgreSQL, in any case of its letters. */
function word(value: string, quote: (value: string) => string): string {
  return value.toUpperCase() === "DEFAULT" ? "DEFAULT" : quote(value);
}

function optional(clause: string, value: string | undefined, quote: (value: string) => string): string[] {
  return value === undefined ? [] : [`${clause} ${word(value, quote)}`];
}
