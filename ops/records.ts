import { hostPaths } from "../components/host/paths.ts";
import type { HostAccess } from "./host-access.ts";

/** A deployment in the host's record; see components/release/scripts/record.sh. */
export interface DeploymentRecord {
  readonly deployment_id: string;
  readonly environment: string;
  readonly service: string;
  readonly version: string;
  readonly git_commit: string;
  /** ISO time of its beginning. */
  readonly timestamp: string;
  readonly deployed_by: string;
  readonly image: string;
  readonly slot: string;
  /** Version of the database's schema that the image expects; null when it ships no migrations, or was not probed. */
  readonly schema_version: number | null;
  readonly duration_seconds: number;
  /** Seconds of each command. */
  readonly steps: Readonly<Record<string, number>>;
  readonly outcome: "success" | "failed" | "interrupted" | "back";
  readonly error?: string;
}

/** The serving slot, and its deployment. */
export interface ServiceState extends Omit<DeploymentRecord, "slot" | "error"> {
  readonly system: string;
  readonly active_slot: string;
  readonly previous_slot: string | null;
  /** ISO time until which the previous slot is kept; null when it is not kept. */
  readonly previous_slot_until: string | null;
  /** Image from which an operator went back: new slots of it are refused. Missing in older records. */
  readonly refused_image?: string | null;
}

/** A deployment without an end: it is running, or was interrupted. */
export interface OpenDeployment extends Omit<DeploymentRecord, "outcome" | "duration_seconds" | "error"> {
  /** Not a deployment if only settings of a snapshot or a migration have changed. */
  readonly tentative: boolean;
}

export interface ServiceRecords {
  /** `togather_app`. */
  readonly service: string;
  readonly state?: ServiceState;
  readonly open?: OpenDeployment;
  /** Oldest first. */
  readonly history: readonly DeploymentRecord[];
}

/** Shell lines that print a host's records, for {@link parseRecords}. */
export const recordsScript = `for file in $(sudo find ${hostPaths.deployments} -maxdepth 1 -name '*.json*' ! -name '*.new' -printf '%f\\n' 2>/dev/null | sort); do echo "-- $file"; sudo cat "${hostPaths.deployments}/$file"; done`;

export function parseRecords(text: string): ServiceRecords[] {
  const services = new Map<string, { -readonly [Key in keyof ServiceRecords]: ServiceRecords[Key] }>();
  for (const part of text.split(/^-- /m).slice(1)) {
    const end = part.indexOf("\n");
    const [, name, kind] = /^(.+?)(\.open\.json|\.history\.jsonl|\.json)$/.exec(part.slice(0, end)) ?? [];
    if (name === undefined) continue;
    const records = services.get(name) ?? { service: name, history: [] };
    services.set(name, records);
    const body = part.slice(end + 1).trim();
    if (body === "") continue;
    if (kind === ".json") records.state = JSON.parse(body) as ServiceState;
    else if (kind === ".open.json") records.open = JSON.parse(body) as OpenDeployment;
    else records.history = body.split("\n").map((line) => JSON.parse(line) as DeploymentRecord);
  }
  return [...services.values()];
}

export async function readRecords(host: HostAccess): Promise<ServiceRecords[]> {
  return parseRecords(await host.run(`${recordsScript}\n`, 30));
}

/** The slots that are kept although they are not in Pulumi's state: for going back, or in use after going back. */
export function keptSlots(records: readonly ServiceRecords[], nowMs = Date.now()): string[] {
  return records.flatMap(({ state }) => {
    if (state === undefined) return [];
    const { previous_slot: previous, previous_slot_until: until } = state;
    return [
      ...(previous !== null && until !== null && Date.parse(until) > nowMs ? [previous] : []),
      ...(state.outcome === "back" ? [state.active_slot] : []),
    ];
  });
}

/** The version that a slot runs, if the history has it. */
export function versionOf({ history }: ServiceRecords, slot: string | null): string | undefined {
  return history.findLast((record) => record.slot === slot)?.version;
}

/** The version of the schema that a slot expects, if the history has it: a slot is not probed again after going back. */
export function schemaOf({ history }: ServiceRecords, slot: string): number | undefined {
  const probed = history.findLast((record) => record.slot === slot && record.schema_version !== null);
  return probed?.schema_version ?? undefined;
}
