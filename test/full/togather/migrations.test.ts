import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, describe, expect, test } from "vitest";
import { decorate, deployCommittedVersion, dumpAll, opsOk, rehearsal, sql } from "../database.ts";
import { leftovers } from "../leftovers.ts";
import { expectSameDump } from "../same-dump.ts";
import { scenarios } from "../search.ts";
import { lab, labOk, onMachine, ops, startLab, togather } from "../support.ts";
import { printFailure } from "../tables.ts";
import { expectNoFailure, underLoad } from "../under-load.ts";

/** Migrations that fail, a probe that fails, and going back to a version that is older than the database. */

scenarios();
afterAll(deployCommittedVersion);

const version = (name: string) => ["--set", `togather:app.version=${name}`];
const schema = () => sql("SELECT version, dirty FROM schema_migrations");
const jobs = () => onMachine("docker service ls --quiet --filter mode=replicated-job");

describe("a migration that fails", () => {
  test("leaves the whole cluster as it was, dump for dump", async () => {
    await labOk("up", ...version("v1.0.0"));
    await decorate();
    const before = await dumpAll();
    const failed = await lab("up", ...version("broken-migration"));
    const after = await dumpAll();
    printFailure("the failed run", failed);
    expect(failed.exitCode).not.toBe(0);
    expect(failed.output).toContain("were rehearsed on a copy of the database and failed there");
    expect(failed.output).toContain("at schema version 3; the old version serves");
    // golang-migrate's own words: what went through before, and what did not.
    expect(failed.output).toMatch(/4\/u source/);
    expect(failed.output).toContain('column "nobody_made_this_column" does not exist');
    expect(before).toContain("GRANT CONNECT,TEMPORARY ON DATABASE togather TO reader WITH GRANT OPTION");
    expect(after.length).toBeGreaterThan(10_000);
    expectSameDump(after, before);
    expect(after === before, "the same lines in the same order").toBe(true);
    expect(await rehearsal()).toBe("");
    expect(await jobs()).toBe("");
  });

  test("costs no request, and the next up heals", async () => {
    const before = await togather();
    const schemaBefore = await dumpAll("--schema-only");
    const { result, load } = await underLoad("a migration that fails, then v2.0.0", async () => {
      const failed = await lab("up", ...version("broken-migration"));
      const between = await togather();
      const schemaBetween = await dumpAll("--schema-only");
      const recorded = await schema();
      const healed = await labOk("up", ...version("v2.0.0"));
      return { failed, between, schemaBetween, recorded, healed };
    });
    expect(result.failed.exitCode).not.toBe(0);
    expect(result.between.slot).toBe(before.slot);
    expectSameDump(result.schemaBetween, schemaBefore);
    expect(result.recorded).toBe("3|f");
    expectNoFailure(load);
    expect(await schema()).toBe("4|f");
    expect(await togather()).toMatchObject({ version: "v2.0.0" });
    expect(await rehearsal()).toBe("");
    expect(await leftovers()).toEqual([]);
  });

  test("on the database itself, after a good rehearsal: rolled back, not dirty, and the way back is named", async () => {
    const before = await togather();
    const { result: failed, load } = await underLoad("a migration that fails on the database alone", () =>
      lab("up", ...version("broken-migration-live")),
    );
    printFailure("the failed run", failed);
    expect(failed.exitCode).not.toBe(0);
    expect(failed.output).toContain("fails on the database itself, on purpose");
    expect(failed.output).toContain("Failed: 000005_broken_live.up.sql. It was rolled back");
    expect(failed.output).toMatch(/npm run ops -- restore togather togather_production_\d{8}_\d{6}\.tar/);
    // Nothing went before it, so there is nothing to reverse.
    expect(failed.output).not.toContain("npm run ops -- reverse-migration");
    expect(await schema()).toBe("4|f");
    expect((await togather()).slot).toBe(before.slot);
    expectNoFailure(load);
    await labOk("up", ...version("v2.0.0"));
    expect(await leftovers()).toEqual([]);
  });

  test("a schema that is marked dirty is explained and left alone, until somebody says what it is", async () => {
    await sql("UPDATE schema_migrations SET dirty = true");
    const failed = await lab("up", ...version("v2.1.0"));
    expect(failed.exitCode).not.toBe(0);
    expect(failed.output).toContain("marked dirty at version 4");
    expect(failed.output).toContain("npm run ops -- restore togather <snapshot>");
    expect(await schema()).toBe("4|t");
    const wrong = await ops("clear-dirty-flag", "togather", "--at", "7", "--yes");
    expect(wrong.output).toContain("has no schema version 7; it has: 0 1 2 3 4");
    await opsOk("clear-dirty-flag", "togather", "--at", "4", "--yes");
    expect(await schema()).toBe("4|f");
    await labOk("up", ...version("v2.0.0"));
    expect(await leftovers()).toEqual([]);
  });
});

