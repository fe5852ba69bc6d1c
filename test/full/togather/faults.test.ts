import { afterAll, describe, expect, test } from "vitest";
import type { LoadReport } from "../../../lab/load/index.ts";
import { diskFull, operatorCutOff, registryGone, strayFile } from "../faults.ts";
import { leftovers } from "../leftovers.ts";
import { scenarios } from "../search.ts";
import { type LabRun, lab, labOk, onMachine, otherVersion, startLab, togather, upTo } from "../support.ts";
import { printTable } from "../tables.ts";
import { expectNoFailure, underLoad } from "../under-load.ts";

/**
 * Faults around a deploy of a good version: nginx' files, the registry, the disk, the network. The deploy fails with
 * the reason, no request fails, and the next one, after the fault has ended, succeeds.
 */

scenarios();

const table: (string | number)[][] = [];
afterAll(() =>
  printTable(
    "faults under load",
    ["fault", "failed after (s)", "next up (s)", "requests", "failed", "longest gap (ms)"],
    table,
  ),
);

/** The engine's errors. */
function words(run: LabRun): string {
  return run.output.slice(Math.max(0, run.output.search(/^error /m))).trim();
}

interface Outcome {
  readonly failed: LabRun;
  readonly load: LoadReport;
}

/** A deploy during a fault fails; the next one, after the fault, succeeds. Prints the errors and the figures. */
async function failsThenSucceeds(
  title: string,
  fault: () => Promise<() => Promise<unknown>>,
  looks: () => Promise<void> = async () => undefined,
  to?: string,
): Promise<Outcome> {
  const before = await togather();
  const version = to ?? otherVersion(before.version);
  const { result, load } = await underLoad(title, async () => {
    const undo = await fault();
    let failed: LabRun;
    try {
      failed = await lab(...upTo(version));
      await looks();
    } finally {
      await undo();
    }
    const between = await togather();
    const healed = await labOk(...upTo(version));
    return { failed, between, healed };
  });
  const { failed, between, healed } = result;
  process.stdout.write(`\n## ${title}: what the operator sees\n${words(failed)}\n`);
  table.push([
    title,
    failed.seconds.toFixed(1),
    healed.seconds.toFixed(1),
    load.requests,
    load.failures,
    load.longestGapMs,
  ]);
  expect(failed.exitCode).not.toBe(0);
  expect(between.slot).toBe(before.slot);
  expect(load.versions.map((each) => each.version)).toEqual([before.version, version]);
  expect(await togather()).toMatchObject({ version });
  expect(await leftovers()).toEqual([]);
  return { failed, load };
}

describe("nginx' configuration does not validate", () => {
  test("the switch fails with nginx' own words and puts its files back", async () => {
    const path = "/var/lib/berth/edge/limits/left-by-somebody.conf";
    const routes =
      "sudo sh -c 'cd /var/lib/berth/edge && find upstreams locations checks -type f | sort | xargs sha256sum'";
    const before = await onMachine(routes);
    const { failed, load } = await failsThenSucceeds(
      "a broken file in the edge's folder",
      () => strayFile(path, "this_is_no_directive on;"),
      async () => expect(await onMachine(routes)).toBe(before),
    );
    expect(failed.output).toMatch(
      /nginx refuses the new configuration[\s\S]*unknown directive "this_is_no_directive" in \S*left-by-somebody.conf:1/,
    );
    expect(failed.output).toContain("the routes of togather_app stay where they were");
    expectNoFailure(load);
  });
});

describe("the registry is gone when a deploy begins", () => {
  // Versions that the host has no image of: what it has needs no registry.
  test.each([
    ["refuses", "v1.5.0", /connection refused/],
    ["is silent", "v1.6.0", /deadline exceeded|Client\.Timeout exceeded|i\/o timeout/],
  ] as const)(
    "it %s: the message contains the image and the registry's error",
    async (how, version, reason) => {
      const gone = () => registryGone(how);
      const { failed, load } = await failsThenSucceeds(`the registry ${how}`, gone, undefined, version);
      expect(failed.output).toMatch(
        /cannot pull registry\.berth\.lab:5000\/togather\/app@sha256:[0-9a-f]{64}/,
      );
      expect(failed.output).toMatch(reason);
      expectNoFailure(load);
    },
  );
});

describe("the disk is full at the snapshot", () => {
  test("the error contains the free space, no incomplete file is left, and the database is unchanged", async () => {
    const folder = "/var/backups/togather";
    const files = `sudo find ${folder} -type f ! -name filler`;
    const { failed, load } = await failsThenSucceeds(
      "the disk is full",
      () => diskFull(folder, 4),
      async () => expect(await onMachine(files)).toBe(""),
    );
    expect(failed.output).toMatch(/Room on the disk of \/var\/backups\/togather: \S+ of \S+/);
    expect(failed.output).toMatch(
      /the snapshot of togather is not written, and so .* stops with the database as it was: some \d+ MiB are needed/,
    );
    expectNoFailure(load);
  });
});

describe("the network between operator and host is cut", () => {
  test("during a deploy: it fails within its deadline, naming the host; the next one succeeds", async () => {
    const { stdout } = await labOk("status", "--json");
    const { machines } = JSON.parse(stdout) as { machines: { address: string; sshPort: number }[] };
    const [machine] = machines;
    if (machine === undefined) throw new Error("no machine");
    const before = await togather();
    const version = otherVersion(before.version);
    const { result, load } = await underLoad("the operator is cut off during the probe", async () => {
      let undo: Promise<() => Promise<unknown>> | undefined;
      const failed = await startLab(upTo(version), (step) => {
        if (step.name === "togather_app-probe") undo ??= operatorCutOff(machine.sshPort);
      }).done;
      if (undo === undefined) throw new Error(`the deploy had no probe: ${failed.output.slice(-3000)}`);
      let again: LabRun;
      try {
        again = await lab(...upTo(version));
      } finally {
        await (await undo)();
      }
      const healed = await labOk(...upTo(version));
      return { failed, again, healed };
    });
    const { failed, again, healed } = result;
    process.stdout.write(
      `\n## the cut: what the operator sees\n${words(failed)}\n\n## and trying again while it lasts (${again.seconds.toFixed(1)} s)\n${words(again)}\n`,
    );
    table.push([
      "the operator is cut off",
      failed.seconds.toFixed(1),
      healed.seconds.toFixed(1),
      load.requests,
      load.failures,
      load.longestGapMs,
    ]);
    expect(failed.output).toContain(
      `no connection to main (${machine.address}, port ${machine.sshPort}), or it broke`,
    );
    for (const run of [failed, again]) {
      expect(run.exitCode).not.toBe(0);
      expect(run.seconds).toBeLessThan(120);
      expect(run.output).toContain(machine.address);
    }
    expectNoFailure(load);
    expect(await togather()).toMatchObject({ version });
    expect(await leftovers()).toEqual([]);
  });
});
