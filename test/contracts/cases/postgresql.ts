import { type PropertyMap, Secret } from "../../../lab/pulumi/engine/values.ts";
import type { Things, TypeCases } from "../format.ts";

export const role: TypeCases = {
  plugin: "postgresql",
  type: "postgresql:index/role:Role",
  sets: ["roles"],
  cases: [
    {
      name: "of an application",
      inputs: () => ({
        name: "togather",
        login: true,
        password: new Secret("canary-5d90c4"),
        superuser: false,
      }),
      changes: {
        "another password": (inputs) => ({ ...inputs, password: new Secret("canary-6e01d5") }),
        "another name": (inputs) => ({ ...inputs, name: "renamed" }),
        "a superuser": (inputs) => ({ ...inputs, superuser: true }),
        "without a login": (inputs) => ({ ...inputs, login: false }),
        "a connection limit": (inputs) => ({ ...inputs, connectionLimit: 5 }),
        "what is the default anyway": (inputs) => ({ ...inputs, inherit: true, createDatabase: false }),
        "in another role": (inputs) => ({ ...inputs, roles: ["pg_monitor"] }),
        replication: (inputs) => ({ ...inputs, replication: true }),
      },
      carriedOut: ["another password", "without a login"],
    },
    {
      name: "that acts as another",
      inputs: ({ owner = "" }) => ({
        name: "app_login",
        login: true,
        password: new Secret("canary-7f12e6"),
        roles: [owner],
        assumeRole: owner,
      }),
      changes: {
        "of no other": ({ roles, assumeRole, ...inputs }) => inputs,
        "in two roles": ({ roles, ...inputs }) => ({
          ...inputs,
          roles: ["pg_monitor", ...(roles as readonly string[])],
        }),
        "acting for itself": (inputs) => ({ ...inputs, assumeRole: "" }),
      },
      carriedOut: ["in two roles", "of no other"],
    },
    { name: "under a made-up name", inputs: () => ({ login: true }) },
    { name: "that exists", inputs: () => ({ name: "postgres" }) },
    { name: "in a role that does not exist", inputs: () => ({ name: "wrong", roles: ["nobody_at_all"] }) },
    { name: "with a text for a login", inputs: () => ({ name: "wrong", login: "perhaps" }) },
    { name: "with an input that does not exist", inputs: () => ({ name: "wrong", admin: true }) },
  ],
};

export const database: TypeCases = {
  plugin: "postgresql",
  type: "postgresql:index/database:Database",
  cases: [
    {
      name: "of an application",
      inputs: ({ owner = "" }) => ({ name: "togather", owner, encoding: "UTF8" }),
      changes: {
        "another owner": (inputs) => ({ ...inputs, owner: "postgres" }),
        "another name": (inputs) => ({ ...inputs, name: "renamed" }),
        "another encoding": (inputs) => ({ ...inputs, encoding: "SQL_ASCII" }),
        "an encoding left out": ({ encoding, ...inputs }) => inputs,
        "an owner left out": ({ owner, ...inputs }) => inputs,
        "a connection limit": (inputs) => ({ ...inputs, connectionLimit: 5 }),
        "another template": (inputs) => ({ ...inputs, template: "template1" }),
        "a collation": (inputs) => ({ ...inputs, lcCollate: "C" }),
      },
      carriedOut: ["a connection limit"],
    },
    { name: "under a made-up name", inputs: () => ({}) },
    { name: "that exists", inputs: () => ({ name: "postgres" }) },
    { name: "of nobody", inputs: () => ({ name: "orphan", owner: "nobody_at_all" }) },
    { name: "with a text for a limit", inputs: () => ({ name: "wrong", connectionLimit: "many" }) },
  ],
};

