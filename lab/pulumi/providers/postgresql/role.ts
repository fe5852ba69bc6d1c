import { type InputRules, text, texts } from "../inputs.ts";
import { sameValue } from "../property-values.ts";
import type { Properties, PropertyValue } from "../provider.ts";
import { identifier, literal, type Sql } from "./connection.ts";
import { keepOrder, type PostgresKind } from "./kind.ts";

const off = { kind: "boolean", default: false } as const;
const writeOnly = "it requires write-only inputs, which keep a password out of the state; use password";
const rules: InputRules = {
  name: { kind: "string" },
  password: { kind: "string" },
  passwordWo: { kind: "string", refused: writeOnly },
  passwordWoVersion: { kind: "string", refused: writeOnly },
  encryptedPassword: { kind: "boolean", default: true },
  encrypted: { kind: "string", refused: "it is the old name of encryptedPassword" },
  roles: { kind: "strings", unordered: true },
  searchPaths: { kind: "strings" },
  validUntil: { kind: "string", default: "infinity" },
  connectionLimit: { kind: "number", default: -1, minimum: -1 },
  superuser: off,
  createDatabase: off,
  createRole: off,
  inherit: { kind: "boolean", default: true },
  login: off,
  replication: off,
  bypassRowLevelSecurity: off,
  skipDropRole: off,
  skipReassignOwned: off,
  statementTimeout: { kind: "number", default: 0, minimum: 0 },
  idleInTransactionSessionTimeout: { kind: "number", default: 0, minimum: 0 },
  assumeRole: { kind: "string", default: "" },
};

/** Options of CREATE ROLE and ALTER ROLE, by the input that sets them. */
const switches: Readonly<Record<string, readonly [on: string, off: string]>> = {
  superuser: ["SUPERUSER", "NOSUPERUSER"],
  createDatabase: ["CREATEDB", "NOCREATEDB"],
  createRole: ["CREATEROLE", "NOCREATEROLE"],
  inherit: ["INHERIT", "NOINHERIT"],
  login: ["LOGIN", "NOLOGIN"],
  replication: ["REPLICATION", "NOREPLICATION"],
  bypassRowLevelSecurity: ["BYPASSRLS", "NOBYPASSRLS"],
};

/** Settings of a role, by the input that sets them. */
const parameters: Readonly<Record<string, string>> = {
  statementTimeout: "statement_timeout",
  idleInTransactionSessionTimeout: "idle_in_transaction_session_timeout",
  assumeRole: "role",
};

/** A role. A password is never read back: the value in the state is kept. */
export const role: PostgresKind = {
  rules,
  named: true,
  deleteBeforeReplace: false,
  failures: (inputs) =>
    texts(inputs, "searchPaths").some((path) => path.includes(", "))
      ? [{ property: "searchPaths", reason: "must not contain a comma followed by a blank" }]
      : [],
  id: (_server, inputs) => text(inputs, "name") ?? "",

  create: (server, inputs) =>
    server.transaction(async (sql) => {
      const name = text(inputs, "name") ?? "";
      const options = roleOptions({}, inputs);
      await sql.run(`create role "${name}"`, `CREATE ROLE ${identifier(name)} WITH ${options.join(" ")}`);
      await setMemberships(sql, name, [], texts(inputs, "roles"));
      await setParameters(sql, name, {}, inputs);
    }),

  read: (server, known) =>
    server.connected(async (sql) => {
      const name = text(known, "name") ?? "";
      const [row] = await sql.run(
        `read role "${name}"`,
        `SELECT rolsuper, rolinherit, rolcreaterole, rolcreatedb, rolcanlogin, rolreplication, rolbypassrls,
                rolconnlimit, COALESCE(rolvaliduntil::text, 'infinity') AS valid_until,
                COALESCE(rolconfig, '{}') AS config,
                ARRAY(SELECT pg_get_userbyid(roleid)::text FROM pg_catalog.pg_auth_members WHERE member = pg_roles.oid) AS roles
           FROM pg_catalog.pg_roles WHERE rolname = $1`,
        [name],
      );
      if (row === undefined) return undefined;
      const config = new Map((row.config as string[]).map((entry) => splitOnce(entry)));
      return {
        ...known,
        name,
        superuser: Boolean(row.rolsuper),
        inherit: Boolean(row.rolinherit),
        createRole: Boolean(row.rolcreaterole),
        createDatabase: Boolean(row.rolcreatedb),
        login: Boolean(row.rolcanlogin),
        replication: Boolean(row.rolreplication),
        bypassRowLevelSecurity: Boolean(row.rolbypassrls),
        connectionLimit: Number(row.rolconnlimit),
        validUntil: String(row.valid_until),
        roles: keepOrder(known.roles, row.roles as string[]),
        searchPaths: searchPaths(config.get("search_path")),
        statementTimeout: Number(config.get("statement_timeout") ?? 0),
        idleInTransactionSessionTimeout: Number(config.get("idle_in_transaction_session_timeout") ?? 0),
        assumeRole: config.get("role") ?? "",
      };
    }),

  update: (server, olds, news) =>
    server.transaction(async (sql) => {
      const before = text(olds, "name") ?? "";
      const name = text(news, "name") ?? before;
      if (name !== before) {
        const rename = `ALTER ROLE ${identifier(before)} RENAME TO ${identifier(name)}`;
        await sql.run(`rename role "${before}"`, rename);
      }
      // Renaming may clear the password, so it is set again.
      const options = roleOptions(name === before ? olds : { ...olds, password: "" }, news);
      if (options.length > 0) {
        await sql.run(`alter role "${name}"`, `ALTER ROLE ${identifier(name)} WITH ${options.join(" ")}`);
      }
      await setMemberships(sql, name, texts(olds, "roles"), texts(news, "roles"));
      await setParameters(sql, name, olds, news);
    }),

  remove: (server, known) =>
    server.transaction(async (sql) => {
      const name = text(known, "name") ?? "";
      if (known.skipReassignOwned !== true) {
        const heir = identifier(server.settings.username);
        await sql.run(
          `reassign what role "${name}" owns`,
          `REASSIGN OWNED BY ${identifier(name)} TO ${heir}`,
        );
        await sql.run(`drop what role "${name}" owns`, `DROP OWNED BY ${identifier(name)}`);
      }
      if (known.skipDropRole !== true) await sql.run(`drop role "${name}"`, `DROP ROLE ${identifier(name)}`);
    }),
};

