import { hostname } from "node:os";
import { renderTable } from "../components/table.ts";
import { applyToState } from "./apply-to-state.ts";
import { age, type Backend, isStale, liveLockMessage } from "./backend.ts";
import { Cloud, type CloudAccess } from "./cloud.ts";
import { type Deployment, pendingOperations, resourceName } from "./deployment.ts";
import { observeHost, removeObject, waitForCommands } from "./host.ts";
import { type HostAccess, hostsOf } from "./host-access.ts";
import type { HostObservation, Observation } from "./observed.ts";
import { planRecovery } from "./plan.ts";
import type { Action } from "./recovery-action.ts";
import { type RunCommand, runCommand } from "./run.ts";

interface RecoverOptions {
  readonly backend: Backend;
  /** When left out, the cloud is not searched. */
  readonly cloud?: CloudAccess;
  /** Owner of a lock that another machine holds, whose run is known to have ended there. */
  readonly takeOverFrom?: string;
  /** How long host commands of the interrupted run may take to end, in seconds. Default 300. */
  readonly waitSeconds?: number;
  /** Default {@link runCommand}. */
  readonly run?: RunCommand;
  /** Reports progress. */
  readonly progress?: (message: string) => void;
}

/** One line of what recovery found. */
interface Finding {
  readonly found: string;
  readonly done: string;
  /** Something could not be done; the command fails. */
  readonly failed?: boolean;
}

interface RecoverReport {
  readonly findings: readonly Finding[];
  readonly ok: boolean;
}

/** A deploy is running: nothing was inspected or changed. */
export class LockedError extends Error {}

/**
 * Cleans up after a killed run: its lock, its pending operations, unrecorded resources, and host commands that are still
 * running. Afterwards the next `up` succeeds.
 * @throws LockedError when the deploy lock is held by a process that may still run
 */
export async function recover(options: RecoverOptions): Promise<RecoverReport> {
  const { backend, progress = () => undefined, run = runCommand } = options;
  const findings: Finding[] = [];
  const lock = await backend.lock();
  if (lock !== undefined) {
    const stale = isStale(lock);
    // The owner must be known; the lock of a running process is never taken.
    const given = lock.host !== hostname() && options.takeOverFrom === lock.owner;
    if (!stale && !given) throw new LockedError(liveLockMessage(backend, lock));
    await backend.removeLock();
    const process = lock.pid === undefined ? "its run" : `its process ${lock.pid}`;
    const end = stale
      ? `${process} has ended`
      : `${process} was said to have ended on ${lock.host ?? "its machine"}`;
    const old = lock.since === undefined ? "" : `, ${age(lock.since)} old`;
    findings.push({ found: `deploy lock of ${lock.owner}${old}; ${end}`, done: "removed" });
  }
  const deployment = await backend.read();
  const hosts = hostsOf(deployment, run);
  const cloud = options.cloud === undefined ? undefined : new Cloud(options.cloud);
  progress(`looking at what ${backend.description} left behind`);
  const first = await observe(hosts, cloud, deployment, backend.stack);
  const early = await execute(planRecovery(deployment, first.observed), hosts, cloud);
  let actions = early.done;
  findings.push(...first.findings, ...early.findings);
  const busy = first.observed.hosts.filter(({ commands }) => commands > 0);
  if (busy.length > 0) {
    for (const { provider, commands } of busy) {
      const host = hosts.find((candidate) => candidate.provider === provider);
      if (host === undefined) continue;
      progress(`waiting for ${commands} command(s) of the interrupted run on ${provider}`);
      findings.push(await waitForHostCommands(host, commands, options.waitSeconds ?? 300));
    }
    // The commands have changed the host, so it is observed again.
    const second = await observe(hosts, cloud, deployment, backend.stack);
    const late = await execute(planRecovery(deployment, second.observed), hosts, cloud);
    actions = late.done;
    findings.push(
      ...late.findings.filter((finding) => !findings.some(({ found }) => found === finding.found)),
    );
  }
  const changes = actions.filter(({ kind }) => kind === "clear" || kind === "adopt" || kind === "forget");
  if (changes.length > 0) await backend.write(applyToState(deployment, changes), deployment);
  return { findings, ok: findings.every(({ failed }) => !failed) };
}

/** The report as a table. */
export function renderRecovery(report: RecoverReport): string {
  if (report.findings.length === 0) return "Nothing to recover: no lock, nothing pending, nothing left over.";
  return renderTable(
    ["found", "done"],
    report.findings.map(({ found, done, failed }) => [found, failed ? `FAILED: ${done}` : done]),
  );
}

