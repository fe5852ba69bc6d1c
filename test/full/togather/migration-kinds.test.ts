import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ensureDocker } from "../../../lab/docker/index.ts";
import { build } from "../../../lab/images/outer.ts";
import { deployCommittedVersion, opsOk, rehearsal, sql } from "../database.ts";
import { leftovers } from "../leftovers.ts";
import { scenarios } from "../search.ts";
import { home, lab, labOk, onMachine, togather } from "../support.ts";
import { printFailure } from "../tables.ts";
import { expectNoFailure, underLoad } from "../under-load.ts";

/** Migrations of several kinds: golang-migrate, a command in an image of its own, a command that has no version. */

scenarios();
afterAll(deployCommittedVersion);

const migrators = "togather/test-migrators:1";
beforeAll(async () => {
  const docker = await ensureDocker(home, () => undefined);
  const [newest] = (
    await docker.client.listImages({ filters: { reference: ["berth-lab/postgres"] } })
  ).toSorted((one, other) => other.Created - one.Created);
  const base = newest?.RepoTags?.[0];
  if (base === undefined) throw new Error("the lab has built no image of Postgres, so nothing has psql");
  await build(
    docker,
    {
      folder: fileURLToPath(new URL("migrators", import.meta.url)),
      tag: migrators,
      args: { BASE: base },
      what: "building an image of migrators",
      deadlineSeconds: 120,
    },
    () => undefined,
  );
});

const golangMigrate = { kind: "golang-migrate", folder: "/app/internal/storage/postgres/migrations" };
const queue = (version: number, failsOn?: string) => ({
  ...{ kind: "command", name: "queue", image: { name: "togather/migrations", version: "1" } },
  command: ["queue-migrations", "up", String(version), ...(failsOn === undefined ? [] : [failsOn])],
  upToDate: ["queue-migrations", "check", String(version)],
  version: { query: "SELECT max(version) FROM queue_migrations" },
});
/** In the release's image; it finds its database by DATABASE_URL, and says no version. */
const seed = {
  ...{
    kind: "command",
    name: "seed",
    secrets: ["JWT_SECRET"],
    environment: { SEED_NAME: "seed of @DATABASE@", NODE_PATH: "/opt/stand-in/node_modules" },
  },
  command: [
    "node",
    "--eval",
    `const { Client } = require("pg");
     const client = new Client({ connectionString: process.env.DATABASE_URL });
     if ((process.env.JWT_SECRET ?? "") === "") throw new Error("no secret");
     client.connect()
       .then(() => client.query("CREATE TABLE IF NOT EXISTS seeds (name text)"))
       .then(() => client.query("INSERT INTO seeds VALUES ($1)", [process.env.SEED_NAME]))
       .then(() => client.end());`,
  ],
};

const release = (version: string, steps: readonly unknown[], ...more: string[]) => [
  ...["--image", `togather/migrations=${migrators}`],
  ...["--set", 'berth:images["togather/migrations"].repository=registry.example/migrations'],
  ...[
    "--set",
    `togather:app.version=${version}`,
    "--set",
    `togather:migrations.steps=${JSON.stringify(steps)}`,
  ],
  ...more.flatMap((each) => ["--set", each]),
];
const versions = async () => [
  await sql("SELECT version, dirty FROM schema_migrations"),
  (await sql("SELECT to_regclass('queue_migrations')")) === ""
    ? "none"
    : await sql("SELECT coalesce(max(version), 0) FROM queue_migrations"),
  (await sql("SELECT to_regclass('seeds')")) === ""
    ? "none"
    : (await sql("SELECT name FROM seeds ORDER BY 1")).replaceAll("\n", ","),
];
const log = () => onMachine("sudo sh -c 'cat $(ls -t /var/log/togather/deployments/*.log | head -n 1)'");

