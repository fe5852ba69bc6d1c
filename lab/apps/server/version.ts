/** The ways in which a version may be made to fail on purpose, so that a deploy of it can be rehearsed. */
export type DeliberateFailure = "start" | "health" | "migration" | "after" | "integration";

/** `broken-health-2` fails in the way `health`; undefined for an ordinary version. */
export function deliberateFailure(version: string): DeliberateFailure | undefined {
  const match = /^broken-(start|health|migration|after|integration)(?![a-z0-9])/.exec(version);
  return match?.[1] as DeliberateFailure | undefined;
}

/** What a version that is never healthy says of itself; each as the real server would. */
export type BrokenHealth = "database" | "migrations" | "unknown" | "jobs" | "status";

/** `broken-health-jobs` says that its job queue is degraded; undefined when nothing in particular is said. */
export function brokenHealth(version: string): BrokenHealth | undefined {
  const match = /^broken-health-(database|migrations|unknown|jobs|status)(?![a-z0-9])/.exec(version);
  return match?.[1] as BrokenHealth | undefined;
}

/** Major version: 2 for `v2.1.0` and `2.1.0`, 1 for anything that does not begin with a number. */
export function majorVersion(version: string): number {
  const match = /^v?(\d{1,4})(?:\.|-|$)/.exec(version);
  return match?.[1] === undefined ? 1 : Number(match[1]);
}
