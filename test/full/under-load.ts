import { readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { expect } from "vitest";
import { loadMix } from "../../lab/apps/index.ts";
import { type LoadReport, renderReport, startLoad } from "../../lab/load/index.ts";
import { authorityFile } from "../../lab/stack/certificate.ts";
import { home, service, tested } from "./support.ts";

/** Requests a second. Fewer only on a busy machine; the report contains the rate. */
export const requestsPerSecond = Number(process.env.BERTH_TEST_RATE ?? 200);
const loadSeconds = 3000;
/** Seconds of load before and after the work, as a baseline. */
const baselineSeconds = 2;

/**
 * Runs `work` while 200 requests per second arrive from two addresses, on kept-open and on fresh connections,
 * and prints the figures.
 */
export async function underLoad<T>(
  title: string,
  work: () => Promise<T>,
): Promise<{ readonly result: T; readonly load: LoadReport }> {
  const { address, domain } = await service();
  const load = await startLoad({
    home,
    address,
    domain,
    requests: loadMix(tested.name),
    caPem: readFileSync(authorityFile(home), "utf8"),
    seconds: loadSeconds,
    requestsPerSecond,
    clients: 2,
  });
  let result: T;
  try {
    await sleep(baselineSeconds * 1000);
    result = await work();
    await sleep(baselineSeconds * 1000);
  } finally {
    const report = await load.stop();
    process.stdout.write(
      `\n## ${title}, under ${requestsPerSecond} requests a second\n${renderReport(report)}\n`,
    );
  }
  return { result, load: await load.done };
}

/** The load had the requested rate, and no request failed. */
export function expectNoFailure(load: LoadReport): void {
  // A client that is seconds late cannot close idle connections in time, which causes failures.
  const late = `the clients themselves were ${load.clientDelayMs} ms late${load.clientDelayMs > 2000 ? ": this machine is too busy to judge by" : ""}`;
  expect(load.failureKinds, late).toEqual([]);
  expect(load.failures).toBe(0);
  expect(load.clients).toHaveLength(2);
  expect(load.requests / load.seconds).toBeGreaterThan(requestsPerSecond * 0.975);
  expect(load.modes["keep-alive"].requests).toBeGreaterThan(load.requests * 0.45);
  expect(load.modes.fresh.requests).toBeGreaterThan(load.requests * 0.45);
}
