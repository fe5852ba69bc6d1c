import { type InputRules, text, texts } from "../inputs.ts";
import type { CheckFailure, Properties } from "../provider.ts";
import { identifier, type PostgresServer, type Sql } from "./connection.ts";
import { databaseExists, type PostgresKind, roleExists, schemaExists } from "./kind.ts";
import { catalogueLetters, privilegeFailures, privilegesAsWanted } from "./privileges.ts";

const rules: InputRules = {
  role: { kind: "string", required: true, replaces: true },
  database: { kind: "string", required: true, replaces: true },
  owner: { kind: "string", required: true, replaces: true },
  schema: { kind: "string", replaces: true },
  objectType: {
    kind: "string",
    required: true,
    replaces: true,
    allowed: ["table", "sequence", "function", "routine", "type", "schema"],
  },
  privileges: { kind: "strings", required: true, unordered: true },
  withGrantOption: { kind: "boolean", replaces: true, default: false },
};

/** What a role may do with everything that another role (the owner) is yet to make. */
export const defaultPrivileges: PostgresKind = {
  rules,
  named: false,
  deleteBeforeReplace: false,
  failures: defaultPrivilegeFailures,

  id: (_server, inputs) =>
    [
      text(inputs, "role"),
      text(inputs, "database"),
      text(inputs, "schema") ?? "noschema",
      text(inputs, "owner"),
      text(inputs, "objectType"),
    ].join("_"),

  create: (server, inputs) => regrant(server, inputs),
  update: (server, _olds, news) => regrant(server, news),

  read: async (server, known) => {
    const database = text(known, "database") ?? "";
    if (!(await databaseExists(server, database))) return undefined;
    return server.connected(async (sql) => {
      const [role, owner] = [text(known, "role") ?? "", text(known, "owner") ?? ""];
      const schema = text(known, "schema");
      if (!(await roleExists(sql, role)) || !(await roleExists(sql, owner))) return undefined;
      if (schema !== undefined && !(await schemaExists(sql, schema))) return undefined;
      const [row] = await sql.run(
        `read the default privileges of role "${role}"`,
        `SELECT COALESCE(array_agg(acl.privilege_type::text), '{}') AS privileges
           FROM pg_catalog.pg_default_acl d, aclexplode(d.defaclacl) acl
          WHERE d.defaclobjtype = $1 AND pg_get_userbyid(d.defaclrole) = $2
            AND d.defaclnamespace = COALESCE((SELECT oid FROM pg_namespace WHERE nspname = $3), 0)
            AND acl.grantee = CASE WHEN $4 = 'public' THEN 0 ELSE (SELECT oid FROM pg_roles WHERE rolname = $4) END`,
        [catalogueLetters[text(known, "objectType") ?? ""], owner, schema ?? null, role],
      );
      const granted = (row?.privileges ?? []) as string[];
      if (granted.length === 0 && texts(known, "privileges").length > 0) return undefined;
      return { ...known, privileges: privilegesAsWanted(known, granted) };
    }, database);
  },

  remove: (server, known) => server.transaction((sql) => revoke(sql, known), text(known, "database") ?? ""),
};

function regrant(server: PostgresServer, inputs: Properties): Promise<void> {
  return server.transaction(async (sql) => {
    await revoke(sql, inputs);
    const privileges = texts(inputs, "privileges");
    if (privileges.length === 0) return;
    const option = inputs.withGrantOption === true ? " WITH GRANT OPTION" : "";
    const change = `GRANT ${privileges.join(", ")} ON ${objects(inputs)} TO ${grantee(inputs)}${option}`;
    await sql.run(`grant default privileges to ${grantee(inputs)}`, `${alter(inputs)} ${change}`);
  }, text(inputs, "database") ?? "");
}

async function revoke(sql: Sql, properties: Properties): Promise<void> {
  const change = `REVOKE ALL ON ${objects(properties)} FROM ${grantee(properties)}`;
  await sql.run(`revoke default privileges of ${grantee(properties)}`, `${alter(properties)} ${change}`);
}

function alter(properties: Properties): string {
  const schema = text(properties, "schema");
  const inSchema = schema === undefined ? "" : ` IN SCHEMA ${identifier(schema)}`;
  return `ALTER DEFAULT PRIVILEGES FOR ROLE ${identifier(text(properties, "owner") ?? "")}${inSchema}`;
}

function objects(properties: Properties): string {
  return `${String(properties.objectType).toUpperCase()}S`;
}

function grantee(properties: Properties): string {
  return identifier(text(properties, "role") ?? "");
}

function defaultPrivilegeFailures(inputs: Properties): CheckFailure[] {
  const failures = privilegeFailures(inputs);
  if (inputs.objectType === "schema" && inputs.schema !== undefined) {
    failures.push({ property: "schema", reason: 'must not be set for the object type "schema"' });
  }
  if (inputs.withGrantOption === true && inputs.role === "public") {
    failures.push({ property: "withGrantOption", reason: 'must not be true for the role "public"' });
  }
  return failures;
}
