import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { postgresqlPackage } from "../../lab/pulumi/providers/postgresql/index.ts";
import type { LabProvider, Properties } from "../../lab/pulumi/providers/provider.ts";
import { type PostgresTestServer, startPostgres } from "./postgres-server.ts";

const ref = (kind: string, name = "it") => {
  const type = `postgresql:index/${kind}:${kind[0]?.toUpperCase()}${kind.slice(1)}`;
  return { urn: `urn:pulumi:test::berth::${type}::${name}`, type, name };
};

describe("postgresql, against a real server", () => {
  let server: PostgresTestServer;
  let provider: LabProvider;
  beforeAll(async () => {
    server = await startPostgres("providers-sql");
    provider = postgresqlPackage.create();
    // As the SDK sends it: what is not a string is JSON text.
    const settings = {
      host: server.host,
      port: String(server.port),
      username: "postgres",
      sslmode: "disable",
    };
    await provider.configure({ ...settings, password: server.password, connectTimeout: "5" });
  }, 600_000);
  afterAll(async () => server?.stop());

  /** What an engine does: check, create when there are no olds, else diff and update in place. */
  async function converge(kind: string, news: Properties, olds?: { id: string; outputs: Properties }) {
    const checked = await provider.check(ref(kind), news, undefined, Buffer.alloc(8));
    expect(checked.failures).toEqual([]);
    if (olds === undefined) return provider.create(ref(kind), checked.inputs, 20);
    const diff = await provider.diff(ref(kind), olds.id, {}, olds.outputs, checked.inputs);
    expect(diff.replaces).toEqual([]);
    return {
      id: olds.id,
      changes: diff.changes,
      outputs: await provider.update(ref(kind), olds.id, {}, olds.outputs, checked.inputs, 20),
    };
  }

  async function settled(kind: string, inputs: Properties, made: { id: string; outputs: Properties }) {
    const found = await provider.read(ref(kind), made.id, inputs, made.outputs);
    expect(found).toEqual({ id: made.id, inputs, outputs: made.outputs });
    const diff = await provider.diff(ref(kind), made.id, inputs, made.outputs, inputs);
    expect(diff.changes).toEqual([]);
  }

  test("a role: password, options, memberships and settings, in place", async () => {
    const inputs = { name: "shop owner", login: true, password: "first'\\password", statementTimeout: 5000 };
    const made = await converge("role", inputs);
    expect(made.id).toBe("shop owner");
    expect(made.outputs).toMatchObject({ login: true, inherit: true, connectionLimit: -1, roles: [] });
    await settled("role", inputs, made);
    await server.login("shop owner", "first'\\password", "postgres");

    const group = await converge("role", { name: "readers" });
    const news = {
      ...inputs,
      password: "second-password",
      roles: ["readers"],
      searchPaths: ["Shop", "public"],
      connectionLimit: 7,
    };
    const changed = await converge("role", news, made);
    expect(changed).toMatchObject({
      changes: ["password", "roles", "searchPaths", "connectionLimit"],
      outputs: {
        connectionLimit: 7,
        roles: ["readers"],
        searchPaths: ["Shop", "public"],
        statementTimeout: 5000,
      },
    });
    await settled("role", news, changed);
    await server.login("shop owner", "second-password", "postgres");
    await expect(server.login("shop owner", "first'\\password", "postgres")).rejects.toThrow(
      'password authentication failed for user "shop owner"',
    );

    const renamed = await converge("role", { ...news, name: "shop" }, changed);
    await server.login("shop", "second-password", "postgres");
    await settled("role", { ...news, name: "shop" }, renamed);
    await provider.delete(ref("role"), renamed.id, {}, renamed.outputs, 20);
    await provider.delete(ref("role"), renamed.id, {}, renamed.outputs, 20);
    await provider.delete(ref("role"), group.id, {}, group.outputs, 20);
    expect(await provider.read(ref("role"), renamed.id, {}, renamed.outputs)).toBeUndefined();
  });

  test("what someone else changed is found, put back, and nothing secret is read", async () => {
    const inputs = { name: "drifter", login: true, password: "the-password-of-drifter" };
    const made = await converge("role", inputs);
    await server.query(`ALTER ROLE drifter NOLOGIN CONNECTION LIMIT 3 PASSWORD 'other'`);
    const found = await provider.read(ref("role"), made.id, inputs, made.outputs);
    expect(found).toMatchObject({
      inputs: { ...inputs, login: false },
      outputs: { login: false, connectionLimit: 3, password: "the-password-of-drifter" },
    });
    const fixed = await converge("role", inputs, { id: made.id, outputs: found?.outputs ?? {} });
    expect(fixed).toMatchObject({ changes: ["connectionLimit", "login"] });
    expect(fixed.outputs).toEqual(made.outputs);
    await provider.delete(ref("role"), made.id, {}, fixed.outputs, 20);
  });

  test("a database, its extension, its schema and the privileges in it", async () => {
    const owner = await converge("role", { name: "owner" });
    const reader = await converge("role", { name: "reader" });
    const databaseInputs = { name: "Shop-1", owner: "owner", lcCollate: "C" };
    const database = await converge("database", databaseInputs);
    expect(database).toMatchObject({
      id: "Shop-1",
      outputs: { owner: "owner", encoding: "UTF8", lcCollate: "C" },
    });
    await settled("database", databaseInputs, database);

    const extensionInputs = { name: "plpgsql", database: "Shop-1" };
    const extension = await converge("extension", extensionInputs);
    expect(extension).toMatchObject({
      id: "Shop-1.plpgsql",
      outputs: { schema: "pg_catalog", version: "1.0" },
    });
    await settled("extension", extensionInputs, extension);

    const common = { role: "reader", database: "Shop-1" };
    await server.query(
      "CREATE SCHEMA stock AUTHORIZATION owner; CREATE TABLE stock.items (id int); CREATE SEQUENCE stock.numbers",
      "Shop-1",
    );
    const grants = [
      [{ ...common, objectType: "database", privileges: ["TEMPORARY", "CONNECT"] }, "reader_Shop-1_database"],
      [
        { ...common, objectType: "schema", schema: "stock", privileges: ["USAGE"] },
        "reader_Shop-1_stock_schema",
      ],
      [
        { ...common, objectType: "table", schema: "stock", privileges: ["SELECT"] },
        "reader_Shop-1_stock_table",
      ],
      [
        { ...common, objectType: "sequence", schema: "stock", objects: ["numbers"], privileges: ["ALL"] },
        "reader_Shop-1_stock_sequence_numbers",
      ],
    ] as const;
    const made = await Promise.all(grants.map(([inputs]) => converge("grant", inputs)));
    for (const [index, [inputs, id]] of grants.entries()) {
      expect(made[index]?.id).toBe(id);
      await settled("grant", inputs, made[index] ?? { id: "", outputs: {} });
    }
    const can = async (what: string) => (await server.query(`SELECT ${what} AS can`, "Shop-1"))[0]?.can;
    expect(await can("has_table_privilege('reader', 'stock.items', 'SELECT')")).toBe(true);
    expect(await can("has_table_privilege('reader', 'stock.items', 'INSERT')")).toBe(false);

    const [, , tables] = made;
    const more = { ...grants[2][0], privileges: ["SELECT", "INSERT"] };
    const updated = await converge("grant", more, tables);
    expect(updated).toMatchObject({ changes: ["privileges"] });
    expect(await can("has_table_privilege('reader', 'stock.items', 'INSERT')")).toBe(true);
    await server.query("REVOKE INSERT ON stock.items FROM reader", "Shop-1");
    const found = await provider.read(ref("grant"), updated.id, more, updated.outputs);
    expect(found?.outputs.privileges).toEqual(["SELECT"]);

    const replaced = await provider.diff(ref("grant"), "", {}, updated.outputs, {
      ...more,
      schema: "public",
    });
    expect(replaced).toEqual({ changes: ["schema"], replaces: ["schema"], deleteBeforeReplace: true });

    for (const grant of made) await provider.delete(ref("grant"), grant.id, {}, grant.outputs, 20);
    expect(await can("has_table_privilege('reader', 'stock.items', 'SELECT')")).toBe(false);
    const holder = server.query("SELECT pg_sleep(30)", "Shop-1").catch((error: Error) => error.message);
    await provider.delete(ref("database"), database.id, {}, database.outputs, 20);
    expect(await holder).toMatch(/terminat/);
    expect(await provider.read(ref("extension"), extension.id, {}, extension.outputs)).toBeUndefined();
    await provider.delete(ref("extension"), extension.id, {}, extension.outputs, 20);
    for (const role of [owner, reader]) await provider.delete(ref("role"), role.id, {}, role.outputs, 20);
  });

  test("a database changes its name, owner and limits in place; its template and collation do not", async () => {
    const made = await converge("database", { name: "first" });
    const heir = await converge("role", { name: "heir" });
    const news = { name: "second", owner: "heir", connectionLimit: 9, allowConnections: false };
    const changed = await converge("database", news, made);
    expect(changed.outputs).toMatchObject(news);
    const diff = await provider.diff(ref("database"), "second", {}, changed.outputs, {
      ...news,
      lcCollate: "C",
    });
    expect(diff.replaces).toEqual(["lcCollate"]);
    await provider.delete(ref("database"), changed.id, {}, changed.outputs, 20);
    await provider.delete(ref("role"), heir.id, {}, heir.outputs, 20);
  });

  test("a failure names the server and says what it said, without the password", async () => {
    const inputs = { name: "postgres", password: "a-password-never-to-be-seen" };
    const failure = await provider.create(ref("role"), inputs, 20).then(
      () => expect.fail("did not throw"),
      (error: Error) => error.message,
    );
    expect(failure).toBe(
      `PostgreSQL at ${server.host}:${server.port}, database "postgres": could not create role "postgres": ` +
        'role "postgres" already exists',
    );
  });

  test("waits for no lock longer than its deadline", async () => {
    const holder = server.query("SELECT pg_advisory_lock(hashtext('postgresql provider')), pg_sleep(3)");
    await new Promise((resolve) => setTimeout(resolve, 300));
    await expect(provider.create(ref("role"), { name: "late" }, 1)).rejects.toThrow(
      "could not wait for the changes before this one: not done within 1 s",
    );
    await holder;
  });
});
