import { Secret } from "../../../lab/engine/values.ts";
import type { TypeCases } from "../format.ts";

export const role: TypeCases = {
  plugin: "postgresql",
  type: "postgresql:index/role:Role",
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
    { name: "under a made-up name", inputs: () => ({ login: true }) },
    { name: "that exists", inputs: () => ({ name: "postgres" }) },
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