describe("the probe", () => {
  const quick = ["graceSeconds=10", "attempts=3", "intervalSeconds=2"].flatMap((each) => [
    "--set",
    `togather:probe.${each}`,
  ]);
  test.each([
    [
      "broken-health-database",
      /FAILED +database: "disconnected", needs "connected"/,
      /FAILED +HTTP status: 503/,
    ],
    [
      "broken-health-migrations",
      /FAILED +migrations: "pending", needs "up-to-date"/,
      /FAILED +HTTP status: 503/,
    ],
    ["broken-health-unknown", /FAILED +migrations: "unknown", needs "up-to-date"/, /ok +HTTP status: 200/],
    ["broken-health-jobs", /FAILED +jobs: "degraded", needs "operational"/, /ok +HTTP status: 200/],
    ["broken-health-status", /FAILED +status: "degraded", needs "healthy"/, /ok +jobs: operational/],
  ])("%s: the message names the field", async (name, field, other) => {
    const before = await togather();
    // With the schema of these versions, which is older than the database's by now.
    const acknowledged = ["--set", `togather:migrations.skipFor=${name}`];
    const { result: failed, load } = await underLoad(`a probe that fails: ${name}`, () =>
      lab("up", ...version(name), ...quick, ...acknowledged),
    );
    printFailure(name, failed);
    expect(failed.exitCode).not.toBe(0);
    expect(failed.output).toMatch(/within 10 s of grace and 3 attempts of 2 s/);
    expect(failed.output).toMatch(field);
    expect(failed.output).toMatch(other);
    expect((await togather()).slot).toBe(before.slot);
    expectNoFailure(load);
  });

  test("compares the schema with what the image ships", async () => {
    await sql("UPDATE schema_migrations SET version = 3");
    try {
      const failed = await lab(
        "up",
        ...version("v2.3.0"),
        ...quick,
        "--set",
        "togather:migrations.skipFor=v2.3.0",
      );
      expect(failed.exitCode).not.toBe(0);
      expect(failed.output).toMatch(/FAILED +migration version: 3, needs 4 or newer/);
    } finally {
      await sql("UPDATE schema_migrations SET version = 4");
    }
    await labOk("up", ...version("v2.0.0"));
    expect(await leftovers()).toEqual([]);
  });
});

