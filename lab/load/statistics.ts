/** Figures of a load run, computed from its single requests. Pure: no clock, no network. */

/** `keep-alive`: on a reused connection; `fresh`: on a new connection. */
export const loadModes = ["keep-alive", "fresh"] as const;
export type LoadMode = (typeof loadModes)[number];

/** One request, as measured by a client. Times are milliseconds since the epoch, by the client's monotonic clock. */
export interface Sample {
  /** The scheduled time of sending. Latency is measured from here, so that it includes the time during which the client could not send. */
  readonly scheduledMs: number;
  /** The actual time of sending: later than scheduled only if the client itself was slow. */
  readonly sentMs: number;
  /** The time of the last byte of the response, or of the failure. */
  readonly doneMs: number;
  readonly mode: LoadMode;
  /** `GET /health`. */
  readonly request: string;
  /** Source address of the client, if it was connected. */
  readonly client?: string;
  /** The kind of failure: `timeout`, `ECONNRESET`, `status 502`. Absent for a success. */
  readonly failure?: string;
  /** Details of a failure: the error's message, or the start of the response. */
  readonly detail?: string;
  /** `version` of the health JSON, if the response has one. */
  readonly version?: string;
}

export interface Figures {
  readonly requests: number;
  readonly failures: number;
  /** Latency of all answered requests, from the scheduled time, in milliseconds. Zero when nothing was answered. */
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
  /** Longest time without a successful answer, the run's start and end included. */
  readonly longestGapMs: number;
}

export interface FailureKind {
  readonly kind: string;
  readonly count: number;
  /** The distinct requests that failed in this way: `GET /health`. */
  readonly requests: readonly string[];
  /** The first few, in order of time. */
  readonly examples: readonly {
    readonly at: string;
    /** Seconds since the run began. */
    readonly second: number;
    readonly mode: LoadMode;
    readonly request: string;
    readonly client?: string;
    readonly detail?: string;
  }[];
}

export interface LoadReport extends Figures {
  /** ISO time. */
  readonly startedAt: string;
  readonly seconds: number;
  /** Addresses the requests came from. */
  readonly clients: readonly string[];
  readonly modes: Readonly<Record<LoadMode, Figures>>;
  /** How many of each request succeeded: `POST /api/v1/events`. */
  readonly answered: Readonly<Record<string, number>>;
  /** Most frequent first. */
  readonly failureKinds: readonly FailureKind[];
  /** In order of first appearance. */
  readonly versions: readonly {
    readonly version: string;
    readonly requests: number;
    /** Seconds since the run began. */
    readonly firstSecond: number;
    readonly lastSecond: number;
  }[];
  /** One entry a second, by scheduled time. */
  readonly timeline: readonly {
    readonly second: number;
    readonly requests: number;
    readonly failures: number;
    readonly maxMs: number;
  }[];
  /** Time of the last failure, in seconds since the run began; absent when there was none. */
  readonly lastFailureSecond?: number;
  /** Longest delay in sending caused by the clients themselves, in milliseconds: part of the latencies above. */
  readonly clientDelayMs: number;
}

/** How many examples of each kind of failure a report keeps. */
const exampleCount = 3;

/**
 * Nearest-rank percentile: the smallest value such that `percent` % of all values are not greater. Zero for no values.
 * @param sorted ascending
 * @param percent above 0, at most 100
 */
export function percentile(sorted: readonly number[], percent: number): number {
  return sorted[Math.max(0, Math.ceil((percent / 100) * sorted.length) - 1)] ?? 0;
}

/** Longest interval between consecutive times, including start and end. Times before the start or after the end are replaced by them. */
export function longestGap(times: readonly number[], startMs: number, endMs: number): number {
  let previous = startMs;
  let longest = 0;
  for (const time of [...times].sort((left, right) => left - right)) {
    const inside = Math.min(Math.max(time, startMs), endMs);
    longest = Math.max(longest, inside - previous);
    previous = inside;
  }
  return Math.max(longest, endMs - previous);
}

/** The figures of some of a run's requests. */
function figures(samples: readonly Sample[], startMs: number, endMs: number): Figures {
  const good = samples.filter((sample) => sample.failure === undefined);
  const latencies = good
    .map((sample) => sample.doneMs - sample.scheduledMs)
    .sort((left, right) => left - right);
  const successes = good.map((sample) => sample.doneMs);
  return {
    requests: samples.length,
    failures: samples.length - good.length,
    p50Ms: round(percentile(latencies, 50)),
    p99Ms: round(percentile(latencies, 99)),
    maxMs: round(latencies.at(-1) ?? 0),
    longestGapMs: round(longestGap(successes, startMs, endMs)),
  };
}

