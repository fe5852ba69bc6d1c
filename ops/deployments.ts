import { renderTable } from "../components/table.ts";
import type { Backend } from "./backend.ts";
import { hostsOf } from "./host-access.ts";
import { type DeploymentRecord, readRecords } from "./records.ts";
import { type RunCommand, runCommand } from "./run.ts";

/** A line of the history; `unfinished` runs now or was interrupted. */
export type HistoryLine = Omit<DeploymentRecord, "outcome"> & {
  readonly outcome: DeploymentRecord["outcome"] | "unfinished";
};

/**
 * What was deployed of a system, oldest first, as its host has recorded it.
 * @throws when no host has records of it.
 */
export async function readDeployments(
  backend: Backend,
  system: string,
  run: RunCommand = runCommand,
): Promise<HistoryLine[]> {
  const hosts = hostsOf(await backend.read(), run);
  const records = (await Promise.all(hosts.map(readRecords))).flat();
  const own = records.filter(({ service }) => service.startsWith(`${system}_`));
  if (own.length === 0) {
    const known = [...new Set(records.map(({ service }) => service.replace(/_.*$/, "")))].join(", ");
    throw new Error(
      `no deployment of "${system}" is recorded on the hosts of ${backend.stack}; there are some of: ${known || "nothing yet"}`,
    );
  }
  return own
    .flatMap(({ history, open }): HistoryLine[] => [
      ...history,
      ...(open === undefined || open.tentative
        ? []
        : [{ ...open, outcome: "unfinished" as const, duration_seconds: secondsSince(open.timestamp) }]),
    ])
    .toSorted((one, other) => one.timestamp.localeCompare(other.timestamp));
}

export function renderDeployments(lines: readonly HistoryLine[]): string {
  return renderTable(
    ["deployment", "service", "version", "commit", "by", "when", "seconds", "outcome", "slot"],
    lines.map((line) => [
      line.deployment_id,
      line.service,
      line.version,
      line.git_commit.slice(0, 12),
      line.deployed_by,
      line.timestamp,
      line.duration_seconds.toFixed(1),
      line.error === undefined ? line.outcome : `${line.outcome} (${line.error.slice(0, 80)})`,
      line.slot || "none",
    ]),
  );
}

function secondsSince(timestamp: string): number {
  return Math.max(0, Math.round((Date.now() - Date.parse(timestamp)) / 1000));
}
