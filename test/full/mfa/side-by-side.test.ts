import { expect, test } from "vitest";
import { runComparison } from "../../../lab/bench/compare/compare.ts";
import { renderComparison } from "../../../lab/bench/compare/render.ts";
import { stack } from "../support.ts";
import { tunnelPort } from "../systems.ts";
import { requestsPerSecond } from "../under-load.ts";

/** Berth on Traefik beside `docker stack deploy` as the seed does it, start-first and stop-first: `npm run bench -- compare --system mfa`. */
test("MFA by Berth and by docker stack deploy, side by side under the same load", async () => {
  const report = await runComparison({
    stack,
    system: "mfa",
    versions: ["v1.1.0", "broken-health-1"],
    settings: [`mfa:postgres.tunnelPort=${tunnelPort}`],
    requestsPerSecond,
    endLab: false,
    progress: (message) => process.stdout.write(`compare: ${message}\n`),
  });
  process.stdout.write(`\n${renderComparison(report)}\n`);
  const berth = report.comparisons.filter(({ setup }) => setup === "Berth");
  expect(berth).toHaveLength(2);
  expect(report.comparisons).toHaveLength(3 * berth.length);
  for (const { version, load, exitCode, servesAfterwards } of berth) {
    expect(load.failureKinds, version).toEqual([]);
    expect(servesAfterwards).toBe("v1.1.0");
    expect(exitCode === 0).toBe(version === "v1.1.0");
  }
  // A comparison without load proves nothing.
  for (const { setup, version, load } of report.comparisons)
    expect(load.requests / load.seconds, `${setup} ${version}`).toBeGreaterThan(requestsPerSecond * 0.975);
}, 3_600_000);