export const extension: TypeCases = {
  plugin: "postgresql",
  type: "postgresql:index/extension:Extension",
  cases: [
    {
      name: "of an application",
      inputs: ({ database = "" }) => ({ name: "pg_trgm", database }),
      changes: {
        "another extension": (inputs) => ({ ...inputs, name: "hstore" }),
        "another database": (inputs) => ({ ...inputs, database: "postgres" }),
        "another schema": (inputs) => ({ ...inputs, schema: "pg_catalog" }),
        "a version": (inputs) => ({ ...inputs, version: "1.5" }),
        cascading: (inputs) => ({ ...inputs, createCascade: true }),
      },
    },
    {
      name: "that the server has not",
      inputs: ({ database = "" }) => ({ name: "no_such_extension", database }),
    },
    { name: "under no name", inputs: ({ database = "" }) => ({ database }) },
  ],
};

const onTable = ({ owner = "", database = "" }: Things): PropertyMap => ({
  database,
  role: owner,
  schema: "public",
  objectType: "table",
  objects: ["given_table"],
  privileges: ["INSERT"],
});
const onDatabase = ({ owner = "", database = "" }: Things): PropertyMap => ({
  database,
  role: owner,
  objectType: "database",
  privileges: ["CONNECT", "CREATE"],
});

export const grant: TypeCases = {
  plugin: "postgresql",
  type: "postgresql:index/grant:Grant",
  sets: ["privileges"],
  cases: [
    {
      // As components/data/database.ts writes it.
      name: "on a table",
      inputs: onTable,
      changes: {
        "a privilege more": (inputs) => ({ ...inputs, privileges: ["SELECT", "INSERT"] }),
        "another privilege": (inputs) => ({ ...inputs, privileges: ["UPDATE"] }),
        "every privilege": (inputs) => ({ ...inputs, privileges: ["ALL"] }),
        "no privilege": (inputs) => ({ ...inputs, privileges: [] }),
        "another table": (inputs) => ({ ...inputs, objects: ["other_table"] }),
        "every table": ({ objects, ...inputs }) => inputs,
        "another role": (inputs) => ({ ...inputs, role: "postgres" }),
        "another database": (inputs) => ({ ...inputs, database: "postgres" }),
        "another schema": (inputs) => ({ ...inputs, schema: "pg_catalog" }),
        "another type of object": (inputs) => ({ ...inputs, objectType: "sequence", privileges: ["SELECT"] }),
        "what is the default anyway": (inputs) => ({ ...inputs, withGrantOption: false }),
        "the right to grant it": (inputs) => ({ ...inputs, withGrantOption: true }),
      },
      carriedOut: ["a privilege more", "another privilege"],
    },
    {
      name: "on a database",
      inputs: onDatabase,
      changes: {
        "in another order": (inputs) => ({ ...inputs, privileges: ["CREATE", "CONNECT"] }),
        "a privilege less": (inputs) => ({ ...inputs, privileges: ["CONNECT"] }),
      },
      carriedOut: ["a privilege less"],
    },
    {
      name: "on a schema",
      inputs: (things) => {
        const { objects, ...inputs } = onTable(things);
        return { ...inputs, objectType: "schema", privileges: ["ALL"] };
      },
    },
    { name: "on every table", inputs: (things) => ({ ...onTable(things), objects: [] }) },
    {
      name: "on a table that does not exist",
      inputs: (things) => ({ ...onTable(things), objects: ["no_such_table"] }),
    },
    { name: "of nobody", inputs: (things) => ({ ...onTable(things), role: "nobody_at_all" }) },
    { name: "of a wrong privilege", inputs: (things) => ({ ...onTable(things), privileges: ["CONNECT"] }) },
    { name: "on a wrong type", inputs: (things) => ({ ...onTable(things), objectType: "view" }) },
    {
      name: "on a table without a schema",
      inputs: (things) => {
        const { schema, ...inputs } = onTable(things);
        return inputs;
      },
    },
    {
      name: "on a database and a table",
      inputs: (things) => ({ ...onDatabase(things), objects: ["given_table"] }),
    },
    {
      name: "without privileges",
      inputs: (things) => {
        const { privileges, ...inputs } = onTable(things);
        return inputs;
      },
    },
    { name: "with an input that does not exist", inputs: (things) => ({ ...onTable(things), tables: [] }) },
  ],
};
