import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, expect } from "vitest";
import type { LoadReport } from "../../../lab/load/index.ts";
import { sql } from "../database.ts";
import { leftovers } from "../leftovers.ts";
import { answering, labOk, onMachine, service, tested, upTo } from "../support.ts";
import { printTable } from "../tables.ts";
import { underLoad } from "../under-load.ts";

/** Faults under load, as rows of a table that is printed at the end. */
export interface Faults {
  /**
   * Runs `work` under load, which causes the fault, and notes what became of the requests and the rows.
   * @param operator what the operator does: "nothing", or a command
   */
  fault(title: string, operator: string, work: () => Promise<unknown>): Promise<LoadReport>;
  /** A {@link fault} after which everything is as it was. */
  outlived(title: string, operator: string, work: () => Promise<unknown>): Promise<void>;
  /** Nothing is to be done, and nothing is left over. */
  untouched(before: Awaited<ReturnType<typeof service>>): Promise<void>;
  /** Writes what the operator does into the last row, where only the fault shows it. */
  operatorDid(what: string): void;
}

/** @param of what the faults are of: "a host" */
export function faultsOf(of: string): Faults {
  const rows: (string | number)[][] = [];
  afterAll(() =>
    printTable(
      `faults of ${of}, ${tested.name}`,
      [
        ...["fault", "requests", "failed", "longest gap (s)", "acknowledged", "lost"],
        ...["recovered after (s)", "the operator"],
      ],
      rows,
    ),
  );

  const counted = async () => (tested.counted === undefined ? 0 : Number(await sql(tested.counted.query)));

  /** Waits until everything runs, for some seconds on end: an engine that was killed serves until it starts again. */
  async function settled(): Promise<void> {
    const deadline = Date.now() + 240_000;
    const replicas = () =>
      onMachine("docker service ls --filter label=berth.stack --format '{{.Replicas}} {{.Name}}'").catch(
        String,
      );
    for (let well = 0; well < 4; ) {
      await sleep(2000);
      await answering(180);
      const said = await replicas();
      const running =
        /^\d/.test(said) &&
        said
          .trim()
          .split("\n")
          .every((line) => /^(\d+)\/\1 /.test(line));
      well = running ? well + 1 : 0;
      if (Date.now() > deadline) throw new Error(`not everything runs after 240 s:\n${said}`);
    }
  }

  /** Runs `work` under load, which causes the fault, and notes what became of the requests and the rows. */
  async function fault(title: string, operator: string, work: () => Promise<unknown>): Promise<LoadReport> {
    const before = await counted();
    const { result: sinceMs, load } = await underLoad(title, async () => {
      const began = Date.now();
      await work();
      await settled();
      return began;
    });
    const acknowledged = load.answered[tested.counted?.request ?? ""] ?? 0;
    const there = (await counted()) - before;
    const lastFailure = Date.parse(load.startedAt) + (load.lastFailureSecond ?? 0) * 1000;
    rows.push([
      ...[title, load.requests, load.failures, (load.longestGapMs / 1000).toFixed(1)],
      ...(tested.counted === undefined
        ? ["no rows", "-"]
        : [acknowledged, Math.max(0, acknowledged - there)]),
      ...[load.failures === 0 ? "0" : Math.max(0, (lastFailure - sinceMs) / 1000).toFixed(1), operator],
    ]);
    expect(there).toBeGreaterThanOrEqual(acknowledged);
    return load;
  }

  /** Nothing is to be done, and nothing is left over. */
  async function untouched(before: Awaited<ReturnType<typeof service>>): Promise<void> {
    expect(await service()).toEqual(before);
    const again = await labOk(...upTo(before.version));
    expect(again.steps).toEqual([]);
    expect(await leftovers()).toEqual([]);
  }

  /** A {@link fault} after which everything is as it was. */
  async function outlived(title: string, operator: string, work: () => Promise<unknown>): Promise<void> {
    const before = await service();
    await fault(title, operator, work);
    await untouched(before);
  }

  return { fault, outlived, untouched, operatorDid: (what) => rows.at(-1)?.splice(-1, 1, what) };
}
