import { describe, expect, test } from "vitest";
import type { WatchedStep } from "../../../lab/bench/step-watch.ts";
import type { LoadReport } from "../../../lab/load/index.ts";
import { leftovers } from "../leftovers.ts";
import { labOk, service, setting, startLab } from "../support.ts";
import { printTable } from "../tables.ts";
import { expectNoFailure, underLoad } from "../under-load.ts";

/** kill -9 of a deploy, at every step it has: what comes next converges, leaves nothing over and costs no request. */
export function killed(): void {
  const stepName = (step: WatchedStep) => `${step.operation} ${step.type.split(":").at(-1)} ${step.name}`;
  const other = (version: string) => (version === "v1.0.0" ? "v1.1.0" : "v1.0.0");

  interface Kill {
    readonly step: string;
    readonly when: string;
    readonly killed: boolean;
    readonly recovery: string;
    readonly seconds: number;
    readonly load: LoadReport;
    readonly leftovers: readonly string[];
  }

  /** Deploys the other version, kills the deploy a while after a step has begun, and deploys again. */
  async function killAt(step: string, afterMs: number, when: string): Promise<Kill> {
    const version = other((await service()).version);
    const deploy = ["up", ...setting("version", version)];
    const { result, load } = await underLoad(`killed ${when} of: ${step}`, async () => {
      let killed = false;
      const first = startLab(deploy, (begun, running) => {
        if (killed || stepName(begun) !== step) return;
        killed = true;
        setTimeout(() => running.kill(), afterMs);
      });
      const { exitCode } = await first.done;
      const next = await labOk(...deploy);
      return { killed: killed && exitCode === null, next };
    });
    const table =
      /An earlier run was interrupted\.[^\n]*\n([\s\S]*?)\n(?=\[|\n)/.exec(result.next.output)?.[1] ?? "";
    process.stdout.write(`${table === "" ? "nothing to recover" : table}\n`);
    expect(await service()).toMatchObject({ version });
    return {
      step,
      when,
      killed: result.killed,
      recovery: table,
      seconds: result.next.seconds,
      load,
      leftovers: await leftovers(),
    };
  }

  describe("kill -9", () => {
    test("once at every step: the next up converges", async () => {
      // A deploy that is left alone says which steps there are, and how long each takes.
      const version = other((await service()).version);
      const { steps } = await labOk("up", ...setting("version", version));
      expect(steps.length).toBeGreaterThanOrEqual(6);
      const kills: Kill[] = [];
      for (const step of steps) {
        const lastedMs = (step.endedMs ?? step.startedMs) - step.startedMs;
        // Shorter ones are over before a signal to their middle arrives.
        if (lastedMs > 100) kills.push(await killAt(stepName(step), lastedMs / 2, "in the middle"));
        else kills.push(await killAt(stepName(step), 0, "at the beginning"));
      }
      printTable(
        "kill -9 at each step",
        ["step", "when", "killed", "next up (s)", "requests", "failed", "longest gap (ms)", "left over"],
        kills.map((kill) => [
          kill.step,
          kill.when,
          kill.killed ? "yes" : "NO",
          kill.seconds.toFixed(1),
          kill.load.requests,
          kill.load.failures,
          kill.load.longestGapMs,
          kill.leftovers.join("; ") || "nothing",
        ]),
      );
      // All of them first, so that one failed request does not hide what the other kills show.
      for (const { load } of kills) expectNoFailure(load);
      expect(kills.filter(({ leftovers: left }) => left.length > 0)).toEqual([]);
      // In the middle, a step may be over just before the signal; at its beginning, the signal must hit.
      expect(kills.filter(({ killed, when }) => !killed && when === "at the beginning")).toEqual([]);
    });
  });
}
