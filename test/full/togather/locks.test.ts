import { hostname, userInfo } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import { leftovers } from "../leftovers.ts";
import { scenarios } from "../search.ts";
import { type LabRun, lab, labOk, ops, startLab, togather } from "../support.ts";
import { printTable } from "../tables.ts";
import { expectNoFailure, underLoad } from "../under-load.ts";

/** The deploy lock: a second deploy beside a running one, and the lock of one that was killed. */

scenarios();

const other = (version: string) => (version === "v1.0.0" ? "v1.1.0" : "v1.0.0");
const up = (version: string) => ["up", "--set", `togather:app.version=${version}`];
const owner = `${userInfo().username}@${hostname()}`;

/** The lines of a command's output about the lock. */
function words(run: Pick<LabRun, "output">): string {
  return (
    run.output
      .trim()
      .split("\n")
      .findLast((line) => /lock/.test(line)) ?? run.output.slice(-300)
  );
}

describe("a lock that is held", () => {
  test("a second deploy is told by whom and since when, and touches nothing; no request fails", async () => {
    const before = await togather();
    const wanted = other(before.version);
    const { result, load } = await underLoad("a second deploy beside a running one", async () => {
      let begun = () => {};
      const running = new Promise<void>((resolve) => {
        begun = resolve;
      });
      const first = startLab(up(wanted), () => begun());
      await running;
      const since = Date.now();
      const others = [
        await lab(...up("v1.9.0")),
        await lab("unlock"),
        await ops("recover"),
        await ops("back", "togather"),
      ];
      const still = (await Promise.race([first.done, sleep(0)])) === undefined;
      return { first: await first.done, others, still, seconds: (Date.now() - since) / 1000 };
    });
    printTable(
      "what they were told while another deploy ran",
      [],
      result.others.map((run) => [words(run)]),
    );
    expect(result.first.exitCode, result.first.output.slice(-3000)).toBe(0);
    const [second, unlock, recover, back] = result.others;
    const held = new RegExp(
      `another deploy is running: ${owner} began "up" \\d+ s ago \\(process \\d+ on ${hostname()}\\)`,
    );
    // Whoever comes after the running deploy has ended is told nothing; this machine decides how many that are.
    const locked = new RegExp(`is locked by ${owner} \\(process \\d+, up\\) for \\d+ s`);
    expect(second?.exitCode).toBe(1);
    expect(second?.output).toMatch(locked);
    if (result.still) {
      expect(unlock?.output).toMatch(held);
      expect(unlock?.exitCode).toBe(1);
      for (const run of [recover, back]) {
        expect(run?.output).toMatch(locked);
        expect(run?.exitCode).toBe(1);
      }
    } else {
      process.stdout.write("the first deploy ended before the last of them asked\n");
    }
    expectNoFailure(load);
    expect(load.versions.map(({ version }) => version)).toEqual([before.version, wanted]);
    expect(await togather()).toMatchObject({ version: wanted });
    expect(await leftovers()).toEqual([]);
  });
});

describe("a lock whose holder was killed", () => {
  test("is named as stale with the command that takes it over; that is a deliberate act, and the next up converges", async () => {
    const before = await togather();
    const wanted = other(before.version);
    const { result, load } = await underLoad("a killed deploy, its lock taken over", async () => {
      const killed = startLab(up(wanted), (step, running) => {
        if (step.name === "togather_app-probe") running.kill();
      });
      await killed.done;
      const refused = await lab("refresh");
      const again = await lab("refresh");
      const taken = await lab("unlock");
      const none = await lab("unlock");
      const next = await labOk(...up(wanted));
      return { refused, again, taken, none, next };
    });
    const { refused, again, taken, none } = result;
    printTable(
      "what they were told of the lock of a killed deploy",
      [],
      [refused, taken, none].map((run) => [words(run)]),
    );
    const stale = new RegExp(
      `the deploy lock is stale: ${owner} began "up" .* ago \\(process \\d+ on .*\\), and that process has ended. Take it over: npm run lab -- unlock`,
    );
    // Asking is not taking over: the second one meets it again.
    for (const run of [refused, again]) {
      expect(run.exitCode).toBe(1);
      expect(run.output).toMatch(stale);
    }
    expect(taken.exitCode).toBe(0);
    expect(taken.output).toMatch(new RegExp(`Took over the deploy lock of ${owner}: "up", begun \\d{4}-`));
    expect(none.output).toContain("is not locked");
    expectNoFailure(load);
    expect(await togather()).toMatchObject({ version: wanted });
    expect(await leftovers()).toEqual([]);
  });

  test("ops recover takes it over too, naming its owner and age", async () => {
    const before = await togather();
    const wanted = other(before.version);
    const { result, load } = await underLoad("a killed deploy, recovered", async () => {
      await startLab(up(wanted), (step, running) => {
        if (step.name === "togather_app-switch") running.kill();
      }).done;
      const recovered = await ops("recover");
      return { recovered, next: await labOk(...up(wanted)) };
    });
    process.stdout.write(`${result.recovered.output}\n`);
    expect(result.recovered.exitCode).toBe(0);
    expect(result.recovered.output).toMatch(
      new RegExp(`deploy lock of ${owner}, \\d+ s old; its process \\d+ has ended +removed`),
    );
    expectNoFailure(load);
    expect(await togather()).toMatchObject({ version: wanted });
    expect(await leftovers()).toEqual([]);
  });
});
