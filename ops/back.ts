import { readFileSync } from "node:fs";
import { hostname, userInfo } from "node:os";
import { hostPaths } from "../components/host/paths.ts";
import { type Backend, isStale, liveLockMessage } from "./backend.ts";
import { hostsOf, quote } from "./host-access.ts";
import { readRecords, type ServiceRecords, schemaOf, versionOf } from "./records.ts";
import { type RunCommand, runCommand } from "./run.ts";

export interface BackReport {
  readonly service: string;
  readonly from: { readonly slot: string; readonly version: string };
  readonly to: { readonly slot: string; readonly version: string };
  /** From the start of the command until the edge sent requests to the old version. */
  readonly secondsToServing: number;
  /** Until nothing was sent to the other one any more. */
  readonly secondsToDrained: number;
  /** What makes the configuration agree. */
  readonly next: readonly string[];
}

interface BackOptions {
  /** The version before works with the newer schema. */
  readonly newerSchema?: boolean;
  /** When the command was given, as `performance.now()` counts. */
  readonly startedMs?: number;
  readonly run?: RunCommand;
}

/** How long the switch may take on the host; components/edge/proxy-edge.ts has the same. */
const switchSeconds = 180;
/** How long the slot before may take to be healthy: what stays to be gone back to has no tasks. */
const startSeconds = 120;

/**
 * Sends a service's requests to the slot that served before: starts it, and leads the routes as they are now to it. No image, no
 * migration and no run of Pulumi is waited for. Works while that slot stays.
 * @throws when somebody deploys, when there is nothing to go back to, or when that slot expects an older schema than the one
 *   that serves and nobody has acknowledged it; the message says what to do instead.
 */
export async function goBack(
  backend: Backend,
  system: string,
  service: string | undefined,
  { newerSchema = false, startedMs = 0, run = runCommand }: BackOptions = {},
): Promise<BackReport> {
  const lock = await backend.lock();
  if (lock !== undefined && !isStale(lock)) throw new Error(liveLockMessage(backend, lock));
  const hosts = hostsOf(await backend.read(), run);
  const known = (
    await Promise.all(hosts.map(async (host) => ({ host, records: await readRecords(host) })))
  ).flatMap(({ host, records }) => records.map((each) => ({ host, records: each })));
  const { host, records } = oneOf(known, system, service);
  const { state } = records;
  const previous = state?.previous_slot;
  if (state === undefined || previous === null || previous === undefined) {
    throw new Error(
      `${records.service}: no slot served before the one that does. ${byUp(backend, system, records)}`,
    );
  }
  const schema = {
    current: schemaOf(records, state.active_slot) ?? 0,
    expected: schemaOf(records, previous) ?? 0,
  };
  if (schema.current > schema.expected && !newerSchema) {
    const version = versionOf(records, previous) ?? previous;
    throw new Error(newerSchemaMessage(backend, system, records.service, version, schema));
  }
  const output = await host.run(
    backScript(records.service, state.active_slot, previous),
    startSeconds + switchSeconds + 30,
  );
  const endedMs = performance.now();
  const [missing] = /^missing: .*$/m.exec(output) ?? [];
  if (missing !== undefined) {
    throw new Error(
      `${records.service}: the slot before, ${previous}, ${missing.slice("missing: ".length)}. ${byUp(backend, system, records)}`,
    );
  }
  const drainedSeconds = Number(/^drained after (\S+)$/m.exec(output)?.[1] ?? Number.NaN);
  const total = (endedMs - startedMs) / 1000;
  const to = versionOf(records, previous) ?? state.version;
  return {
    service: records.service,
    from: { slot: state.active_slot, version: state.version },
    to: { slot: previous, version: to },
    secondsToServing: Number.isNaN(drainedSeconds) ? total : total - drainedSeconds,
    secondsToDrained: total,
    next: next(backend, system, records.service, state.version, to),
  };
}

