import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, describe, expect, test } from "vitest";
import { mfa } from "../../../stacks/mfa.ts";
import { plantedCanaries } from "../canaries.ts";
import { sql } from "../database.ts";
import { leftovers } from "../leftovers.ts";
import { scenariosOf } from "../search.ts";
import { home, type LabRun, labOk, nameOf, onMachine, service } from "../support.ts";
import { mfaSystem, set } from "../systems.ts";
import { printTable } from "../tables.ts";
import { expectNoFailure, underLoad } from "../under-load.ts";

/**
 * Each of the eleven secrets rotated under load: nine that a person sets, and Berth's two. No request fails, and what was replaced is in no
 * container any more; the search for canaries after each test looks for it everywhere else.
 */

scenariosOf(mfaSystem);

const rows: (string | number)[][] = [];
afterAll(() =>
  printTable("rotations under load", ["secret", "seconds", "requests", "failed", "longest gap (ms)"], rows),
);

/** The secrets as the containers have them, by container and file. */
async function mounted(): Promise<Map<string, string>> {
  const said = await onMachine(
    `for service in app worker postgres redis; do
  for container in $(docker ps --quiet --filter label=berth.resource=mfa_$service); do
    docker exec --user 0 "$container" sh -c 'cd /run/secrets 2>/dev/null && for file in *; do printf "%s %s\\n" "$file" "$(base64 <"$file" | tr -d "\\n")"; done' | sed "s/^/$service /"
  done
done`,
    120,
  );
  return new Map(
    said
      .trim()
      .split("\n")
      .map((line) => {
        const [of = "", file = "", value = ""] = line.split(" ");
        return [`${of} ${file}`, Buffer.from(value, "base64").toString()];
      }),
  );
}

/** Files whose content is another one than before. */
const changed = (before: ReadonlyMap<string, string>, after: ReadonlyMap<string, string>) =>
  [...after].flatMap(([file, value]) => (before.get(file) === value ? [] : [file])).sort();

/** Swarm's secrets of a service, a line each: one of every name. */
async function expectOneOfEach(): Promise<void> {
  const names = await onMachine(
    `docker secret ls --quiet | xargs docker secret inspect --format '{{index .Spec.Labels "berth.resource"}}'`,
  );
  const all = names.trim().split("\n");
  expect(all.toSorted()).toEqual([...new Set(all)].toSorted());
}

const variable = (key: string) => key.replace(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase();
const both = ["airtableAccessToken", "airtableBaseId"];

describe("a secret that a person sets", () => {
  test.each(Object.keys(mfa.secrets))("%s: no request fails, and the old value is gone", async (key) => {
    const before = await mounted();
    const { result, load } = await underLoad(`mfa:${key}`, () => labOk("up", "--rotate", `mfa:${key}`));
    rows.push([key, result.seconds.toFixed(1), load.requests, load.failures, load.longestGapMs]);
    expectNoFailure(load);
    const after = await mounted();
    const files = ["app", ...(both.includes(key) ? ["worker"] : [])].map((of) => `${of} ${variable(key)}`);
    expect(changed(before, after)).toEqual(files.sort());
    for (const file of files) expect([...after.values()]).not.toContain(before.get(file));
    const canary = plantedCanaries(home.stateDir).filter((each) => each.key === `mfa:${key}`);
    // A port is too short to be searched for.
    if (key !== "smtpPort") expect(canary.length).toBeGreaterThan(1);
    await expectOneOfEach();
    expect(await leftovers()).toEqual([]);
  });
});

describe("the database's password", () => {
  const up = (generation: number) => labOk("up", ...set(`mfa:postgres.passwordGeneration=${generation}`));
  const logins = () =>
    sql("SELECT rolname FROM pg_roles WHERE rolcanlogin AND rolname LIKE 'mfa%' ORDER BY 1");

  test("is a login role of its own under one owner role: both are there meanwhile, no query fails", async () => {
    const seen = new Set<string>();
    let before = await mounted();
    const errorsBefore = await queryErrors();
    for (const generation of [2, 3]) {
      const { result, load } = await underLoad(`password ${generation}`, async () => {
        const running: { done: boolean; run: LabRun | undefined } = { done: false, run: undefined };
        const run = up(generation).finally(() => {
          running.done = true;
        });
        while (!running.done) {
          const sessions = await sql(
            "SELECT usename || ' acts as ' || (SELECT rolname FROM pg_roles WHERE oid = datdba) || ': ' || count(*) FROM pg_stat_activity JOIN pg_database USING (datname) WHERE datname = 'mfa' AND usename LIKE 'mfa%' GROUP BY usename, datdba ORDER BY 1",
          ).catch(() => "");
          if (sessions !== "") seen.add(sessions.replaceAll("\n", "; "));
          await sleep(500);
        }
        return run;
      });
      rows.push([
        `database password, generation ${generation}`,
        result.seconds.toFixed(1),
        load.requests,
        load.failures,
        load.longestGapMs,
      ]);
      expectNoFailure(load);
      expect(await logins()).toBe(`mfa_login_${generation}`);
      const after = await mounted();
      expect(changed(before, after)).toEqual(["app DATABASE_URL", "worker DATABASE_URL"]);
      for (const value of after.values()) expect(value).not.toBe(before.get("app DATABASE_URL"));
      before = after;
    }
    printTable(
      "sessions while it changed",
      ["login and owner"],
      [...seen].map((each) => [each]),
    );
    expect(
      [...seen].some((each) => /mfa_login_2 .*mfa_login_3 /.test(each)),
      "two login roles at once",
    ).toBe(true);
    expect(await queryErrors()).toBe(errorsBefore);
    // What was made under any login belongs to the owner.
    expect(await sql("SELECT DISTINCT tableowner FROM pg_tables WHERE schemaname = 'public'")).toBe("mfa");
    expect(await leftovers()).toEqual([]);
  });

  test("of the superuser restarts the server: the preview says so, and what fails is bounded", async () => {
    const settings = set("mfa:postgres.passwordGeneration=3", "mfa:postgres.superuserPasswordGeneration=2");
    const before = await mounted();
    const { result, load } = await underLoad("the superuser's password", () => labOk("up", ...settings));
    rows.push([
      "superuser's password",
      result.seconds.toFixed(1),
      load.requests,
      load.failures,
      load.longestGapMs,
    ]);
    expect(result.output).toContain("mfa_postgres restarts in this run");
    const after = await mounted();
    const files = changed(before, after).filter((file) => file.startsWith("postgres "));
    expect(files).toHaveLength(1);
    for (const file of files) expect([...after.values()]).not.toContain(before.get(file));
    const failing = load.timeline.flatMap(({ failures }, second) => (failures > 0 ? [second] : []));
    expect((failing.at(-1) ?? 0) - (failing[0] ?? 0)).toBeLessThan(60);
    await expectOneOfEach();
    expect((await service()).healthy).toBe(true);
  });
});

/** What the server says of statements and logins that failed, in its own log. */
async function queryErrors(): Promise<string> {
  return onMachine(
    `docker logs "$(docker ps --quiet --filter label=berth.resource=${nameOf("postgres")})" 2>&1 | grep --count -E '(ERROR|FATAL):' || true`,
  );
}
