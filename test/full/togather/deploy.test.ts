import { describe, expect, test } from "vitest";
import { releaseStep } from "../../../lab/bench/step-watch.ts";
import { scenarios } from "../search.ts";
import {
  expectNoFailure,
  expectTasks,
  labOk,
  leftovers,
  printSteps,
  togather,
  underLoad,
} from "../support.ts";

/** What happens every day: nothing to do, a new version, the old one again, a rotated secret, more and fewer replicas. */

scenarios();

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
    const before = await togather();
    const { result, load } = await underLoad(`${what}: ${before.version} to ${version}`, () =>
      labOk("up", "--set", `togather:app.version=${version}`),
    );
    printSteps(what, result);
    expectNoFailure(load);
    expect(load.versions.map((each) => each.version)).toEqual([before.version, version]);
    expect(await togather()).toMatchObject({ version });
    expect((await togather()).slot).not.toBe(before.slot);
    const steps = result.steps.map(releaseStep).filter((step) => step !== undefined);
    expect(steps).toEqual(["pull", "snapshot", "migration", "slot", "probe", "switch", "removal"]);
    expect(await leftovers()).toEqual([]);
  });

  test("a rotated secret: no request fails, and no snapshot or migration runs", async () => {
    const before = await togather();
    const { result, load } = await underLoad("a rotated JWT secret", () =>
      labOk("up", "--rotate", "togather:jwtSecret"),
    );
    printSteps("a rotated JWT secret", result);
    expectNoFailure(load);
    const steps = result.steps.map(releaseStep).filter((step) => step !== undefined);
    expect(steps).toEqual(["slot", "probe", "switch", "removal"]);
    const after = await togather();
    expect(after.version).toBe(before.version);
    expect(after.slot).not.toBe(before.slot);
    expect(await leftovers()).toEqual([]);
  });

  test("one replica to two and back: no request fails, and the slot stays", async () => {
    const before = await togather();
    const { result, load } = await underLoad("scaling 1 to 2 to 1", async () => {
      const two = await labOk("up", "--set", "togather:app.replicas=2");
      await expectTasks(2);
      const one = await labOk("up");
      await expectTasks(1);
      return { two, one };
    });
    printSteps("one replica to two", result.two);
    printSteps("two replicas to one", result.one);
    expectNoFailure(load);
    expect((await togather()).slot).toBe(before.slot);
    expect(await leftovers()).toEqual([]);
  });
});