async function observe(
  hosts: readonly HostAccess[],
  cloud: Cloud | undefined,
  deployment: Deployment,
  stack: string,
): Promise<{ observed: Observation; findings: Finding[] }> {
  const findings: Finding[] = [];
  const observedHosts: HostObservation[] = [];
  const pending = pendingOperations(deployment);
  const pendingOnDocker = pending.some(({ resource }) => resource.type.startsWith("docker:"));
  for (const host of hosts) {
    try {
      observedHosts.push(await observeHost(host, deployment, stack));
    } catch (error) {
      findings.push({
        found: `${host.provider}: the host does not answer`,
        done: `left as it is: ${message(error)}`,
        failed: pendingOnDocker,
      });
    }
  }
  let objects: Observation["cloud"];
  try {
    objects = await cloud?.list(stack);
  } catch (error) {
    const pendingInCloud = pending.some(({ resource }) => resource.type.startsWith("hcloud:"));
    findings.push({
      found: "the cloud's API does not answer",
      done: `left as it is: ${message(error)}`,
      failed: pendingInCloud,
    });
  }
  return { observed: { hosts: observedHosts, cloud: objects }, findings };
}

async function waitForHostCommands(
  host: HostAccess,
  commands: number,
  waitSeconds: number,
): Promise<Finding> {
  const found = `${host.provider}: ${commands} command(s) of the interrupted run still ran`;
  try {
    const left = await waitForCommands(host, waitSeconds);
    return left === 0
      ? { found, done: "waited until they ended" }
      : { found, done: `${left} still run after ${waitSeconds} s`, failed: true };
  } catch (error) {
    return { found, done: message(error), failed: true };
  }
}

/** Carries out the actions outside of the state. Returns the successful ones, to be applied to the state. */
async function execute(
  actions: readonly Action[],
  hosts: readonly HostAccess[],
  cloud: Cloud | undefined,
): Promise<{ done: Action[]; findings: Finding[] }> {
  const done: Action[] = [];
  const findings: Finding[] = [];
  const failed = new Set<string>();
  for (const action of actions) {
    const found = describe(action);
    // An object that could not be removed stays pending, so that the next recovery knows its origin.
    if (action.kind === "clear" && failed.has(resourceName(action.operation.resource.urn))) continue;
    try {
      await perform(action, hosts, cloud);
      done.push(action);
      findings.push({ found, done: outcome(action) });
    } catch (error) {
      if ("object" in action) failed.add(action.object.resource);
      findings.push({ found, done: message(error), failed: true });
    }
  }
  return { done, findings };
}

async function perform(
  action: Action,
  hosts: readonly HostAccess[],
  cloud: Cloud | undefined,
): Promise<void> {
  switch (action.kind) {
    case "remove-docker": {
      const host = hosts.find(({ provider }) => provider === action.provider);
      if (host === undefined) throw new Error(`no way to ${action.provider}`);
      return removeObject(host, action.object);
    }
    case "remove-cloud":
      return cloud?.remove(action.object);
    case "remove-record":
      return cloud?.removeRecord(action.zone, action.record);
    default:
      return;
  }
}

function describe(action: Action): string {
  switch (action.kind) {
    case "clear":
    case "adopt":
      return `${action.operation.type} ${shortType(action.operation.resource.type)} ${resourceName(action.operation.resource.urn)} was interrupted`;
    case "forget":
      return `${shortType(action.resource.type)} ${resourceName(action.resource.urn)} (${action.resource.id})`;
    case "remove-docker":
      return `${action.object.kind} ${action.object.name} on ${action.provider}`;
    case "remove-cloud":
      return `${action.object.kind} ${action.object.name} (${action.object.id})`;
    case "remove-record":
      return `record ${action.record} in zone ${action.zone}`;
    case "keep":
      return action.what;
  }
}

function outcome(action: Action): string {
  const verbs: Readonly<Record<Action["kind"], string>> = {
    clear: "cleared",
    adopt: "taken into the state",
    forget: "taken out of the state",
    "remove-docker": "removed",
    "remove-cloud": "removed",
    "remove-record": "removed",
    keep: "LEFT ALONE",
  };
  return `${verbs[action.kind]}: ${action.why}`;
}

/** `docker:index/service:Service` is `docker Service`. */
function shortType(type: string): string {
  return type.replace(/:.*:/, " ");
}

function message(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
