import { readFileSync } from "node:fs";
import { hostname, userInfo } from "node:os";
import { hostPaths } from "../components/host/paths.ts";
import { type Backend, isStale, liveLockMessage } from "./backend.ts";
import { type Deployment, resourceName, resources } from "./deployment.ts";
import { hostsOf, quote } from "./host-access.ts";
import { readRecords, type ServiceRecords, schemaOf, versionOf } from "./records.ts";
import { type RunCommand, runCommand } from "./run.ts";

export interface BackReport {
  readonly service: string;
  readonly from: { readonly slot: string; readonly version: string };
  readonly to: { readonly slot: string; readonly version: string };
  /** From the start of the command until the edge sent requests to the old version. */
  readonly secondsToServing: number;
  /** From the start until the newer version got no more requests. */
  readonly secondsToDrained: number;
  /** Commands that make the configuration agree. */
  readonly next: readonly string[];
}

interface BackOptions {
  /** The operator has confirmed that the previous version works with the newer schema. */
  readonly newerSchema?: boolean;
  /** When the command was given, as `performance.now()` counts. */
  readonly startedMs?: number;
  readonly run?: RunCommand;
}

/** How long the switch may take on the host; components/edge/proxy-edge.ts has the same. */
const switchSeconds = 180;
/** How long the previous slot may take to become healthy; a kept slot has no tasks, so it starts. */
const startSeconds = 120;

/**
 * Sends a service's requests to the slot that served before: starts it and switches the current routes to it. Needs no pull, no
 * migration and no run of Pulumi. Works as long as that slot is kept.
 * @throws when a deploy is running, when there is nothing to go back to, or when that slot expects an older schema than the one
 *   that serves and this is not acknowledged; the message says what to do instead.
 */
export async function goBack(
  backend: Backend,
  system: string,
  service: string | undefined,
  { newerSchema = false, startedMs = 0, run = runCommand }: BackOptions = {},
): Promise<BackReport> {
  const lock = await backend.lock();
  if (lock !== undefined && !isStale(lock)) throw new Error(liveLockMessage(backend, lock));
  const deployment = await backend.read();
  const hosts = hostsOf(deployment, run);
  const known = (
    await Promise.all(hosts.map(async (host) => ({ host, records: await readRecords(host) })))
  ).flatMap(({ host, records }) => records.map((each) => ({ host, records: each })));
  const { host, records } = oneOf(known, system, service);
  const { state } = records;
  const all = known.map((each) => each.records).filter(({ service }) => service.startsWith(`${system}_`));
  const key = versionKey(deployment, system, records, all);
  const again = `${backend.opsCommand} back ${system}${all.length > 1 ? ` ${records.service.slice(system.length + 1)}` : ""}`;
  const previous = state?.previous_slot;
  if (state === undefined || previous === null || previous === undefined) {
    throw new Error(`${records.service}: there is no previous slot. ${byUp(backend, key, records)}`);
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
      `${records.service}: the previous slot, ${previous}, ${missing.slice("missing: ".length)}. ${byUp(backend, key, records)}`,
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
    next: next(backend, key, again, state.version, to),
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

/** The setting of a service's version; of one that is released with another, which pulls its image, that one's. */
function versionKey(
  deployment: Deployment,
  system: string,
  { service, state }: ServiceRecords,
  all: readonly ServiceRecords[],
): string {
  const pulls = new Set(resources(deployment).map(({ urn }) => resourceName(urn)));
  const owner = pulls.has(`${service}-pull`)
    ? undefined
    : all.find((each) => each.state?.image === state?.image && pulls.has(`${each.service}-pull`));
  return `${system}:${(owner?.service ?? service).slice(system.length + 1)}.version`;
}

function next(backend: Backend, key: string, command: string, from: string, to: string): string[] {
  const again = `To return to ${from}: ${command}`;
  if (from === to) {
    return [
      `Both slots run ${to}; they differ in a secret or a setting. Restore the earlier one in the configuration, then up. Until then up does not change this, and status shows the difference.`,
      again,
    ];
  }
  return [
    `The configuration still says ${from}. Until it is changed, up does not change this, and status shows the difference. To make it permanent:`,
    ...backend.deployCommands(key, to).map((command) => `  ${command}`),
    again,
  ];
}

function byUp(backend: Backend, key: string, records: ServiceRecords): string {
  const version =
    records.history.findLast(
      ({ outcome, version }) =>
        (outcome === "success" || outcome === "back") && version !== records.state?.version,
    )?.version ?? "<version>";
  return [
    "Go back by releasing the previous version:",
    ...backend.deployCommands(key, version).map((command) => `  ${command}`),
    `To keep the previous slot for a while after each release, set ${key.replace(/version$/, "keepPreviousMinutes")}`,
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
