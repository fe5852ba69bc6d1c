/** The ways in which a version can fail on purpose, so that its deploy can be rehearsed. */
export type DeliberateFailure = "start" | "health" | "migration" | "after" | "integration";

/** `health` for `broken-health-2`; undefined for an ordinary version. */
export function deliberateFailure(version: string): DeliberateFailure | undefined {
  const match = /^broken-(start|health|migration|after|integration)(?![a-z0-9])/.exec(version);
  return match?.[1] as DeliberateFailure | undefined;
}

/** The failure that a version reports on purpose; each in the form of the real server. */
export type BrokenHealth = "database" | "migrations" | "unknown" | "jobs" | "status";

/** `broken-health-jobs` reports a degraded job queue; undefined when the version names no particular failure. */
export function brokenHealth(version: string): BrokenHealth | undefined {
  const match = /^broken-health-(database|migrations|unknown|jobs|status)(?![a-z0-9])/.exec(version);
  return match?.[1] as BrokenHealth | undefined;
}

/** Major version: 2 for `v2.1.0` and `2.1.0`, 1 for anything that does not begin with a number. */
export function majorVersion(version: string): number {
  const match = /^v?(\d{1,4})(?:\.|-|$)/.exec(version);
  return match?.[1] === undefined ? 1 : Number(match[1]);
}
