/**
 * An open-loop load: requests are sent at a constant rate independent of the responses, on kept-open and on fresh connections,
 * from clients with their own addresses. Every request is counted; latency is measured from the scheduled time.
 *
 * ```ts
 * const load = await startLoad({ home, address: "198.18.0.10", domain: "app.example", caPem, requests, seconds: 600 });
 * await deploy();
 * const report = await load.stop();   // report.failures, report.p99Ms, report.longestGapMs, …
 * ```
 */
export type { LoadRequest } from "./client.ts";
export { type LoadCommandOptions, runLoadCommand } from "./command.ts";
export {
  type Load,
  type LoadOptions,
  type LoadProgress,
  startLoad,
} from "./load.ts";
export { renderReport } from "./render.ts";
export type { LoadReport } from "./statistics.ts";
