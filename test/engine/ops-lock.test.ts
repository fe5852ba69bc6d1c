import { spawn } from "node:child_process";
import { once } from "node:events";
import { hostname } from "node:os";
import { describe, expect, test } from "vitest";
import { age, isStale } from "../../ops/backend.ts";
import { LockedError, recover } from "../../ops/recover.ts";
import { creating, deployment, service } from "../unit/ops-fixtures.ts";
import { backend, beforeEachNewFolder, fakeSsh, lock, observation } from "./recover-host.ts";

beforeEachNewFolder();

/** A process id that never exists: above the maximum of Linux. */
const deadPid = 2 ** 22 + 1;

describe("the lock", () => {
  test("of a process that has ended is reported with owner and age, and removed", async () => {
    const stale = backend(deployment([]), lock(deadPid));
    const report = await recover({ backend: stale, run: fakeSsh(() => observation([])).run });
    expect(report).toEqual({
      ok: true,
      findings: [
        {
          found: `deploy lock of anna@desk, 5 min old; its process ${deadPid} has ended`,
          done: "removed",
        },
      ],
    });
    expect(await stale.lock()).toBeUndefined();
  });

  test.each([
    ["a process that runs", process.pid, hostname()],
    ["another machine", deadPid, "elsewhere"],
  ])("of %s is refused, and nothing is touched", async (_name, pid, host) => {
    const state = deployment([], [creating(service("togather_app"))]);
    const live = backend(state, lock(pid, host));
    const failure = recover({ backend: live, run: () => Promise.reject(new Error("nothing may run")) });
    await expect(failure).rejects.toThrow(LockedError);
    await expect(failure).rejects.toThrow(`is locked by anna@desk (process ${pid}, up) for 5 min`);
    expect(await live.read()).toEqual(state);
    expect(await live.lock()).toBeDefined();
  });

  test("of another machine is taken over when its owner is named, and of a running process never", async () => {
    const { run } = fakeSsh(() => observation([]));
    const remote = backend(deployment([]), lock(deadPid, "elsewhere"));
    await expect(recover({ backend: remote, run, takeOverFrom: "bob@desk" })).rejects.toThrow(
      "npm run lab -- ops recover --take-over-from anna@desk",
    );
    const report = await recover({ backend: remote, run, takeOverFrom: "anna@desk" });
    expect(report.findings).toEqual([
      {
        found: `deploy lock of anna@desk, 5 min old; its process ${deadPid} was said to have ended on elsewhere`,
        done: "removed",
      },
    ]);
    expect(await remote.lock()).toBeUndefined();

    const running = backend(deployment([]), lock(process.pid, hostname()));
    await expect(recover({ backend: running, run, takeOverFrom: "anna@desk" })).rejects.toThrow(LockedError);
    expect(await running.lock()).toBeDefined();
  });

  test("of a killed process that is a zombie is stale", async () => {
    const parent = spawn("sh", ["-c", "sleep 100 & echo $!; exec tail -f /dev/null"]);
    try {
      const [pid] = (await once(parent.stdout, "data")) as [Buffer];
      const held = {
        owner: "anna@desk",
        host: hostname(),
        since: "2026-01-28T12:00:00Z",
        pid: Number(pid.toString()),
      };
      expect(isStale(held)).toBe(false);
      process.kill(held.pid, "SIGKILL");
      await expect.poll(() => isStale(held)).toBe(true);
      expect(process.kill(held.pid, 0)).toBe(true);
    } finally {
      parent.kill("SIGKILL");
    }
  });

  test("age in words", () => {
    const now = Date.parse("2026-01-28T12:00:00Z");
    expect(age("2026-01-28T11:59:00Z", now)).toBe("60 s");
    expect(age("2026-01-28T09:55:00Z", now)).toBe("2 h 5 min");
    expect(age("2026-01-20T12:00:00Z", now)).toBe("8 days");
    expect(age("then", now)).toBe("unknown age");
  });
});
