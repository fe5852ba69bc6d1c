import { describe, expect, test } from "vitest";
import { leftovers } from "../leftovers.ts";
import { lab, labOk, nameOf, service, setting, tested } from "../support.ts";
import { printFailure, printSteps } from "../tables.ts";
import { expectNoFailure, underLoad } from "../under-load.ts";

/** Versions that do not become healthy: the deploy fails with the reason, no request fails, and the next deploy succeeds. */
export function failedRelease(): void {
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
      const before = await service();
      const healed = heal.startsWith("v") ? heal : before.version;
      const { result, load } = await underLoad(`a version that ${what}, then ${healed}`, async () => {
        const failed = await lab("up", ...setting("version", version));
        const between = await service();
        const next = await labOk("up", ...setting("version", healed));
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
      const { host, sshPort } = tested;
      expect(failed.output).toMatch(
        new RegExp(
          `running "${nameOf()}-probe on ${host} \\(\\S+, port ${sshPort}\\)":\n${nameOf()}-\\w+ did not become healthy within 10 s of grace and 30 attempts of 2 s`,
        ),
      );
      for (const reason of reasons) expect(failed.output).toMatch(reason);
      // The old slot has served the whole time.
      expect(between.slot).toBe(before.slot);
      expectNoFailure(load);
      expect(load.versions.map((each) => each.version)).not.toContain(version);
      expect(await service()).toMatchObject({ version: healed });
      expect(await leftovers()).toEqual([]);
    });
  });
}