export function renderBack({
  service,
  from,
  to,
  secondsToServing,
  secondsToDrained,
  next,
}: BackReport): string {
  return [
    `${service} serves ${to.version} again (${to.slot}), ${secondsToServing.toFixed(1)} s after the command; ` +
      `the last request to ${from.version} (${from.slot}) had ended ${secondsToDrained.toFixed(1)} s after it.`,
    ...next,
  ].join("\n");
}

function oneOf<T extends { readonly records: ServiceRecords }>(
  known: readonly T[],
  system: string,
  service: string | undefined,
): T {
  const own = known.filter(({ records }) =>
    service === undefined
      ? records.service.startsWith(`${system}_`)
      : records.service === `${system}_${service}`,
  );
  const [only] = own;
  if (only !== undefined && own.length === 1) return only;
  const names = (list: readonly T[]) =>
    list.map(({ records }) => records.service.replace("_", " ")).join(", ");
  throw new Error(
    own.length > 1
      ? `${system} has several services; say which: ${names(own)}`
      : `no deployment of ${system}${service === undefined ? "" : ` ${service}`} is recorded; there are: ${names(known) || "none"}`,
  );
}

function next(backend: Backend, system: string, service: string, from: string, to: string): string[] {
  const key = `${system}:${service.slice(system.length + 1)}.version`;
  const again = `To return to ${from}: ${backend.opsCommand} back ${system}`;
  if (from === to) {
    return [
      `Both slots run ${to}; they differ in a secret or a setting. Set the earlier one in the configuration, then up. Until then up leaves this as it is, and status shows it.`,
      again,
    ];
  }
  return [
    `The configuration still says ${from}: until it says otherwise, up leaves this as it is, and status shows it. To make it last:`,
    ...backend.deployCommands(key, to).map((command) => `  ${command}`),
    again,
  ];
}

function byUp(backend: Backend, system: string, records: ServiceRecords): string {
  const key = `${system}:${records.service.slice(system.length + 1)}.version`;
  const version =
    records.history.findLast(
      ({ outcome, version }) =>
        (outcome === "success" || outcome === "back") && version !== records.state?.version,
    )?.version ?? "<version>";
  return [
    "Go back by a release of the version before:",
    ...backend.deployCommands(key, version).map((command) => `  ${command}`),
    `So that the slot before stays for a while after the next releases: ${key.replace(/version$/, "keepPreviousMinutes")}`,
  ].join("\n");
}

function newerSchemaMessage(
  { stack, opsCommand }: Backend,
  system: string,
  service: string,
  version: string,
  schema: { readonly current: number; readonly expected: number },
): string {
  return `${service}: ${version} expects schema version ${schema.expected}, and what serves has brought the database to ${schema.current}. Nothing was changed. Ways:
  1. keep the newer schema. Right when its migrations only added: the old code does not notice.
      ${opsCommand} back ${system} --newer-schema --stack ${stack}
  2. the same, then reverse the migrations (what they added is lost):
      ${opsCommand} reverse-migration ${system} --to ${schema.expected} --stack ${stack}
  3. the same as 1, then restore a snapshot from before them (what was written since is lost):
      ${opsCommand} snapshots ${system} --stack ${stack}
      ${opsCommand} restore ${system} <snapshot> --as-it-was --stack ${stack}`;
}

/** What {@link goBack} runs on the host. */
export function backScript(service: string, from: string, to: string): string {
  const by = `${process.env.GITHUB_ACTOR || userInfo().username}@${hostname()}`.replace(
    /[^A-Za-z0-9@._-]/g,
    "",
  );
  const parameters = {
    FROM: from,
    TO: to,
    SAVED: `${hostPaths.deployments}/${service}.slots`,
    START_SECONDS: startSeconds,
    BY: by,
  };
  const assignments = Object.entries(parameters).map(([name, value]) => `${name}=${quote(String(value))}`);
  const script = readFileSync(new URL("./scripts/back.sh", import.meta.url), "utf8");
  return `set -euo pipefail\numask 077\n${assignments.join("\n")}\n${script}\nmain </dev/null\n`;
}
