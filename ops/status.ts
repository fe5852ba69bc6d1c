import type { System } from "../components/system.ts";
import { age, type Backend } from "./backend.ts";
import { type BackupRecord, backupProblems, readBackupRecords } from "./backups.ts";
import { Cloud } from "./cloud.ts";
import { describeReplaced, listReplaced } from "./database.ts";
import { type Deployment, pendingOperations, resources } from "./deployment.ts";
import { observeHost } from "./host.ts";
import { hostsOf } from "./host-access.ts";
import { type Certificate, type Disk, type Memory, readHostFacts } from "./host-facts.ts";
import type { HostObservation } from "./observed.ts";
import { readRecords, type ServiceRecords, versionOf } from "./records.ts";
import { type RunCommand, runCommand } from "./run.ts";
import { overdue } from "./secrets.ts";
import {
  health,
  imageVersions,
  type SystemAnswer,
  systemAnswers,
  type Usage,
  usageOfServices,
} from "./service-status.ts";
import { type SshAccess, sshAccess } from "./ssh-access.ts";
import { stateProblems } from "./state-backup.ts";
import { type DatabaseEntry, databaseOf, databases } from "./system-database.ts";
import type { Target } from "./target.ts";
import { readWatch, type WatchStatus } from "./watch.ts";

/** What `status` prints, in each of its forms. */
export interface StackStatus {
  readonly lock?: string;
  /** Root disk and data volume of each host. */
  readonly disks: readonly Disk[];
  readonly memory: readonly Memory[];
  /** Of the edges. */
  readonly certificates: readonly Certificate[];
  /** Hosts whose dockerd has not started since its settings changed. */
  readonly dockerRestarts: readonly string[];
  readonly pendingOperations: number;
  readonly services: readonly {
    readonly host: string;
    readonly service: string;
    readonly image: string;
    /** What the image's labels say: version and commit. */
    readonly version: string;
    readonly age: string;
    /** `yes`, `no`, or `replaced` for a slot that the next run without errors deletes. */
    readonly inState: "yes" | "no" | "replaced";
    /** Whether a route of the edge uses it. */
    readonly routed: boolean;
    /** Of its containers, and their limit. */
    readonly memory: string;
    /** Of its containers, in percent of one processor. */
    readonly processor: string;
  }[];
  /** The serving version of each service, by its record. */
  readonly deployments: readonly {
    readonly service: string;
    readonly version: string;
    readonly deployment: string;
    readonly by: string;
    readonly age: string;
    readonly outcome: string;
    readonly slot: string;
    /** Remarks: rolled back, a kept slot, an unfinished deployment. */
    readonly note: string;
  }[];
  readonly secrets: readonly {
    readonly host: string;
    readonly secret: string;
    readonly age: string;
    /** Days beyond the age at which it must be rotated; undefined when it is younger. */
    readonly rotateAfterDays?: number;
  }[];
  /** What the systems say of themselves, as MFA's `sync:status`. */
  readonly answers: readonly SystemAnswer[];
  readonly health: readonly { readonly system: string; readonly answer: string }[];
  /** Databases that restores have replaced, or why they cannot be read. */
  readonly replaced: readonly { readonly system: string; readonly database: string }[];
  /** How backups and drills went, and what is wrong with them. */
  readonly backups: readonly BackupRecord[];
  readonly backupProblems: readonly string[];
  /** Of each host that is watched: whether that works, and what is wrong now. */
  readonly watch: readonly WatchStatus[];
  /** Access that ssh-open has opened. */
  readonly sshAccess: readonly SshAccess[];
}

