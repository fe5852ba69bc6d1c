import { describe, expect, test } from "vitest";
import { releaseStep } from "../../../lab/bench/step-watch.ts";
import { leftovers } from "../leftovers.ts";
import { expectTasks, type LabRun, labOk, releaseOf, service, setting, tested } from "../support.ts";
import { printSteps } from "../tables.ts";
import { expectNoFailure, underLoad } from "../under-load.ts";

/** What happens every day: nothing to do, a new version, the old one again, a rotated secret, more and fewer replicas. */
export function deploy(): void {
  describe("nothing to do", () => {
    test("a preview expects no changes, and a second up does nothing", async () => {
      await labOk("up");
      const preview = await labOk("preview", "--expect-no-changes");
      expect(preview.output).toContain("nothing to do");
      const again = await labOk("up");
      expect(again.steps).toEqual([]);
      expect(await leftovers()).toEqual([]);
    });
  });

  describe("under a constant load", () => {
    test.each([
      ["a new version", "v1.1.0"],
      ["the previous version again", "v1.0.0"],
    ])("%s: no request fails", async (what, version) => {
      const before = await service();
      const { result, load } = await underLoad(`${what}: ${before.version} to ${version}`, () =>
        labOk("up", ...setting("version", version)),
      );
      printSteps(what, result);
      expectNoFailure(load);
      expect(load.versions.map((each) => each.version)).toEqual([before.version, version]);
      expect(await service()).toMatchObject({ version });
      expect((await service()).slot).not.toBe(before.slot);
      const steps = result.steps.map(releaseStep).filter((step) => step !== undefined);
      expect(steps).toEqual([
        ...["pull", "snapshot", "migration"],
        ...releaseOf([tested.service, ...tested.companions]),
      ]);
      expect(await leftovers()).toEqual([]);
    });

    test("a rotated secret: no request fails, and no snapshot or migration runs", async () => {
      const before = await service();
      const { result, load } = await underLoad("a rotated secret", () =>
        labOk("up", "--rotate", tested.rotated.key),
      );
      printSteps("a rotated secret", result);
      expectNoFailure(load);
      const steps = result.steps.map(releaseStep).filter((step) => step !== undefined);
      expect(steps).toEqual(releaseOf([tested.service]));
      const after = await service();
      expect(after.version).toBe(before.version);
      expect(after.slot).not.toBe(before.slot);
      expect(await leftovers()).toEqual([]);
    });

    test("one replica to three, to two and back: no request fails, and the slot stays", async () => {
      const before = await service();
      const runs: [string, LabRun][] = [];
      const { load } = await underLoad("scaling 1 to 3 to 2 to 1", async () => {
        for (const replicas of [3, 2, 1]) {
          runs.push([`to ${replicas}`, await labOk("up", ...setting("replicas", replicas))]);
          await expectTasks(replicas);
        }
      });
      for (const [title, run] of runs) printSteps(title, run);
      expectNoFailure(load);
      expect((await service()).slot).toBe(before.slot);
      expect(await leftovers()).toEqual([]);
    });
  });
}
