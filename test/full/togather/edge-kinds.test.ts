import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { LoadReport } from "../../../lab/load/index.ts";
import { strayFile } from "../faults.ts";
import { leftovers } from "../leftovers.ts";
import { scenarios } from "../search.ts";
import { expectTasks, type LabRun, lab, labOk, onMachine, togather } from "../support.ts";
import { togatherSystem } from "../systems.ts";
import { printFailure, printTable } from "../tables.ts";
import { expectNoFailure, underLoad } from "../under-load.ts";

/**
 * Another kind of edge by changing the host's edge alone: the ports change hands in a gap that the preview names, no slot is replaced, and
 * what happens every day happens without a failed request on the new kind as on the old one.
 */

scenarios();

const onTraefik = togatherSystem.edges.traefik;
const rows: (string | number)[][] = [];
afterAll(() =>
  printTable(
    "two kinds of edge, one after the other",
    ["what", "seconds", "requests", "failed", "longest gap (ms)"],
    rows,
  ),
);
const note = (what: string, run: LabRun, load: LoadReport) =>
  rows.push([what, run.seconds.toFixed(1), load.requests, load.failures, load.longestGapMs]);

const version = (name: string) => ["--set", `togather:app.version=${name}`];
const kinds = ["from nginx to Traefik", "back to nginx"] as const;
const optionsOf = { "from nginx to Traefik": onTraefik, "back to nginx": [] } as const;

/** Changes the kind under load. The gap is one: nothing fails before it or after it. */
async function changes(what: (typeof kinds)[number], announced: string): Promise<void> {
  const options = optionsOf[what];
  const before = await togather();
  const preview = await labOk("preview", ...version(before.version), ...options);
  expect(preview.output).toContain(announced);
  const { result, load } = await underLoad(what, () => labOk("up", ...version(before.version), ...options));
  note(what, result, load);
  expect(result.output).toContain(announced);
  expect(await togather()).toEqual(before);
  expect(load.failures).toBeGreaterThan(0);
  // A bound, not a figure: the busy machine of a test takes its time to start anything.
  expect(load.longestGapMs).toBeLessThan(60_000);
  const failing = load.timeline.flatMap(({ failures }, second) => (failures > 0 ? [second] : []));
  expect((failing.at(-1) ?? 0) - (failing[0] ?? 0)).toBeLessThan(60);
  await labOk("preview", "--expect-no-changes", ...version(before.version), ...options);
  expect(await leftovers()).toEqual([]);
  const containers = await onMachine("docker ps --quiet --filter label=berth.role=edge | wc -l");
  expect(containers.trim()).toBe("1");
}

test(kinds[0], () => changes(kinds[0], "main: the edge becomes traefik instead of nginx in this run"));

describe("on Traefik, under a constant load", () => {
  beforeAll(async () => {
    await labOk("up", ...version((await togather()).version), ...onTraefik);
  });

  test.each(["v1.1.0", "v1.0.0"])("%s is deployed and no request fails", async (name) => {
    const before = await togather();
    const { result, load } = await underLoad(`${before.version} to ${name} on Traefik`, () =>
      labOk("up", ...version(name), ...onTraefik),
    );
    note(`${before.version} to ${name}`, result, load);
    expectNoFailure(load);
    expect(load.versions.map((each) => each.version)).toEqual([before.version, name]);
    expect(await leftovers()).toEqual([]);
  });

  test("one replica to three and back: no request fails, and all of them get some", async () => {
    const before = await togather();
    const { result, load } = await underLoad("scaling 1 to 3 to 1 on Traefik", async () => {
      await labOk("up", "--set", "togather:app.replicas=3", ...version(before.version), ...onTraefik);
      await expectTasks(3);
      // Of each task, how many packets ten seconds bring.
      const shares = await onMachine(`packets() {
  for task in $(docker ps --quiet --filter label=com.docker.swarm.service.name=${before.slot} | sort); do
    sudo nsenter --target "$(docker inspect --format '{{.State.Pid}}' "$task")" --net awk '/:/ { sum += $3 } END { print sum }' /proc/net/dev
  done
}
before=$(packets); sleep 10; paste <(printf '%s\n' "$before") <(packets) | awk '{ print $2 - $1 }'`);
      const run = await labOk("up", ...version(before.version), ...onTraefik);
      await expectTasks(1);
      return { run, shares: shares.trim().split("\n").map(Number) };
    });
    note("one replica to three and back", result.run, load);
    process.stdout.write(`packets to each of three tasks within 10 s: ${result.shares.join(", ")}\n`);
    expectNoFailure(load);
    expect(result.shares).toHaveLength(3);
    expect(Math.min(...result.shares)).toBeGreaterThan(Math.max(...result.shares) / 10);
    expect((await togather()).slot).toBe(before.slot);
  });

  test("a version that never becomes healthy: the old one serves, and no request fails", async () => {
    const before = await togather();
    const { result, load } = await underLoad("a version that is never healthy, on Traefik", () =>
      lab("up", ...version("broken-health-1"), ...onTraefik),
    );
    note("a version that is never healthy", result, load);
    expect(result.exitCode).not.toBe(0);
    expect((await togather()).slot).toBe(before.slot);
    expectNoFailure(load);
    await labOk("up", ...version(before.version), ...onTraefik);
  });

  test("a file that Traefik cannot read: the switch fails with its words and puts its own back", async () => {
    const before = await togather();
    const routes = "sudo sha256sum /var/lib/berth/edge/dynamic/togather_app.yml";
    const sum = await onMachine(routes);
    const { result, load } = await underLoad("a broken file in Traefik's folder", async () => {
      const undo = await strayFile("/var/lib/berth/edge/dynamic/left-by-somebody.yml", "http: [");
      const run = await lab("up", ...version("v1.2.0"), ...onTraefik).finally(undo);
      expect(await onMachine(routes)).toBe(sum);
      return run;
    });
    note("a file that Traefik cannot read", result, load);
    printFailure("a broken file in Traefik's folder", result);
    expect(result.exitCode).not.toBe(0);
    expect(result.output).toMatch(/Traefik does not take the files in [\s\S]*left-by-somebody\.yml/);
    expect(result.output).toContain("the routes of togather_app stay where they were");
    expect((await togather()).slot).toBe(before.slot);
    expectNoFailure(load);
    await labOk("up", ...version(before.version), ...onTraefik);
  });
});

test("an edge that does not start gives the ports back, and says so", async () => {
  // The start that it has is made unusable while nothing asks for it.
  await labOk("up", ...version((await togather()).version));
  const before = await togather();
  const undo = await strayFile("/var/lib/berth/edge/plugins/src/berth/edge/broken.go", "package nothing");
  const run = await lab("up", ...version(before.version), ...onTraefik).finally(undo);
  expect(run.exitCode).not.toBe(0);
  printFailure("an edge that does not start", run);
  expect(run.output).toMatch(/the edge edge_traefik-\w+ is not healthy after 30 seconds/);
  expect(run.output).toMatch(/The edge of before, edge_nginx-\w+, has the ports again/);
  expect(await togather()).toEqual(before);
  await labOk("up", ...version(before.version));
  await labOk("up", ...version(before.version), ...onTraefik);
  expect(await togather()).toEqual(before);
});

test(kinds[1], async () => {
  await labOk("up", ...version((await togather()).version), ...onTraefik);
  await changes(kinds[1], "main: the edge becomes nginx instead of traefik in this run");
});
