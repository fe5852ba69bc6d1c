import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import { sql } from "../database.ts";
import { leftovers } from "../leftovers.ts";
import { scenariosOf } from "../search.ts";
import { lab, labOk, nameOf, onMachine, ops, service, setting } from "../support.ts";
import { mfaSystem, set } from "../systems.ts";
import { printFailure, printSteps } from "../tables.ts";
import { expectNoFailure, underLoad } from "../under-load.ts";

/** What MFA's releases have beside those of any system: a worker in the same release, and migrations of its own runner. */

scenariosOf(mfaSystem);

const other = (version: string) => (version === "v1.0.0" ? "v1.1.0" : "v1.0.0");
const tasks = async (slot: string) =>
  (await onMachine(`docker service ps --filter desired-state=running --quiet ${slot} | wc -l`)).trim();

describe("a worker that does not start", () => {
  test("fails the release with its own words: the app and the worker of before go on, no request fails", async () => {
    const before = { app: await service(), worker: await service("worker") };
    const version = other(before.app.version);
    const { result: failed, load } = await underLoad("a worker that does not start", () =>
      lab(
        "up",
        ...setting("version", version),
        ...set('mfa:worker.environment={"LOG_LEVEL":"shouting"}'),
        ...set('mfa:probe={"graceSeconds":5,"attempts":5,"intervalSeconds":2}'),
      ),
    );
    printSteps("a release whose worker does not start", failed);
    printFailure("what it said", failed);
    expect(failed.exitCode).not.toBe(0);
    expect(failed.output).toContain('LOG_LEVEL is \\"shouting\\"; use one of: debug, info, warn, error');
    expect(failed.output).toMatch(new RegExp(`${nameOf("worker")}-\\w+ did not become healthy`));
    expectNoFailure(load);
    expect(load.versions.map((each) => each.version)).toEqual([before.app.version]);
    const after = { app: await service(), worker: await service("worker") };
    expect(after.app.slot).toBe(before.app.slot);
    expect(after.worker.slot).toBe(before.worker.slot);
    expect(await tasks(before.worker.slot)).toBe("1");

    await labOk("up", ...setting("version", version));
    expect((await service("worker")).version).toBe(version);
    expect(await leftovers()).toEqual([]);
  });
});

describe("a migration that waits for a lock", () => {
  test("ends after ten seconds and names who holds it; the old version serves, and the next up applies it", async () => {
    const before = await service();
    // A transaction that somebody has left open: whoever makes a foreign key to the table waits for it.
    const holder = onMachine(
      `container=$(docker ps --quiet --filter label=berth.resource=${nameOf("postgres")})
printf '%s\\n' 'BEGIN;' "INSERT INTO programs (name) VALUES ('somebody');" 'SELECT pg_sleep(600);' |
  docker exec --interactive --env PGAPPNAME=somebody-at-lunch "$container" psql --username postgres --dbname mfa >/dev/null 2>&1 || true`,
      700,
    );
    const pid = () => sql("SELECT pid FROM pg_stat_activity WHERE application_name = 'somebody-at-lunch'");
    while ((await pid()) === "") await sleep(500);
    const blocker = await pid();
    const failed = await lab("up", ...setting("version", "v2.0.0"));
    await sql(`SELECT pg_terminate_backend(${blocker})`);
    await holder;
    printFailure("a migration that waits for a lock", failed);
    expect(failed.exitCode).not.toBe(0);
    expect(failed.output).toContain("canceling statement due to lock timeout");
    expect(failed.output).toMatch(
      new RegExp(
        `process ${blocker} \\(somebody-at-lunch, role postgres, from 127\\.0\\.0\\.1\\): active, its transaction open for \\d+ s; the step waits for programs`,
      ),
    );
    expect((await service()).slot).toBe(before.slot);
    expect(await sql("SELECT count(*) FROM schema_migrations WHERE version = '004_add_notifications'")).toBe(
      "0",
    );

    await labOk("up", ...setting("version", "v2.0.0"));
    // Once, in one transaction with its record.
    expect(await sql("SELECT count(*) FROM schema_migrations WHERE version = '004_add_notifications'")).toBe(
      "1",
    );
    expect(await leftovers()).toEqual([]);
  });
});

test("status shows the worker's last word, the queue and what Redis holds", async () => {
  const { exitCode, stdout, output } = await ops("status");
  expect(exitCode, output).toBe(0);
  const { version } = await service("worker");
  expect(stdout).toMatch(new RegExp(`mfa +sync:status +\\{.*"version":"${version}"`));
  expect(stdout).toMatch(/mfa +jobs in sync:queue +\d+/);
  expect(stdout).toMatch(/mfa +memory of Redis +used_memory_human:\S+, maxmemory_human:128\.00M/);
  expect(stdout).toMatch(/mfa_postgres.*MiB \/ 512MiB/);
});