/** The options that differ. */
function roleOptions(olds: Properties, news: Properties): string[] {
  const changed = (key: string) => !sameValue(olds[key], news[key]);
  const options = Object.entries(switches)
    .filter(([key]) => changed(key))
    .map(([key, [on, off]]) => (news[key] === true ? on : off));
  if (changed("connectionLimit")) options.push(`CONNECTION LIMIT ${Number(news.connectionLimit)}`);
  const validUntil = text(news, "validUntil");
  if (changed("validUntil") && validUntil) options.push(`VALID UNTIL ${literal(validUntil)}`);
  const password = text(news, "password");
  if (changed("password") && password) {
    options.push(password.toUpperCase() === "NULL" ? "PASSWORD NULL" : `PASSWORD ${literal(password)}`);
  }
  return options;
}

async function setMemberships(
  sql: Sql,
  name: string,
  olds: readonly string[],
  news: readonly string[],
): Promise<void> {
  for (const group of olds.filter((group) => !news.includes(group))) {
    const revoke = `REVOKE ${identifier(group)} FROM ${identifier(name)}`;
    await sql.run(`take role "${group}" from "${name}"`, revoke);
  }
  for (const group of news.filter((group) => !olds.includes(group))) {
    const grant = `GRANT ${identifier(group)} TO ${identifier(name)}`;
    await sql.run(`give role "${group}" to "${name}"`, grant);
  }
}

async function setParameters(sql: Sql, name: string, olds: Properties, news: Properties): Promise<void> {
  const alter = `ALTER ROLE ${identifier(name)}`;
  const paths = texts(news, "searchPaths").map(identifier).join(", ");
  if (!sameValue(texts(olds, "searchPaths"), texts(news, "searchPaths"))) {
    await sql.run(`set search_path of role "${name}"`, `${alter} SET search_path TO ${paths || "DEFAULT"}`);
  }
  for (const [key, parameter] of Object.entries(parameters)) {
    const value = news[key];
    const isSet = (one: PropertyValue | undefined) => one !== undefined && one !== 0 && one !== "";
    if (sameValue(olds[key], value) || (!isSet(olds[key]) && !isSet(value))) continue;
    const statement = isSet(value)
      ? `SET ${parameter} TO ${typeof value === "number" ? value : identifier(String(value))}`
      : `RESET ${parameter}`;
    await sql.run(`set ${parameter} of role "${name}"`, `${alter} ${statement}`);
  }
}

function searchPaths(value: string | undefined): readonly string[] {
  return value === undefined || value === ""
    ? []
    : value.split(", ").map((path) => path.replace(/^"|"$/g, ""));
}

function splitOnce(entry: string): [string, string] {
  const at = entry.indexOf("=");
  return [entry.slice(0, at), entry.slice(at + 1)];
}
