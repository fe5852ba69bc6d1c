import { expect, test } from "vitest";
import { runComparison } from "../../../lab/bench/compare/compare.ts";
import { renderComparison } from "../../../lab/bench/compare/render.ts";
import { stack, tunnelSetting } from "../support.ts";
import { requestsPerSecond } from "../under-load.ts";

/** Berth beside `docker stack deploy`, as `npm run bench -- compare` measures it: good and broken versions under one load. */
test("Berth and docker stack deploy, side by side under the same load", async () => {
  const report = await runComparison({
    stack,
    settings: [tunnelSetting],
    requestsPerSecond,
    endLab: false,
    progress: (message) => process.stdout.write(`compare: ${message}\n`),
  });
  process.stdout.write(`\n${renderComparison(report)}\n`);
  const berth = report.comparisons.filter(({ setup }) => setup === "Berth");
  expect(report.comparisons).toHaveLength(3 * berth.length);
  for (const { what, version, load, exitCode, servesAfterwards } of berth) {
    const broken = version.startsWith("broken");
    // What a version has in hand when it dies is lost where it must not be sent twice; nothing else is, whatever the version.
    const lost = load.failureKinds.flatMap(({ requests }) => requests);
    if (what === "dies under load") expect(["", "POST /api/v1/events"]).toContain(lost.join(", "));
    else expect(lost, version).toEqual([]);
    expect(exitCode === 0, version).toBe(!broken);
    expect(servesAfterwards, version).toBe("v1.1.0");
  }
  // A comparison without load proves nothing.
  for (const { setup, version, load } of report.comparisons)
    expect(load.requests / load.seconds, `${setup} ${version}`).toBeGreaterThan(requestsPerSecond * 0.975);
}, 3_600_000);