/** All services, the age of their secrets, and each system's health. Changes nothing. */
export async function readStatus(
  { backend, cloud }: Target,
  definitions: readonly System[],
  run: RunCommand = runCommand,
): Promise<StackStatus> {
  const lock = await lockText(backend);
  const deployment = await backend.read();
  const hosts = hostsOf(deployment, run);
  const observedHosts = await Promise.all(hosts.map((host) => observeHost(host, deployment, backend.stack)));
  const versions = new Map(
    (await Promise.all(hosts.map((host) => imageVersions(host, backend.stack)))).flat(),
  );
  const records = (await Promise.all(hosts.map(readRecords))).flat();
  const backups = await readBackupRecords(deployment, run);
  const facts = await Promise.all(hosts.map(readHostFacts));
  const usage = new Map((await Promise.all(hosts.map(usageOfServices))).flatMap((services) => [...services]));
  return {
    ...(lock === undefined ? {} : { lock }),
    pendingOperations: pendingOperations(deployment).length,
    services: observedHosts.flatMap((observed) => services(observed, deployment, versions, usage)),
    disks: facts.flatMap(({ disks }) => disks),
    memory: facts.flatMap(({ memory }) => memory),
    certificates: facts.flatMap(({ certificates }) => certificates),
    dockerRestarts: facts.flatMap(({ host, dockerRestart }) => (dockerRestart ? [host] : [])),
    deployments: records.flatMap(lastDeployment),
    secrets: observedHosts.flatMap((observed) =>
      observed.objects
        .filter(({ kind }) => kind === "secret")
        .map(({ name, resource, createdAt }) => {
          const rotateAfterDays = overdue(resource, createdAt, definitions);
          return {
            host: observed.provider,
            secret: name,
            age: age(createdAt),
            ...(rotateAfterDays === undefined ? {} : { rotateAfterDays }),
          };
        }),
    ),
    health: await health(deployment, hosts),
    answers: await systemAnswers(deployment, hosts, definitions),
    replaced: (
      await Promise.all(databases(deployment).map((entry) => replaced(deployment, entry, run)))
    ).flat(),
    backups,
    backupProblems: [
      ...backupProblems(backups),
      ...stateProblems(
        backend,
        backups,
        records.flatMap(({ state }) => state?.timestamp ?? []),
      ),
    ],
    watch: (await Promise.all(hosts.map(readWatch))).filter((each) => each !== undefined),
    sshAccess: cloud === undefined ? [] : await sshAccess(new Cloud(cloud), backend.stack),
  };
}

/** The holder of the lock. The rest is shown even when the lock cannot be read. */
async function lockText(backend: Backend): Promise<string | undefined> {
  try {
    const lock = await backend.lock();
    if (lock === undefined) return undefined;
    const { owner, pid, since } = lock;
    return `${owner}${pid === undefined ? "" : `, process ${pid}`}${since === undefined ? "" : `, for ${age(since)}`}`;
  } catch (error) {
    return `unknown: ${error instanceof Error ? error.message : String(error)}`;
  }
}

function lastDeployment(records: ServiceRecords): StackStatus["deployments"] {
  const { service, state, open } = records;
  if (state === undefined) return [];
  const notes = [
    ...(state.outcome === "back"
      ? [
          `went back from ${versionOf(records, state.previous_slot) ?? "a version"}, which the configuration still names unless it was changed; up does not change it`,
        ]
      : []),
    ...(state.previous_slot_until === null
      ? []
      : [`${state.previous_slot} stays until ${state.previous_slot_until}`]),
    ...(open === undefined || open.tentative ? [] : [`${open.deployment_id} has not ended`]),
  ];
  return [
    {
      service,
      version: state.version,
      deployment: state.deployment_id,
      by: state.deployed_by,
      age: age(state.timestamp),
      outcome: state.outcome,
      slot: state.active_slot,
      note: notes.join("; "),
    },
  ];
}

function services(
  observed: HostObservation,
  deployment: Deployment,
  versions: ReadonlyMap<string, string>,
  usage: ReadonlyMap<string, Usage>,
): StackStatus["services"] {
  const words = new Set(observed.routes.split(/[^A-Za-z0-9_-]+/));
  return observed.objects
    .filter(({ kind }) => kind === "service")
    .map(({ id, name, image, createdAt }) => {
      const known = resources(deployment).find((resource) => resource.id === id);
      return {
        host: observed.provider,
        service: name,
        image,
        version: versions.get(name) ?? "",
        age: age(createdAt),
        inState: known === undefined ? "no" : known.delete ? "replaced" : "yes",
        routed: words.has(name),
        memory: usage.get(name)?.memory ?? "",
        processor: usage.get(name)?.processor ?? "",
      };
    });
}

async function replaced(
  deployment: Deployment,
  entry: DatabaseEntry,
  run: RunCommand,
): Promise<StackStatus["replaced"]> {
  const { system } = entry;
  try {
    const list = await listReplaced(databaseOf(deployment, entry, run));
    return list.map((each) => ({ system, database: describeReplaced(each) }));
  } catch (error) {
    // The rest is shown even when a database is down.
    const [first] = (error instanceof Error ? error.message : String(error)).split("\n");
    return [{ system, database: `unknown: ${first}` }];
  }
}
