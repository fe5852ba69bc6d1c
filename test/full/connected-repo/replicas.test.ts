import { readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { loadMix } from "../../../lab/apps/index.ts";
import { ensureDocker } from "../../../lab/docker/index.ts";
import { type LoadReport, renderReport, startLoad } from "../../../lab/load/index.ts";
import { authorityFile } from "../../../lab/stack/certificate.ts";
import {
  captured,
  domain,
  down,
  home,
  labOk,
  minutes,
  onMachine,
  running,
  sql,
  tasks,
} from "../../lab/connected-repo-lab.ts";
import { until } from "../../lab/until.ts";
import { ArgumentSampler, findCanaries, machineSources, plantedCanaries, stateTexts } from "../canaries.ts";

/** connected-repo under load beside Togather on one host: replicas more and fewer, one killed, a new version, and no secret anywhere. */

/** Requests a second; BERTH_TEST_RATE says fewer where the machine has other work. */
const requestsPerSecond = Number(process.env.BERTH_TEST_RATE ?? 200);
// The load is of two addresses, which the limit of 200 requests a minute would refuse.
const unlimited = [
  "connected-repo:limits={requestsPerMinute: 100000, burst: 10000}",
  // Three replicas of 1 GiB, and three more during a release, do not fit on this server beside Togather.
  "connected-repo:api.memoryMebibytes=512",
];
const up = (...settings: string[]) => labOk("up", [], [...unlimited, ...settings]);
const sampler = new ArgumentSampler();

async function underLoad(title: string, work: () => Promise<unknown>): Promise<LoadReport> {
  const { address } = await running();
  const load = await startLoad({
    ...{ home, address, domain, requests: loadMix("connected-repo") },
    caPem: readFileSync(authorityFile(home), "utf8"),
    ...{ seconds: 3000, requestsPerSecond, clients: 2 },
  });
  try {
    await sleep(2000);
    await work();
    await sleep(2000);
  } finally {
    process.stdout.write(`\n## ${title}\n${renderReport(await load.stop())}\n`);
  }
  return load.done;
}

async function expectTasks(count: number): Promise<void> {
  const { slot } = await running();
  await until(`${count} tasks run`, 240, async () => {
    const states = (await tasks(slot)).filter((state) => state.startsWith("Running"));
    return states.length === count ? true : undefined;
  });
}

describe("connected-repo under load", () => {
  beforeAll(async () => {
    await down();
    sampler.start();
    await labOk("up", ["togather", "connected-repo"], [...unlimited, "connected-repo:api.replicas=1"]);
  }, 25 * minutes);
  afterAll(async () => {
    sampler.stop();
    await labOk("down");
  }, 5 * minutes);

  test("it runs beside Togather on one host, and nothing would change", async () => {
    expect((await running()).healthy).toBe(true);
    expect((await running("togather")).healthy).toBe(true);
    await labOk("preview", ["--expect-no-changes"], [...unlimited, "connected-repo:api.replicas=1"]);
  });

  test("1 replica, then 3, then 2: in place, 0 failed", async () => {
    const before = await running();
    for (const replicas of [3, 2]) {
      const load = await underLoad(`to ${replicas} replicas`, async () => {
        await up(`connected-repo:api.replicas=${replicas}`);
        await expectTasks(replicas);
      });
      expect(load.failureKinds).toEqual([]);
      expect((await running()).slot).toBe(before.slot);
    }
    expect(await sql(`SELECT version, name FROM "schemaMigrations"`)).toBe("0001|initial_schema");
  });

  // What the killed one was answering is lost, and no edge can ask again for what may have been done; nothing else is.
  test("one replica killed: what it was answering fails at most", async () => {
    const load = await underLoad("one of 2 replicas killed", async () => {
      const { slot } = await running();
      await onMachine(
        `docker kill "$(docker ps --quiet --filter label=berth.resource=connected-repo_api | head -n 1)"`,
      );
      await sleep(10_000);
      await expectTasks(2);
      expect((await running()).slot).toBe(slot);
    });
    expect(load.failures).toBeLessThanOrEqual(32);
  });

  test("a new version with a migration: 0 failed, migrated once", async () => {
    const load = await underLoad("deploy of v2.0.0, 2 replicas", () =>
      up("connected-repo:api.version=v2.0.0"),
    );
    expect(load.failureKinds).toEqual([]);
    const { slot, version } = await running();
    expect(version).toBe("v2.0.0");
    expect(await sql(`SELECT version, name FROM "schemaMigrations" ORDER BY 1`)).toBe(
      "0001|initial_schema\n0002|push_devices",
    );
    const logs = await onMachine(`docker service logs --raw ${slot} 2>&1`);
    expect(logs.match(/Database is up to date/g)).toHaveLength(2);
    expect(logs).not.toMatch(/Applied|already exists/);
  });

  test("no canary is anywhere that it may not be", async () => {
    const canaries = plantedCanaries(home.stateDir);
    expect(canaries.map(({ key }) => key)).toEqual(
      expect.arrayContaining(["connected-repo:sessionSecret", "connected-repo:googleClientSecret"]),
    );
    const inUse = await onMachine(
      `docker exec "$(docker ps --quiet --filter label=berth.resource=connected-repo_api | head -n 1)" cat /run/secrets/SESSION_SECRET`,
    );
    expect(canaries.some(({ value }) => inUse.includes(value))).toBe(true);
    const texts = stateTexts(home.stateDir);
    // The line above has printed one on purpose, into this list's last entry.
    texts.set("what the commands printed", captured.slice(0, -1).join("\n"));
    texts.set("argument lists of processes", sampler.text);
    for (const [name, script] of Object.entries(machineSources))
      texts.set(`the machine's ${name}`, await onMachine(script));
    const outer = await ensureDocker(home, () => undefined);
    const containers = await outer.client.listContainers({ all: true });
    const inspected = await Promise.all(containers.map(({ Id }) => outer.client.getContainer(Id).inspect()));
    texts.set("the machines as containers", JSON.stringify(inspected));
    process.stdout.write(`canaries: ${canaries.length} searched for in ${texts.size} places\n`);
    expect(findCanaries(canaries, texts)).toEqual([]);
  });
});
