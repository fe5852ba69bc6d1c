import { mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import { releaseStep, StepWatch } from "../../lab/bench/step-watch.ts";
import type { PendingOperation } from "../../ops/deployment.ts";
import { creating, deployment, resource, service } from "./ops-fixtures.ts";

describe("StepWatch", () => {
  test("reports operations that start and end, in order, without those pending before", async () => {
    const folder = mkdtempSync(join(tmpdir(), "berth-watch-"));
    try {
      const file = join(folder, "production.json");
      const write = async (pending: readonly PendingOperation[]) => {
        writeFileSync(`${file}.tmp`, JSON.stringify(deployment([], pending)));
        renameSync(`${file}.tmp`, file);
        await sleep(60);
      };
      const earlier = creating(service("earlier"));
      await write([earlier]);
      const begun: string[] = [];
      const watch = new StepWatch(file, ({ name }) => begun.push(name));
      await write([earlier, creating(service("togather_app"))]);
      const probe = resource("command:local:Command", "togather_app-probe");
      await write([{ type: "updating", resource: { ...probe, id: "" } }]);
      // Written again by another step, after its id is known.
      await write([{ type: "updating", resource: { ...probe, id: "4711" } }]);
      await write([]);
      watch.close();
      expect(begun).toEqual(["togather_app", "togather_app-probe"]);
      expect(watch.steps.map(releaseStep)).toEqual(["slot", "probe"]);
      for (const { startedMs, endedMs = 0 } of watch.steps) {
        expect(endedMs - startedMs).toBeGreaterThan(40);
        expect(endedMs - startedMs).toBeLessThan(5000);
      }
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  test("recognizes the steps of a release, and no others", () => {
    const step = (operation: PendingOperation["type"], type: string, name: string) =>
      releaseStep({ operation, type, name, urn: "", startedMs: 0 });
    expect(step("updating", "command:local:Command", "togather_app-migration")).toBe("migration");
    expect(step("deleting", "command:local:Command", "togather_app-migration")).toBeUndefined();
    expect(step("creating", "command:local:Command", "main-ready")).toBeUndefined();
    expect(step("deleting", "docker:index/service:Service", "togather_app")).toBe("removal");
    expect(step("updating", "docker:index/service:Service", "togather_app")).toBeUndefined();
    expect(step("deleting", "docker:index/secret:Secret", "x")).toBeUndefined();
  });
});
