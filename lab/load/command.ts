import type { LabHome } from "../home.ts";
import type { LoadRequest } from "./client.ts";
import { startLoad } from "./load.ts";
import { renderReport } from "./render.ts";
import type { LoadReport } from "./statistics.ts";

/** The options of `npm run lab -- load <system>`; the command line adds address, domain and authority. */
export interface LoadCommandOptions {
  readonly home: LabHome;
  readonly system: string;
  readonly address: string;
  readonly domain: string;
  readonly caPem: string;
  readonly requests: readonly LoadRequest[];
  /** Requests a second of all clients together. Default 200. */
  readonly rate?: number;
  /** Default 60. */
  readonly seconds?: number;
  /** Default 2. */
  readonly clients?: number;
  /** Print the report as JSON on standard output and nothing else there. */
  readonly json?: boolean;
  /** Ends the load early, as Ctrl-C does; the report is still printed. */
  readonly signal?: AbortSignal;
}

/**
 * Runs a load against a system of the lab, with one line of progress on standard error and the report on standard output.
 * @returns the report; the command fails (exit status 1) when `failures` is not 0.
 */
export async function runLoadCommand(options: LoadCommandOptions): Promise<LoadReport> {
  const seconds = options.seconds ?? 60;
  const live = process.stderr.isTTY === true;
  let lastPrintedMs = 0;
  const load = await startLoad({
    home: options.home,
    address: options.address,
    domain: options.domain,
    caPem: options.caPem,
    requests: options.requests,
    seconds,
    ...(options.rate === undefined ? {} : { requestsPerSecond: options.rate }),
    ...(options.clients === undefined ? {} : { clients: options.clients }),
    onProgress(progress) {
      // On a terminal one line that is updated; otherwise a new line every few seconds.
      if (Date.now() - lastPrintedMs < (live ? 200 : 10_000)) return;
      lastPrintedMs = Date.now();
      const text =
        `load ${options.system}: ${Math.min(progress.seconds, seconds).toFixed(0)} of ${seconds} s, ` +
        `${progress.requests} requests, ${progress.failures} failed${progress.lastFailure ? ` (${progress.lastFailure})` : ""}`;
      process.stderr.write(live ? `\r\u001b[K${text}` : `${text}\n`);
    },
  });
  const stop = () => void load.stop().catch(() => undefined);
  options.signal?.addEventListener("abort", stop, { once: true });
  process.once("SIGINT", stop);
  try {
    const result = await load.done;
    if (live) process.stderr.write("\r\u001b[K");
    process.stdout.write(options.json ? `${JSON.stringify(result, null, 2)}\n` : `${renderReport(result)}\n`);
    return result;
  } finally {
    process.removeListener("SIGINT", stop);
  }
}
