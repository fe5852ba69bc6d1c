import { userInfo } from "node:os";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { diskFull, operatorCutOff, registryGone, strayFile, type Undo } from "../faults.ts";
import { leftovers } from "../leftovers.ts";
import { type OwnImages, ownImages } from "../own-images.ts";
import {
  edgeKind,
  type LabRun,
  lab,
  labOk,
  nameOf,
  onMachine,
  otherVersion,
  service,
  startLab,
  tested,
  upTo,
} from "../support.ts";
import { expectNoFailure } from "../under-load.ts";
import { faultsOf } from "./fault-table.ts";

/**
 * What happens around a deploy, each under load: a registry that is gone, a network that is cut, a second deploy, a clock that is an hour
 * off. What served goes on serving; the next deploy converges.
 */
export function deployFaults(): void {
  const { fault, operatorDid } = faultsOf("a deploy");

  /** The engine's errors. */
  const words = ({ output }: LabRun) => output.slice(Math.max(0, output.search(/^error /m))).trim();

  /** A deploy that meets a fault fails, says why and leaves the version before; without the fault the next one succeeds. */
  async function failsThenConverges(
    title: string,
    version: string,
    deploy: () => Promise<LabRun>,
  ): Promise<LabRun> {
    const before = await service();
    let failed: LabRun | undefined;
    const load = await fault(title, "up again", async () => {
      failed = await deploy();
      expect((await service()).slot).toBe(before.slot);
      await labOk(...upTo(version));
    });
    if (failed === undefined) throw new Error("no deploy was made");
    process.stdout.write(
      `\n## ${title}: what the operator sees after ${failed.seconds.toFixed(1)} s\n${words(failed)}\n`,
    );
    expect(failed.exitCode).not.toBe(0);
    expectNoFailure(load);
    expect(load.versions.map((each) => each.version)).toEqual([before.version, version]);
    expect(await service()).toMatchObject({ version });
    expect(await leftovers()).toEqual([]);
    return failed;
  }

  /** The clock of the service's container, compared with the machine's. */
  const secondsAhead = async () =>
    Number(
      await onMachine(
        `container=$(docker ps --quiet --filter label=berth.resource=${nameOf()} --filter status=running | head -n 1)
echo $(( $(docker exec "$container" date +%s) - $(date +%s) ))`,
      ),
    );

  describe("the registry is gone when a deploy begins", () => {
    // Versions that the host has no image of: what it has needs no registry.
    test.each([
      ["refuses", "v1.5.0", /connection refused/],
      ["is silent", "v1.6.0", /deadline exceeded|Client\.Timeout exceeded|i\/o timeout/],
    ] as const)(
      "it %s: the message contains the image and the registry's error",
      async (how, version, reason) => {
        const failed = await failsThenConverges(`the registry ${how}`, version, async () => {
          const undo = await registryGone(how);
          return lab(...upTo(version)).finally(undo);
        });
        expect(failed.output).toMatch(
          new RegExp(
            `cannot pull registry\\.berth\\.lab:5000/${tested.name}/${tested.service}@sha256:[0-9a-f]{64}`,
          ),
        );
        expect(failed.output).toMatch(reason);
      },
    );
  });

  test("nginx' configuration does not validate: the switch fails with nginx' own words and puts its files back", async () => {
    if (edgeKind() !== "nginx") {
      process.stdout.write(`skipped: the edge of ${tested.host} is ${edgeKind()}\n`);
      return;
    }
    const routes =
      "sudo sh -c 'cd /var/lib/berth/edge && find upstreams locations checks -type f | sort | xargs sha256sum'";
    const before = await onMachine(routes);
    const version = otherVersion((await service()).version);
    const failed = await failsThenConverges("a broken file in the edge's folder", version, async () => {
      const undo = await strayFile(
        "/var/lib/berth/edge/limits/left-by-somebody.conf",
        "this_is_no_directive on;",
      );
      const run = await lab(...upTo(version)).finally(undo);
      expect(await onMachine(routes)).toBe(before);
      return run;
    });
    expect(failed.output).toMatch(
      /nginx refuses the new configuration[\s\S]*unknown directive "this_is_no_directive" in \S*left-by-somebody.conf:1/,
    );
    expect(failed.output).toContain(`the routes of ${nameOf()} stay where they were`);
  });

  test("the disk is full at the snapshot: the error contains the free space, no incomplete file is left", async () => {
    const folder = `/var/backups/${tested.name}`;
    const version = otherVersion((await service()).version);
    const failed = await failsThenConverges("no room for the snapshot", version, async () => {
      const undo = await diskFull(folder, 4);
      try {
        const run = await lab(...upTo(version));
        expect(await onMachine(`sudo find ${folder} -type f ! -name filler`)).toBe("");
        return run;
      } finally {
        await undo();
      }
    });
    expect(failed.output).toMatch(/Room on the disk of \/var\/backups\/\S+: \S+ of \S+/);
    expect(failed.output).toMatch(
      /the snapshot of \S+ is not written, and so .* stops with the database as it was: some \d+ MiB are needed/,
    );
  });

  test("the network between operator and host is cut: the deploy fails within its deadline, naming the host", async () => {
    const { stdout } = await labOk("status", "--json");
    const { machines } = JSON.parse(stdout) as { machines: { address: string; sshPort: number }[] };
    const [machine] = machines;
    if (machine === undefined) throw new Error("no machine");
    const version = otherVersion((await service()).version);
    const failed = await failsThenConverges("the operator is cut off", version, async () => {
      let undo: Promise<Undo> | undefined;
      const run = await startLab(upTo(version), (step) => {
        if (step.name === `${nameOf()}-probe`) undo ??= operatorCutOff(machine.sshPort);
      }).done;
      if (undo === undefined) throw new Error(`the deploy had no probe: ${run.output.slice(-3000)}`);
      const again = await lab(...upTo(version)).finally(async () => (await undo)?.());
      for (const each of [run, again]) {
        expect(each.exitCode).not.toBe(0);
        expect(each.seconds).toBeLessThan(120);
        expect(each.output).toContain(machine.address);
      }
      return run;
    });
    expect(failed.output).toContain(
      `no connection to ${tested.host} (${machine.address}, port ${machine.sshPort}), or it broke`,
    );
  });

  test("a second up beside a running one is told whose lock it is, and touches nothing", async () => {
    const before = await service();
    const version = otherVersion(before.version);
    let runs: LabRun[] = [];
    const load = await fault("two ups at once", "waits, up again", async () => {
      let begun: () => void = () => undefined;
      const running = new Promise<void>((resolve) => {
        begun = resolve;
      });
      const first = startLab(upTo(version), () => begun()).done;
      await running;
      const second = await lab(...upTo("v1.9.0"));
      runs = [await first, second];
    });
    const [first, second] = runs;
    process.stdout.write(`\n## what the second one sees\n${second && words(second)}\n`);
    expect(first?.exitCode, first?.output.slice(-3000)).toBe(0);
    expect(second?.exitCode).toBe(1);
    expect(second?.output).toMatch(
      new RegExp(`is locked by ${userInfo().username}@\\S+ \\(process \\d+, up\\) for \\d+ s`),
    );
    expectNoFailure(load);
    expect(await service()).toMatchObject({ version });
    await labOk("preview", "--expect-no-changes", ...upTo(version).slice(1));
    expect(await leftovers()).toEqual([]);
  });

  describe("the app's clock", () => {
    let images: OwnImages;
    beforeAll(async () => {
      images = await ownImages("v1.1.0", `${tested.name}/${tested.service}`);
    });
    afterAll(() => images?.close());

    /** The stand-in under libfaketime, which answers calls for the time with another one (its README). */
    const withClock = (offset: string) =>
      images.build(
        `clock-${offset.replace("+", "plus-")}`,
        `USER 0
RUN apt-get update -q && apt-get install -qy --no-install-recommends libfaketime && ln -s /usr/lib/*/faketime/libfaketime.so.1 /usr/lib/libfaketime.so.1
USER ${images.user}
ENV LD_PRELOAD=/usr/lib/libfaketime.so.1 FAKETIME=${offset} FAKETIME_DONT_FAKE_MONOTONIC=1`,
      );

    test.each([
      ["an hour ahead", "+3600"],
      ["an hour behind", "-3600"],
    ])("is %s: no request fails, and the next version has the right one", async (what, offset) => {
      const before = await service();
      const version = otherVersion(before.version);
      const image = await withClock(offset);
      const given = ["--image", `${tested.name}/${tested.service}=${image}`];
      let run: LabRun | undefined;
      const load = await fault(`its clock ${what}`, "", async () => {
        run = await lab(...upTo(version), ...given);
        if (run.exitCode === 0) {
          const shown = await secondsAhead();
          expect(Math.abs(shown - Number(offset))).toBeLessThan(30);
          await labOk("preview", "--expect-no-changes", ...upTo(version).slice(1), ...given);
        }
        await labOk(...upTo(before.version));
        expect(Math.abs(await secondsAhead())).toBeLessThan(30);
      });
      operatorDid(run?.exitCode === 0 ? "nothing" : "sets the clock, up again");
      if (run?.exitCode !== 0)
        process.stdout.write(`\n## what the operator sees\n${run && words(run).slice(-2000)}\n`);
      expectNoFailure(load);
      expect(await service()).toMatchObject({ version: before.version });
      expect(await leftovers()).toEqual([]);
    });
  });
}