describe("migrations of every kind", () => {
  test("are applied in order, though the first has nothing to apply; no request fails, and nothing is left to do", async () => {
    await labOk("up", "--set", "togather:app.version=v1.0.0");
    const steps = [golangMigrate, queue(2), seed];
    const { load } = await underLoad("three kinds of migrations", () =>
      labOk("up", ...release("v1.1.0", steps)),
    );
    expectNoFailure(load);
    expect(await versions()).toEqual(["3|f", "2", "seed of togather"]);
    const said = await log();
    expect(said).toContain("schema: nothing to apply");
    expect(said).toContain("rehearsed on a copy restored from togather_production_");
    expect(said).toContain("applied: queue to version 2, seed");
    expect(await rehearsal()).toBe("");
    await labOk("preview", ...release("v1.1.0", steps), "--expect-no-changes");
    expect(await leftovers()).toEqual([]);
  });

  test("a second step that fails in the rehearsal leaves everything as it was", async () => {
    const before = await togather();
    const failed = await lab("up", ...release("v2.0.0", [golangMigrate, queue(3, "togather_rehearsal")]));
    printFailure("the failed run", failed);
    expect(failed.exitCode).not.toBe(0);
    expect(failed.output).toContain("were rehearsed on a copy of the database and failed there (queue)");
    expect(failed.output).toContain("at schema version 3, queue version 2; the old version serves");
    expect(failed.output).toContain('column "this_fails_on_purpose" does not exist');
    expect(await versions()).toEqual(["3|f", "2", "seed of togather"]);
    expect((await togather()).slot).toBe(before.slot);
    expect(await rehearsal()).toBe("");
  });

  test("a second step that fails on the database alone names what went before; the next up goes on from there", async () => {
    const before = await togather();
    const { result: failed, load } = await underLoad("a second step that fails", () =>
      lab("up", ...release("v2.0.0", [golangMigrate, queue(3, "togather")])),
    );
    printFailure("the failed run", failed);
    expect(failed.exitCode).not.toBe(0);
    expect(failed.output).toContain("Failed: queue.");
    expect(failed.output).toContain("Applied before it: schema to version 4");
    expect(failed.output).toContain("npm run ops -- reverse-migration togather --to 3");
    expect(failed.output).toMatch(/npm run ops -- restore togather togather_production_\d{8}_\d{6}\.tar/);
    expect(await versions()).toEqual(["4|f", "2", "seed of togather"]);
    expect((await togather()).slot).toBe(before.slot);
    expectNoFailure(load);
    await labOk("up", ...release("v2.0.0", [golangMigrate, queue(3)]));
    expect(await versions()).toEqual(["4|f", "3", "seed of togather"]);
    expect(await leftovers()).toEqual([]);
  });

  test("without their rehearsal, for one version, which preview says", async () => {
    const args = release("v2.1.0", [golangMigrate, queue(4)], "togather:migrations.skipRehearsalFor=v2.1.0");
    const preview = await labOk("preview", ...args);
    expect(preview.output).toContain("the migrations of v2.1.0 run without a rehearsal");
    await labOk("up", ...args);
    expect(await versions()).toEqual(["4|f", "4", "seed of togather"]);
    expect(await log()).toContain("not rehearsed: togather:migrations.skipRehearsalFor is v2.1.0");
    expect(await log()).not.toContain("rehearsed on a copy");
    const next = await lab(
      "preview",
      ...release("v2.2.0", [golangMigrate], "togather:migrations.skipRehearsalFor=v2.1.0"),
    );
    expect(next.exitCode).not.toBe(0);
    expect(next.output).toContain("npx pulumi config rm --path togather:migrations.skipRehearsalFor");
  });

  test("a restore brings a snapshot along by every step; reversing is golang-migrate's", async () => {
    const { stdout } = await opsOk("snapshot", "togather", "--json");
    const { snapshot } = JSON.parse(stdout) as { snapshot: string };
    await labOk("up", ...release("v2.3.0", [golangMigrate, queue(5)]));
    await opsOk("restore", "togather", snapshot, "--yes");
    expect(await versions()).toEqual(["4|f", "5", "seed of togather"]);
    await opsOk("reverse-migration", "togather", "--to", "3", "--yes");
    expect(await versions()).toEqual(["3|f", "5", "seed of togather"]);
    await labOk("up", "--set", "togather:app.version=v1.2.0");
    expect(await leftovers()).toEqual([]);
  });
});