describe("going back to a version whose schema is older than the database's", () => {
  const keep = (name: string) => [...version(name), "--set", `togather:migrations.skipFor=${name}`];

  test("is refused before a slot is made, with the choice", async () => {
    const before = await togather();
    expect(before.version).toBe("v2.0.0");
    const slots = await onMachine("docker service ls --format '{{.Name}}' | sort");
    const refused = await lab("up", ...version("v1.0.0"));
    printFailure("the refusal", refused);
    expect(refused.exitCode).not.toBe(0);
    expect(refused.output).toContain("at version 4, and v1.0.0 ships version 3");
    for (const choice of [
      "npx pulumi config set --path togather:migrations.skipFor v1.0.0 --stack production",
      "npm run ops -- reverse-migration togather --to 3 --stack production",
      "npm run ops -- restore togather <snapshot> --as-it-was --stack production",
    ])
      expect(refused.output).toContain(choice);
    expect(await onMachine("docker service ls --format '{{.Name}}' | sort")).toBe(slots);
    expect(await togather()).toEqual(before);
  });

  test("keeping the newer schema: no request fails, and a second up changes nothing", async () => {
    const { load } = await underLoad("going back on the newer schema", () => labOk("up", ...keep("v1.0.0")));
    expectNoFailure(load);
    expect(await togather()).toMatchObject({ version: "v1.0.0" });
    expect(await schema()).toBe("4|f");
    await labOk("preview", ...keep("v1.0.0"), "--expect-no-changes");
  });

  test("then reversing the migration: no request fails, and the acknowledgement can go", async () => {
    const { result, load } = await underLoad("reversing while the old version serves", () =>
      opsOk("reverse-migration", "togather", "--to", "3", "--yes"),
    );
    // Shown for review before anything runs.
    expect(result.output).toContain("ALTER TABLE events DROP COLUMN source;");
    expectNoFailure(load);
    expect(await schema()).toBe("3|f");
    expect(
      await sql(
        "SELECT count(*) FROM pg_attribute WHERE attrelid = 'events'::regclass AND attname = 'source' AND NOT attisdropped",
      ),
    ).toBe("0");
    await labOk("up", ...version("v1.0.0"));
    expect(await rehearsal()).toBe("");
    expect(await leftovers()).toEqual([]);
  });

  test("restoring the snapshot from before", async () => {
    const { stdout } = await opsOk("snapshot", "togather", "--json");
    const { snapshot } = JSON.parse(stdout) as { snapshot: string };
    await labOk("up", ...version("v2.0.0"));
    await labOk("up", ...keep("v1.0.0"));
    const { load } = await underLoad("restoring while the old version serves", () =>
      opsOk("restore", "togather", snapshot, "--yes"),
    );
    process.stdout.write(`failed during the exchange: ${load.failures} of ${load.requests}\n`);
    expectNoFailure(load);
    expect(await schema()).toBe("3|f");
    await labOk("up", ...version("v1.0.0"));
    expect(await leftovers()).toEqual([]);
  });

  test("straight on: the schema first, the version after it", async () => {
    await labOk("up", ...version("v2.0.0"));
    await opsOk("reverse-migration", "togather", "--to", "3", "--yes");
    await labOk("up", ...version("v1.0.0"));
    expect(await togather()).toMatchObject({ version: "v1.0.0" });
    expect(await leftovers()).toEqual([]);
  });

  test("by a switch alone: refused with the same choice, until somebody has chosen", async () => {
    const keepSlot = ["--set", "togather:app.keepPreviousMinutes=60"];
    await labOk("up", ...version("v1.0.0"), ...keepSlot);
    await labOk("up", ...version("v2.0.0"), ...keepSlot);
    const refused = await ops("back", "togather");
    process.stdout.write(`${refused.output}\n`);
    expect(refused.exitCode).toBe(1);
    expect(refused.output).toContain(
      "togather_app: v1.0.0 expects schema version 3, and what serves has brought the database to 4. Nothing was changed.",
    );
    expect(await togather()).toMatchObject({ version: "v2.0.0" });
    const { load } = await underLoad("back by a switch alone, on the newer schema", () =>
      opsOk("back", "togather", "--newer-schema"),
    );
    expectNoFailure(load);
    const last = load.versions.toSorted((one, another) => one.lastSecond - another.lastSecond).at(-1);
    expect(last?.version).toBe("v1.0.0");
    await opsOk("reverse-migration", "togather", "--to", "3", "--yes");
    await labOk("up", ...version("v1.0.0"));
    expect(await leftovers()).toEqual([]);
  });
});

describe("kill -9 in a rehearsal", () => {
  test("the next up goes on from there: the schema once, nothing left over, no request fails", async () => {
    await labOk("up", ...version("v1.0.0"));
    const { result, load } = await underLoad("killed in the rehearsal, then again", async () => {
      const running = startLab(["up", ...version("v2.0.0")]);
      let ended = false;
      void running.done.then(() => {
        ended = true;
      });
      while (!ended && (await rehearsal()) === "") await sleep(200);
      running.kill();
      return { killed: await running.done, next: await labOk("up", ...version("v2.0.0")) };
    });
    expect(result.killed.exitCode, result.killed.output.slice(-3000)).toBeNull();
    expect(result.next.output).toContain("An earlier run was interrupted");
    expectNoFailure(load);
    expect(await schema()).toBe("4|f");
    expect(await togather()).toMatchObject({ version: "v2.0.0" });
    expect(await rehearsal()).toBe("");
    expect(await jobs()).toBe("");
    expect(await leftovers()).toEqual([]);
  });
});
