import { hostPaths } from "../components/host/paths.ts";
import { renderTable } from "../components/table.ts";
import { age } from "./backend.ts";
import { type HostAccess, hostName } from "./host-access.ts";

/** Whether a host is watched, and what is wrong there now; components/watch/scripts/tell.sh answers it. */
export interface WatchStatus {
  readonly host: string;
  /** False when alerts are declared, and nothing looks. */
  readonly runs: boolean;
  /** Ways on which messages go out: `slack`, `email`. */
  readonly tells: readonly string[];
  /** Since when messages have not been delivered by all of them; null when they are. */
  readonly undelivered: string | null;
  readonly alerts: readonly {
    readonly alert: string;
    /** What it is about: a service, a disk, a domain. */
    readonly of: string;
    readonly value: string;
    readonly threshold: string;
    readonly since: string;
  }[];
}

/** What a host's watch says. @returns undefined where no alerts are declared */
export async function readWatch(host: HostAccess): Promise<WatchStatus | undefined> {
  const script = hostPaths.watchScript;
  const said = (await host.run(`[ ! -x ${script} ] || sudo ${script} now\n`, 30)).trim();
  if (said === "") return undefined;
  return { ...JSON.parse(said), host: hostName(host) } as WatchStatus;
}

export function renderWatch(watches: readonly WatchStatus[]): string {
  if (watches.length === 0) return "alerts: none, nobody is told of anything (docs/runbooks/alerts.md)";
  const lines = watches.map(({ host, runs, tells, undelivered, alerts }) => {
    const late = undelivered === null ? "" : `; MESSAGES ARE NOT DELIVERED for ${age(undelivered)}`;
    const wrong = alerts.length === 0 ? "nothing is wrong" : `${alerts.length} wrong`;
    return `alerts of ${host}: ${runs ? `${wrong}, told by ${tells.join(", ")}${late}` : "NOTHING LOOKS, start it: sudo systemctl restart berth-watch"}`;
  });
  const rows = watches.flatMap(({ host, alerts }) =>
    alerts.map(({ alert, of, value, threshold, since }) => [host, alert, of, value, threshold, age(since)]),
  );
  const table = renderTable(["host", "alert", "of", "value", "threshold", "for"], rows);
  return [...lines, ...(rows.length === 0 ? [] : [table])].join("\n");
}
