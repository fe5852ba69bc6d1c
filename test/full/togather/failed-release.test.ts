import { describe, expect, test } from "vitest";
import { scenarios } from "../search.ts";
import {
  expectNoFailure,
  lab,
  labOk,
  leftovers,
  printFailure,
  printSteps,
  togather,
  underLoad,
} from "../support.ts";

/** Versions that do not become healthy: the deploy fails with the reason, no request fails, and the next deploy succeeds. */

scenarios();

/** Grace and attempts of the probe, and what the commands around it take. */
const probeSeconds = 70;

const failures = [
  {
    version: "broken-health-1",
    what: "never becomes healthy",
    // Docker restarts it; only its log has the reason.
    reasons: [/Its tasks:\s+\w+/, /Last lines of its log:\s[\s\S]*is never healthy, on purpose/],
    heal: "v1.2.0",
  },
  {
    version: "broken-start-1",
    what: "never starts",
    reasons: [
      /Its tasks:\s+\w+/,
      /task: non-zero exit \(1\)/,
      /Last lines of its log:\s[\s\S]*fails at start on purpose/,
    ],
    heal: "the old version",
  },
];

describe.each(failures)("a version that $what", ({ version, what, reasons, heal }) => {
  test("fails at its deadline with its own error, no request fails, and the next up succeeds", async () => {
    const before = await togather();
    const healed = heal.startsWith("v") ? heal : before.version;
    const { result, load } = await underLoad(`a version that ${what}, then ${healed}`, async () => {
      const failed = await lab("up", "--set", `togather:app.version=${version}`);
      const between = await togather();
      const next = await labOk("up", "--set", `togather:app.version=${healed}`);
      return { failed, between, next };
    });
    const { failed, between, next } = result;
    printSteps(`the deploy of ${version}, which fails`, failed);
    printFailure("what it said", failed);
    printSteps(`the next up, to ${healed}`, next);

    expect(failed.exitCode).not.toBe(0);
    expect(failed.seconds).toBeGreaterThan(probeSeconds - 10);
    expect(failed.seconds).toBeLessThan(probeSeconds + 60);
    // What runs where, and then the reason at once.
    expect(failed.output).toMatch(
      /running "togather_app-probe on main \(\S+, port 22\)":\ntogather_app-\w+ did not become healthy within 10 s of grace and 30 attempts of 2 s/,
    );
    for (const reason of reasons) expect(failed.output).toMatch(reason);
    // The old slot has served the whole time.
    expect(between.slot).toBe(before.slot);
    expectNoFailure(load);
    expect(load.versions.map((each) => each.version)).not.toContain(version);
    expect(await togather()).toMatchObject({ version: healed });
    expect(await leftovers()).toEqual([]);
  });
});
