import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import { secondsUntilAnswer } from "../../../lab/bench/first-answer.ts";
import type { BackReport } from "../../../ops/back.ts";
import type { HistoryLine } from "../../../ops/deployments.ts";
import type { ServiceState } from "../../../ops/records.ts";
import { leftovers } from "../leftovers.ts";
import { home, labOk, nameOf, onMachine, ops, service, setting, stateFile, tested } from "../support.ts";
import { printTable } from "../tables.ts";
import { expectNoFailure, underLoad } from "../under-load.ts";

/** Going back: by a release, and by a switch alone while the previous slot stays. What a deployment leaves on the host. */
export function goingBack(): void {
  /** What other files left in the history is theirs. */
  const began = new Date().toISOString();

  const up = (version: string, keepMinutes: number, ...more: string[]) =>
    labOk(
      ...["up", ...setting("version", version)],
      ...[...setting("keepPreviousMinutes", keepMinutes), ...more],
    );

  const state = async () =>
    JSON.parse(await onMachine(`sudo cat /var/lib/berth/deployments/${nameOf()}.json`)) as ServiceState;
  const history = async () =>
    (JSON.parse((await ops("deployments", tested.name, "--json")).stdout) as HistoryLine[]).filter(
      ({ service }) => service === nameOf(),
    );
  const slots = async () =>
    (await onMachine(`docker service ls --filter label=berth.resource=${nameOf()} --format '{{.Name}}'`))
      .split("\n")
      .filter((name) => name !== "")
      .toSorted();
  /** As the rotated secret is called on the host: jwt-secret. */
  const secretName = tested.rotated.file.toLowerCase().replaceAll("_", "-");
  const secrets = async () =>
    (
      await onMachine(
        `docker secret ls --filter label=berth.resource=${nameOf()}-${secretName} --format '{{.Name}}'`,
      )
    )
      .split("\n")
      .filter((name) => name !== "");

  /** Seconds from now until the outside sees a version, while `work` brings it. */
  async function secondsUntil<T>(
    version: string,
    work: () => Promise<T>,
  ): Promise<{ readonly seconds: number; readonly result: T }> {
    const about = { home, stateFile, system: tested.name, version };
    const { seconds, result } = await secondsUntilAnswer(about, work);
    if (seconds === undefined)
      throw new Error(`nobody saw ${version}, or nothing in the load of ${tested.name} says its version`);
    return { seconds, result };
  }

  describe("while the previous slot stays", () => {
    test("the way back is a switch: measured beside the way by up, no request fails, nothing is left over", async () => {
      await up("v1.0.0", 0);
      const { result, load } = await underLoad("v1.1.0 and back, by up and by a switch alone", async () => {
        await up("v1.1.0", 0);
        const byUp = await secondsUntil("v1.0.0", () => up("v1.0.0", 60));
        await up("v1.1.0", 60);
        const kept = await slots();
        const before = await service();
        const byBack = await secondsUntil("v1.0.0", () => ops("back", tested.name, tested.service, "--json"));
        return { byUp, byBack, kept, before };
      });
      const { byUp, byBack, kept, before } = result;
      expect(byBack.result.exitCode, byBack.result.output).toBe(0);
      const report = JSON.parse(byBack.result.stdout) as BackReport;
      printTable(
        "seconds from the command to the old version serving",
        ["way", "serving", "command ended"],
        [
          ["up with the previous version", byUp.seconds.toFixed(1), byUp.result.seconds.toFixed(1)],
          ["ops back, seen from outside", byBack.seconds.toFixed(1), byBack.result.seconds.toFixed(1)],
          [
            "ops back, by its own account",
            report.secondsToServing.toFixed(1),
            report.secondsToDrained.toFixed(1),
          ],
        ],
      );
      expectNoFailure(load);
      expect(kept).toHaveLength(2);
      expect(byBack.seconds).toBeLessThan(byUp.seconds);
      expect(report.from).toEqual({ slot: before.slot, version: "v1.1.0" });
      expect(report.to.version).toBe("v1.0.0");
      // State and history name the real slots.
      expect(await state()).toMatchObject({
        outcome: "back",
        version: "v1.0.0",
        active_slot: report.to.slot,
        previous_slot: before.slot,
        previous_slot_until: null,
      });
      expect(kept).toEqual([report.from.slot, report.to.slot].toSorted());
      expect((await history()).at(-1)).toMatchObject({
        outcome: "back",
        slot: report.to.slot,
        version: "v1.0.0",
      });
    });

    test("an up that says nothing new changes nothing, and status shows the difference", async () => {
      const before = await state();
      expect(before.outcome).toBe("back");
      const again = await up("v1.1.0", 60);
      expect(again.steps).toEqual([]);
      expect(await state()).toEqual(before);
      expect((await ops("status")).output).toContain("went back from v1.1.0");
      // Neither slot is an orphan.
      const recovered = await ops("recover");
      expect(recovered.output).toContain("Nothing to recover");
      expect(await slots()).toHaveLength(2);
    });

    test("the next up with that version makes a fresh slot and takes both away: no request fails", async () => {
      const before = await slots();
      const { load } = await underLoad("v1.0.0 by up, after going back to it", () => up("v1.0.0", 60));
      expectNoFailure(load);
      expect(load.versions.map(({ version }) => version)).toEqual(["v1.0.0"]);
      const { slot } = await service();
      expect(before).not.toContain(slot);
      expect(await slots()).toEqual([slot]);
      expect(await secrets()).toHaveLength(1);
      expect(await state()).toMatchObject({
        outcome: "success",
        active_slot: slot,
        previous_slot_until: null,
      });
      expect(await leftovers()).toEqual([]);
    });
  });

  describe("the time of the previous slot", () => {
    test("a rotated secret stays with the slot that uses it, and both go when the time is over", async () => {
      const before = await service();
      await up(before.version, 1, "--rotate", tested.rotated.key);
      expect(await slots()).toHaveLength(2);
      expect(await secrets()).toHaveLength(2);
      expect(await leftovers()).toEqual([]);
      const deadline = Date.now() + 240_000;
      while ((await slots()).length > 1 && Date.now() < deadline) await sleep(2000);
      const { slot } = await service();
      expect(await slots()).toEqual([slot]);
      expect(await secrets()).toHaveLength(1);
      expect(await leftovers()).toEqual([]);
    });

    test("then there is only the way by up, and back says so", async () => {
      const back = await ops("back", tested.name, tested.service);
      expect(back.exitCode).toBe(1);
      expect(back.output).toMatch(
        new RegExp(`the previous slot, ${nameOf()}-\\w+, is gone\\. Go back by releasing`),
      );
      expect(back.output).toContain(
        `npm run lab -- up --stack production --set ${tested.name}:${tested.service}.version=`,
      );
    });

    test("and an option that is turned off again leaves nothing to the host", async () => {
      await up("v1.1.0", 0);
      const { slot } = await service();
      expect(await slots()).toEqual([slot]);
      expect(await secrets()).toHaveLength(1);
      expect(await leftovers()).toEqual([]);
    });
  });

  describe("what a deployment leaves", () => {
    test("a state, a history and a log, for the owner alone", async () => {
      const listing = await onMachine(
        `sudo stat -c '%a %U %n' /var/lib/berth/deployments/* /var/log/${tested.name}/deployments/*.log`,
      );
      for (const line of listing.trim().split("\n")) expect(line).toMatch(/^(600|700) deploy /);
      const { deployment_id: id, git_commit: commit, deployed_by: by } = await state();
      expect(id).toMatch(/^\d{8}_\d{6}_[0-9a-f]{7}$/);
      expect(commit).toMatch(/^[0-9a-f]{40}$/);
      expect(by).toMatch(/^[\w.-]+@[\w.-]+$/);
      const log = (await onMachine(`sudo cat /var/log/${tested.name}/deployments/${id}.log`))
        .trim()
        .split("\n")
        .map((line) => JSON.parse(line) as Record<string, string>);
      expect(new Set(log.map(({ step }) => step))).toEqual(
        new Set(["pull", "snapshot", "migration", "probe", "switch"]),
      );
      for (const { level } of log) expect(["DEBUG", "INFO", "WARN", "ERROR", "SUCCESS"]).toContain(level);
      const own = (await history()).filter(({ timestamp }) => timestamp >= began);
      expect(own.length).toBeGreaterThan(0);
      for (const { outcome } of own) expect(["success", "back"]).toContain(outcome);
    });

    test("logs of slots that are gone, by level and service, the edge's too", async () => {
      const now = await slots();
      const all = await ops("logs", tested.name, tested.service, "--since", "1d", "--json");
      const lines = all.stdout
        .trim()
        .split("\n")
        .map((line) => JSON.parse(line) as { slot: string; level: string });
      expect(new Set(lines.map(({ slot }) => slot)).size).toBeGreaterThan(now.length + 2);
      const errors = await ops(
        "logs",
        tested.name,
        tested.service,
        "--since",
        "1d",
        "--level",
        "ERROR",
        "--json",
      );
      expect(errors.exitCode).toBe(0);
      for (const line of errors.stdout.split("\n").filter((text) => text !== ""))
        expect(JSON.parse(line)).toMatchObject({ level: "ERROR" });
      const edge = await ops("logs", "edge", "--since", "1d");
      expect(edge.output).toMatch(/"path":"[/a-z]*\/health"/);
      expect((await ops("logs", "nothing")).output).toContain(`use one of: edge, ${tested.name}`);
    });
  });
}