/** The report of a run that was scheduled from `startMs` to `endMs`. */
export function report(samples: readonly Sample[], startMs: number, endMs: number): LoadReport {
  const lastMs = samples.reduce((last, sample) => Math.max(last, sample.scheduledMs), startMs);
  // Responses after the last scheduled request belong to the run; waiting for them is not a gap.
  const end = Math.min(Math.max(endMs, startMs), Math.max(lastMs, startMs));
  const byMode = (mode: LoadMode) =>
    figures(
      samples.filter((sample) => sample.mode === mode),
      startMs,
      end,
    );
  const failed = samples.filter((sample) => sample.failure !== undefined);
  const lastFailureMs = failed.reduce((last, sample) => Math.max(last, sample.doneMs), startMs);
  return {
    startedAt: new Date(startMs).toISOString(),
    seconds: round((endMs - startMs) / 1000),
    clients: [...new Set(samples.flatMap((sample) => sample.client ?? []))].sort(),
    ...figures(samples, startMs, end),
    modes: { "keep-alive": byMode("keep-alive"), fresh: byMode("fresh") },
    answered: answered(samples),
    failureKinds: failureKinds(samples, startMs),
    versions: versions(samples, startMs),
    timeline: timeline(samples, startMs),
    ...(failed.length === 0 ? {} : { lastFailureSecond: round((lastFailureMs - startMs) / 1000) }),
    clientDelayMs: round(
      samples.reduce((delay, sample) => Math.max(delay, sample.sentMs - sample.scheduledMs), 0),
    ),
  };
}

function answered(samples: readonly Sample[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { request, failure } of samples)
    if (failure === undefined) counts[request] = (counts[request] ?? 0) + 1;
  return counts;
}

function failureKinds(samples: readonly Sample[], startMs: number): FailureKind[] {
  const kinds = new Map<string, Sample[]>();
  for (const sample of samples) {
    if (sample.failure === undefined) continue;
    const known = kinds.get(sample.failure);
    if (known) known.push(sample);
    else kinds.set(sample.failure, [sample]);
  }
  return [...kinds]
    .map(([kind, failed]) => ({
      kind,
      count: failed.length,
      requests: [...new Set(failed.map(({ request }) => request))].sort(),
      examples: failed
        .sort((left, right) => left.doneMs - right.doneMs)
        .slice(0, exampleCount)
        .map(({ doneMs, mode, request, client, detail }) => ({
          at: new Date(doneMs).toISOString(),
          second: round((doneMs - startMs) / 1000),
          mode,
          request,
          ...(client === undefined ? {} : { client }),
          ...(detail === undefined ? {} : { detail }),
        })),
    }))
    .sort((left, right) => right.count - left.count);
}

function versions(samples: readonly Sample[], startMs: number): LoadReport["versions"] {
  const seen = new Map<string, { requests: number; first: number; last: number }>();
  for (const { version, doneMs } of samples) {
    if (version === undefined) continue;
    const entry = seen.get(version) ?? { requests: 0, first: doneMs, last: doneMs };
    entry.requests += 1;
    entry.first = Math.min(entry.first, doneMs);
    entry.last = Math.max(entry.last, doneMs);
    seen.set(version, entry);
  }
  return [...seen]
    .sort(([, left], [, right]) => left.first - right.first)
    .map(([version, { requests, first, last }]) => ({
      version,
      requests,
      firstSecond: round((first - startMs) / 1000),
      lastSecond: round((last - startMs) / 1000),
    }));
}

function timeline(samples: readonly Sample[], startMs: number): LoadReport["timeline"] {
  const seconds = new Map<number, { requests: number; failures: number; maxMs: number }>();
  for (const sample of samples) {
    const second = Math.max(0, Math.floor((sample.scheduledMs - startMs) / 1000));
    const entry = seconds.get(second) ?? { requests: 0, failures: 0, maxMs: 0 };
    entry.requests += 1;
    if (sample.failure !== undefined) entry.failures += 1;
    entry.maxMs = Math.max(entry.maxMs, round(sample.doneMs - sample.scheduledMs));
    seconds.set(second, entry);
  }
  return [...seconds]
    .sort(([left], [right]) => left - right)
    .map(([second, entry]) => ({ second, ...entry }));
}

function round(value: number): number {
  return Math.round(value * 100) / 100;
}
