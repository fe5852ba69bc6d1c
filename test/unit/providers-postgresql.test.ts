import { createServer } from "node:net";
import { describe, expect, test } from "vitest";
import { serverSettings } from "../../lab/pulumi/providers/postgresql/connection.ts";
import { postgresqlPackage } from "../../lab/pulumi/providers/postgresql/index.ts";
import { privilegesAsWanted } from "../../lab/pulumi/providers/postgresql/privileges.ts";
import { type Properties, unknownValue } from "../../lab/pulumi/providers/provider.ts";

const provider = postgresqlPackage.create();
const ref = (type: string) => ({ urn: "urn", type: `postgresql:index/${type}`, name: "it" });
const seed = Buffer.from("0123456789abcdef", "hex");
const check = (type: string, news: Properties, olds?: Properties) =>
  provider.check(ref(type), news, olds, seed);
const grantOf = (news: Properties) => ({ role: "r", database: "d", privileges: ["ALL"], ...news });

describe("check", () => {
  test("generates a missing name, as Pulumi's bridge does, and keeps it", async () => {
    expect((await check("role:Role", {})).inputs).toMatchObject({ name: "it-0123456" });
    expect((await check("role:Role", {}, { name: "it-old" })).inputs).toMatchObject({ name: "it-old" });
    expect((await check("grant:Grant", grantOf({ objectType: "database" }))).inputs).not.toHaveProperty(
      "name",
    );
  });

  test("accepts unknown values", async () => {
    const news = grantOf({ role: unknownValue, objectType: "database", privileges: unknownValue });
    expect(await check("grant:Grant", news)).toEqual({ inputs: news, failures: [] });
  });

  test.each<[string, Properties, string, string]>([
    ["role:Role", { passwrd: "x" }, "passwrd", '"passwrd" is not an input of postgresql:index/role:Role'],
    [
      "role:Role",
      { passwordWo: "x" },
      "passwordWo",
      "is not supported by the lab: it requires write-only inputs",
    ],
    ["role:Role", { login: "yes" }, "login", "must be a boolean, not a string"],
    ["role:Role", { connectionLimit: -2 }, "connectionLimit", "must be at least -1, not -2"],
    ["role:Role", { searchPaths: ["a, b"] }, "searchPaths", "must not contain a comma"],
    ["grant:Grant", { role: "r", database: "d", privileges: [] }, "objectType", "missing required property"],
    [
      "grant:Grant",
      grantOf({ objectType: "view" }),
      "objectType",
      'sequence, function, procedure, routine, not "view"',
    ],
    ["grant:Grant", grantOf({ objectType: "table" }), "schema", 'is required for the object type "table"'],
    [
      "grant:Grant",
      grantOf({ objectType: "database", privileges: ["SELECT; DROP TABLE x"] }),
      "privileges",
      '"SELECT; DROP TABLE x" is not a privilege on a database; use one of: ALL, CREATE, CONNECT, TEMPORARY',
    ],
    [
      "grant:Grant",
      grantOf({ objectType: "database", objects: ["x"] }),
      "objects",
      'must not be set for the object type "database"',
    ],
  ])("%s refuses %o", async (type, news, property, reason) => {
    const { failures } = await check(type, news);
    expect(failures).toEqual([{ property, reason: expect.stringContaining(reason) }]);
  });

  test("refuses unsupported types and functions by name", async () => {
    await expect(check("publication:Publication", {})).rejects.toThrow(
      "postgresql:index/publication:Publication is not supported by the lab; its providers have: " +
        "postgresql:index/database:Database, ",
    );
    await expect(provider.invoke("postgresql:index/getTables:getTables", {})).rejects.toThrow(
      "is not supported by the lab",
    );
  });
});

describe("diff", () => {
  const diff = (type: string, outputs: Properties, news: Properties) =>
    provider.diff(ref(type), "id", {}, outputs, news);

  test("another order, an explicit default and values chosen by the server are not changes", async () => {
    const outputs = {
      ...grantOf({ objectType: "table" }),
      privileges: ["SELECT", "INSERT"],
      withGrantOption: false,
    };
    const news = grantOf({ objectType: "table", privileges: ["INSERT", "SELECT"] });
    expect((await diff("grant:Grant", outputs, news)).changes).toEqual([]);
    const database = { name: "d", owner: "postgres", encoding: "UTF8", connectionLimit: -1 };
    expect((await diff("database:Database", database, { name: "d" })).changes).toEqual([]);
  });

  test("a new owner updates, a new encoding replaces, an unknown changes", async () => {
    const database = { name: "d", owner: "a", encoding: "UTF8" };
    const news = { name: unknownValue, owner: "b", encoding: "SQL_ASCII" } as const;
    expect(await diff("database:Database", database, news)).toEqual({
      changes: ["name", "owner", "encoding"],
      replaces: ["encoding"],
      deleteBeforeReplace: true,
    });
  });
});

test("ALL equals the list of all privileges", () => {
  const known = { objectType: "schema", privileges: ["ALL"] };
  expect(privilegesAsWanted(known, ["USAGE", "CREATE"])).toEqual(["ALL"]);
  expect(privilegesAsWanted(known, ["USAGE"])).toEqual(["USAGE"]);
});

describe("the connection", () => {
  test("has the real provider's defaults, and reads JSON text", () => {
    expect(serverSettings({ host: "db" })).toEqual({
      host: "db",
      port: 5432,
      username: "postgres",
      password: undefined,
      database: "postgres",
      sslmode: "require",
      connectTimeoutSeconds: 180,
    });
    expect(serverSettings({ port: "15432", connectTimeout: "7", password: "123" })).toMatchObject({
      port: 15432,
      connectTimeoutSeconds: 7,
      password: "123",
    });
  });

  test.each([
    [{ sslmode: "prefer" }, 'sslmode must be one of disable, require, verify-ca, verify-full, not "prefer"'],
    [{ scheme: "awspostgres" }, "scheme awspostgres is not supported by the lab"],
    [{ azureIdentityAuth: "true" }, "azureIdentityAuth is not supported by the lab"],
  ])("refuses %o", async (settings, message) => {
    await expect(postgresqlPackage.create().configure(settings)).rejects.toThrow(message);
  });

  test("is opened by the first operation, and the error contains the address", async () => {
    const dead = postgresqlPackage.create();
    await dead.configure({ host: "127.0.0.1", port: "1", sslmode: "disable", password: "hidden-password" });
    await expect(dead.create(ref("role:Role"), { name: "x" }, 5)).rejects.toThrow(
      /^PostgreSQL at 127\.0\.0\.1:1, database "postgres": could not connect: connect ECONNREFUSED 127\.0\.0\.1:1$/,
    );
  });

  test("has a deadline when the server accepts the connection and does not answer", async () => {
    const mute = createServer();
    const port = await new Promise<number>((resolve) =>
      mute.listen(0, "127.0.0.1", () => resolve((mute.address() as { port: number }).port)),
    );
    const waiting = postgresqlPackage.create();
    await waiting.configure({
      host: "127.0.0.1",
      port: String(port),
      sslmode: "disable",
      connectTimeout: "1",
    });
    await expect(waiting.create(ref("role:Role"), { name: "x" }, 60)).rejects.toThrow(
      `PostgreSQL at 127.0.0.1:${port}, database "postgres": no connection within 1 s`,
    );
    mute.close();
  });
});
