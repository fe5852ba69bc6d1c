import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, describe, expect, test } from "vitest";
import type { LoadReport } from "../../../lab/load/index.ts";
import { runCommand } from "../../../ops/run.ts";
import { until } from "../../lab/until.ts";
import { power } from "../faults.ts";
import { leftovers } from "../leftovers.ts";
import {
  answering,
  captured,
  edgeKind,
  type LabRun,
  lab,
  labOk,
  nameOf,
  onMachine,
  otherVersion,
  service,
  setting,
  startLab,
  tested,
  upTo,
} from "../support.ts";
import { printTable } from "../tables.ts";
import { requestsPerSecond, underLoad } from "../under-load.ts";

/**
 * What takes the service itself away, or would: an app that dies when its requests come, a database, an engine, a machine that
 * is gone for a while. Where requests must fail the figures say how many and for how long; what has to hold is that the system
 * comes back, by itself or by one command, and that the next deploy converges and leaves nothing over.
 */
export function outages(): void {
  const rows: (string | number)[][] = [];
  afterAll(() =>
    printTable(
      "outages under load",
      ["outage", "requests", "failed", "longest gap (ms)", "answered again after (s)"],
      rows,
    ),
  );

  /** Seconds from a moment to the last failed request. */
  function secondsDown(load: LoadReport, sinceMs: number): number {
    if (load.lastFailureSecond === undefined) return 0;
    return Math.max(0, (Date.parse(load.startedAt) - sinceMs) / 1000 + load.lastFailureSecond);
  }

  function note(title: string, load: LoadReport, sinceMs: number): number {
    const seconds = secondsDown(load, sinceMs);
    rows.push([title, load.requests, load.failures, load.longestGapMs, seconds.toFixed(1)]);
    return seconds;
  }

  async function converges(version: string): Promise<LabRun> {
    const run = await labOk(...upTo(version));
    expect(await service()).toMatchObject({ version });
    expect(await leftovers()).toEqual([]);
    return run;
  }

  const postgres = () =>
    `docker ps --quiet --filter label=berth.resource=${nameOf("postgres")} --filter status=running`;

  describe("an app that dies when its requests come", () => {
    test("at once: the switch takes it back, says why, and loses what must not be sent twice at most", async () => {
      const before = await service();
      const { result: failed, load } = await underLoad("a version that dies under load", () =>
        lab(...upTo("broken-after-1")),
      );
      process.stdout.write(`\n## what the operator sees\n${failed.output.slice(-2500)}\n`);
      rows.push(["dies at once, taken back", load.requests, load.failures, load.longestGapMs, 0]);
      expect(failed.exitCode).not.toBe(0);
      expect(failed.output).toMatch(
        new RegExp(`${nameOf()}-\\w+ did not survive its first requests \\(\\w+`),
      );
      expect(failed.output).toMatch(/dying: version broken-after-1 ends after \d+ requests, on purpose/);
      expect(failed.output).toContain(`the routes of ${nameOf()} stay where they were`);
      expect((await service()).slot).toBe(before.slot);
      // A POST that the version had in hand when it died may have been done: sending it again is not the edge's to decide.
      // Everything else goes to the slot that stands by.
      // Traefik has no server that stands by: see decision 11.
      if (edgeKind() === "nginx") {
        const sentOnce = load.failureKinds.flatMap(({ requests }) => requests);
        expect(sentOnce.filter((request) => !tested.writes.includes(request))).toEqual([]);
      }
      expect(load.failures).toBeLessThanOrEqual(edgeKind() === "nginx" ? 20 : 2 * requestsPerSecond);
      expect(load.timeline.filter(({ failures }) => failures > 0).length).toBeLessThanOrEqual(
        edgeKind() === "nginx" ? 2 : 4,
      );
      await converges(otherVersion(before.version));
    });

    test("long after the switch: one command goes back, by a release of the version before", async () => {
      const before = await service();
      // Nobody asks it anything but its health, so it lives.
      await labOk(...upTo("broken-after-1"));
      let sinceMs = 0;
      const { result, load } = await underLoad("going back from a version that dies, by up", async () => {
        await sleep(5000);
        sinceMs = Date.now();
        return labOk(...upTo(before.version));
      });
      const seconds = note("dies later, back by up", load, sinceMs);
      expect(load.failures).toBeGreaterThan(0);
      expect(seconds).toBeLessThan(result.seconds);
      expect(await service()).toMatchObject({ version: before.version });
      expect(await leftovers()).toEqual([]);
    });

    test("long after the switch, the slot before kept: one command goes back, by a switch alone", async () => {
      const keep = setting("keepPreviousMinutes", 2);
      const before = otherVersion((await service()).version);
      await labOk(...upTo(before), ...keep);
      await labOk(...upTo("broken-after-1"), ...keep);
      let sinceMs = 0;
      const { result, load } = await underLoad(
        "going back from a version that dies, by a switch",
        async () => {
          await sleep(5000);
          sinceMs = Date.now();
          return runCommand(
            "npm",
            ["run", "--silent", "lab", "--", "ops", "back", tested.name, tested.service],
            {
              timeoutSeconds: 120,
            },
          );
        },
      );
      note("dies later, back by a switch", load, sinceMs);
      process.stdout.write(`\n## what the operator sees\n${result}\n`);
      captured.push(result);
      expect(result).toMatch(new RegExp(`${nameOf()} serves ${before} again`));
      expect(load.failures).toBeGreaterThan(0);
      const last = load.versions.toSorted((left, right) => left.lastSecond - right.lastSecond).at(-1);
      expect(last?.version).toBe(before);
      // What was kept goes by itself when its time is over.
      await labOk(...upTo(before));
      const deadline = Date.now() + 480_000;
      while ((await leftovers()).length > 0 && Date.now() < deadline) await sleep(5000);
      expect(await leftovers()).toEqual([]);
    });
  });

  describe("the database", () => {
    test("restarts in the middle of a deploy: the next up converges", async () => {
      const version = otherVersion((await service()).version);
      const before = await onMachine(postgres());
      let sinceMs = 0;
      let killed: Promise<string> | undefined;
      const { result, load } = await underLoad("the database is killed at the snapshot", async () => {
        const run = await startLab(upTo(version), (step) => {
          if (step.name !== `${nameOf()}-snapshot` || killed !== undefined) return;
          sinceMs = Date.now();
          killed = onMachine(`docker kill $(${postgres()})`);
        }).done;
        await answering(60);
        return run;
      });
      // Checks that the container was really killed and another one serves.
      expect((await killed)?.trim()).toBe(before.trim());
      expect((await onMachine(postgres())).trim()).not.toBe(before.trim());
      note(`the database is killed at the snapshot (the deploy: exit ${result.exitCode})`, load, sinceMs);
      if (result.exitCode !== 0)
        expect(result.output).toMatch(new RegExp(`${nameOf("postgres")}|snapshot|migration`));
      await converges(version);
    });

    test("is gone for a whole deploy: it stops and names it, and the next one converges", async () => {
      const before = await service();
      const version = otherVersion(before.version);
      let sinceMs = 0;
      const { result, load } = await underLoad("no database", async () => {
        const service = await postgresService();
        await onMachine(`docker service scale --detach ${service}=0 >/dev/null`);
        await until("the database ends", 30, async () => (await onMachine(postgres())) === "");
        const failed = await lab(...upTo(version));
        sinceMs = Date.now();
        await onMachine(`docker service scale --detach ${service}=1 >/dev/null`);
        await answering(60);
        return failed;
      });
      note("no database: after it is there again", load, sinceMs);
      process.stdout.write(`\n## what the operator sees\n${result.output.slice(-1500)}\n`);
      expect(result.exitCode).not.toBe(0);
      expect(result.output).toContain(`${nameOf("postgres")} is not running`);
      expect((await service()).slot).toBe(before.slot);
      await converges(version);
    });
  });

  describe("the machine", () => {
    test("its Docker engine restarts, by ops: everything comes back by itself", async () => {
      const before = await service();
      let sinceMs = 0;
      const { result, load } = await underLoad("the engine restarts", async () => {
        sinceMs = Date.now();
        return labOk("ops", "restart-docker", tested.host);
      });
      note("ops restart-docker", load, sinceMs);
      expect(result.output).toContain(
        `${tested.host}: Docker was started again with its settings, and all services run`,
      );
      expect(await service()).toEqual(before);
      expect((await labOk(...upTo(before.version))).steps).toEqual([]);
      expect(await leftovers()).toEqual([]);
    });

    test("its Docker engine ends before it has deleted the link of a network: the next start does", async () => {
      const before = await service();
      await onMachine(
        `network=$(docker inspect --format '{{range $name, $_ := .NetworkSettings.Networks}}{{println $name}}{{end}}' $(docker ps --quiet --filter label=berth.resource=${nameOf()} | head -n 1) | grep edge) &&` +
          " id=$(docker network inspect --format '{{index .Options \"com.docker.network.driver.overlay.vxlanid_list\"}}' $network) &&" +
          " sudo systemctl stop docker.socket docker.service &&" +
          // It may have left this very link behind already.
          " { sudo ip link add vx-001001-stale type vxlan id $id dstport 4789 || true; } &&" +
          " ip -oneline link show type vxlan | grep --quiet vx- &&" +
          " sudo systemctl start docker.socket docker.service",
      );
      await answering(60);
      expect(await onMachine("ip -oneline link show type vxlan")).toBe("");
      expect(await service()).toEqual(before);
      expect((await labOk(...upTo(before.version))).steps).toEqual([]);
    });

    test("loses its power in the middle of a deploy: comes back by itself, and the next up converges", async () => {
      const version = otherVersion((await service()).version);
      let sinceMs = 0;
      const { result, load } = await underLoad("the plug is pulled during the probe", async () => {
        let off: Promise<void> | undefined;
        const failed = await startLab(upTo(version), (step) => {
          if (step.name === `${nameOf()}-probe`) off ??= power("poweroff");
        }).done;
        await off;
        sinceMs = Date.now();
        await power("poweron");
        await answering(180);
        return failed;
      });
      note("power on again", load, sinceMs);
      process.stdout.write(`\n## what the operator sees\n${result.output.slice(-1500)}\n`);
      expect(result.exitCode).not.toBe(0);
      expect(result.seconds).toBeLessThan(180);
      await converges(version);
    });
  });

  /** The database's service, whose name Pulumi made up. */
  async function postgresService(): Promise<string> {
    return (
      await onMachine(
        `docker service ls --filter label=berth.resource=${nameOf("postgres")} --format '{{.Name}}'`,
      )
    ).trim();
  }
}
