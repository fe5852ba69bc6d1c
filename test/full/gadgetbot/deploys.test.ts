import { readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import { loadMix } from "../../../lab/apps/index.ts";
import { type LoadReport, renderReport, startLoad } from "../../../lab/load/index.ts";
import { authorityFile } from "../../../lab/stack/certificate.ts";
import { authDomain, Browser, domain, sender, sessionAtApp, signInAtApp } from "../../lab/gadgetbot-lab.ts";
import { leftovers } from "../leftovers.ts";
import { scenariosOf } from "../search.ts";
import { home, type LabRun, lab, labOk, onMachine, ops, service } from "../support.ts";
import { gadgetbotSystem, set } from "../systems.ts";
import { printFailure, printSteps, printTable } from "../tables.ts";

/** GadgetBot's app is deployed any number of times without a trace at Zitadel, and Zitadel is upgraded while the app serves. */

scenariosOf(gadgetbotSystem);

/** Requests a second of each of the two loads; BERTH_TEST_RATE says fewer where the machine has other work. */
const requestsPerSecond = Math.min(Number(process.env.BERTH_TEST_RATE ?? 100), 100);
const auth = ["zitadel", "login"].flatMap((name) => loadMix("gadgetbot", name));
const zitadelVersion = (version: string) =>
  set(`gadgetbot:zitadel.version=${version}`, `gadgetbot:login.version=${version}`);

let visitor: Browser;

function person() {
  const made = JSON.parse(readFileSync(join(home.stateDir, "secrets-production.json"), "utf8"));
  return { loginName: `admin@gadgetbot.${authDomain}`, password: made["gadgetbot:zitadelAdminPassword"] };
}

/** Runs `work` under a load on the app and one on Zitadel with its login, and prints both. */
async function underBothLoads<T>(title: string, work: () => Promise<T>) {
  const { address } = await service();
  const common = {
    ...{ home, address, caPem: readFileSync(authorityFile(home), "utf8") },
    ...{ seconds: 3000, requestsPerSecond, clients: 2 },
  };
  const app = await startLoad({ ...common, domain, requests: loadMix("gadgetbot") });
  const other = await startLoad({ ...common, domain: authDomain, requests: auth, firstClient: 2 });
  let result: T;
  try {
    await sleep(2000);
    result = await work();
    await sleep(2000);
  } finally {
    process.stdout.write(`\n## ${title}: the app\n${renderReport(await app.stop())}\n`);
    process.stdout.write(`\n## ${title}: Zitadel and its login\n${renderReport(await other.stop())}\n`);
  }
  return { result, loads: [await app.done, await other.done] as const };
}

function expectNoFailures(loads: readonly LoadReport[]): void {
  for (const { failureKinds, failures, requests, seconds } of loads) {
    expect(failureKinds).toEqual([]);
    expect(failures).toBe(0);
    expect(requests / seconds).toBeGreaterThan(requestsPerSecond * 0.95);
  }
}

/** Containers and tasks of services, by the ids that Docker and Swarm give each. */
const running = (...services: readonly string[]) =>
  onMachine(
    `for each in ${services.join(" ")}; do docker ps --no-trunc --filter label=berth.resource=gadgetbot_$each --format '{{.Label "com.docker.swarm.task.id"}} {{.ID}}'; done`,
  );

async function expectSession(): Promise<void> {
  expect(await sessionAtApp(visitor)).toMatchObject({ user: { email: person().loginName } });
}

describe("the app", () => {
  test("has an application at Zitadel, and somebody signs in", async () => {
    const { address } = await service();
    visitor = new Browser(sender({ address, caFile: authorityFile(home) }));
    await signInAtApp(visitor, person());
    await expectSession();
  });

  test("is deployed ten times: no request fails there or at Zitadel, whose tasks and containers are the same ones; the session stays", async () => {
    const others = () => running("zitadel", "login", "zitadeldb", "postgres");
    const before = await others();
    expect(before.split("\n")).toHaveLength(4);
    const { result: runs, loads } = await underBothLoads("ten deploys of the app", async () => {
      const made: LabRun[] = [];
      for (let number = 1; number <= 10; number += 1) {
        made.push(await labOk("up", ...set(`gadgetbot:app.version=v1.${number}.0`)));
        await expectSession();
      }
      return made;
    });
    if (runs[0] !== undefined) printSteps("the first of them", runs[0]);
    printTable(
      "ten deploys of the app",
      ["version", "seconds"],
      runs.map((run, index) => [`v1.${index + 1}.0`, run.seconds.toFixed(1)]),
    );
    expectNoFailures(loads);
    expect(loads[0].versions).toHaveLength(11);
    expect(loads[1].versions.map(({ version }) => version)).toEqual(["v4.17.3"]);
    expect(await others()).toBe(before);
    expect(await leftovers()).toEqual([]);
  });
});

describe("Zitadel", () => {
  const app = set("gadgetbot:app.version=v1.10.0");
  const up = (version: string, ...more: readonly string[]) => [
    ...["up", ...app, ...zitadelVersion(version), ...more],
  ];

  test("a version that does not become healthy changes nothing, and nobody notices", async () => {
    const before = await running("zitadel", "login", "app");
    const patience = set('gadgetbot:probe={"graceSeconds":5,"attempts":5,"intervalSeconds":2}');
    const { result, loads } = await underBothLoads("an upgrade of Zitadel that fails", () =>
      lab(...up("broken-health-v5.0.0", ...patience)),
    );
    printFailure("an upgrade of Zitadel that fails", result);
    expect(result.exitCode).not.toBe(0);
    expect(result.output).toMatch(/gadgetbot_zitadel-\w+ did not become healthy/);
    expectNoFailures(loads);
    expect(await running("zitadel", "login", "app")).toContain(before.split("\n")[0]);
    await expectSession();
    await labOk(...up("v4.17.3"));
  });

  test("an upgrade of Zitadel: a snapshot, setup on a copy, health gate, switch; no request fails, sessions stay", async () => {
    const before = await running("app", "postgres", "zitadeldb");
    const { result, loads } = await underBothLoads("an upgrade of Zitadel", () => labOk(...up("v5.0.0")));
    printSteps("an upgrade of Zitadel", result);
    expectNoFailures(loads);
    expect(loads[1].versions.map(({ version }) => version)).toEqual(["v4.17.3", "v5.0.0"]);
    expect(await running("app", "postgres", "zitadeldb")).toBe(before);
    expect((await ops("snapshots", "gadgetbot", "--database", "zitadel")).output).toMatch(/zitadel.*\.tar/);
    expect(await zitadelSteps()).toBe("1,2,3,4");
    await expectSession();
    await visitor.post(`https://${domain}/api/auth/sign-out`, {});
    // Zitadel's own session is in its database.
    await signInAtApp(visitor, { ...person(), password: "not asked for" });
    await expectSession();
    expect(await leftovers()).toEqual([]);
  });

  test("the way back is the version before, which serves with the newer setup; no request fails", async () => {
    const { result, loads } = await underBothLoads("the way back", () => labOk(...up("v4.17.3")));
    printSteps("the way back", result);
    expectNoFailures(loads);
    expect(loads[1].versions.map(({ version }) => version)).toEqual(["v5.0.0", "v4.17.3"]);
    expect(await zitadelSteps()).toBe("1,2,3,4");
    await expectSession();
    expect(await leftovers()).toEqual([]);
  });
});

/** The steps of its setup that Zitadel's database has. */
const zitadelSteps = () =>
  onMachine(
    `docker exec $(docker ps --quiet --filter label=berth.resource=gadgetbot_zitadeldb) psql --username postgres --dbname zitadel -Atc "SELECT string_agg(step::text, ',' ORDER BY step) FROM setup_steps"`,
  );
