import { join } from "node:path";
import type { LabHome } from "../home.ts";

/** The content of `<stateDir>/daemon.json` while the daemon runs. */
export interface DaemonRecord {
  readonly pid: number;
  /** Start of that process in clock ticks, so that a reused pid is not mistaken for it. */
  readonly startTicks: string;
  /** The cloud's API, with `/v1`. */
  readonly cloudUrl: string;
  /** Where the registry listens. */
  readonly registryAddress: string;
  /** Port of `GET /health` on {@link daemonHost}. */
  readonly healthPort: number;
  readonly startedAt: string;
}

/** Files of the daemon. */
export function daemonFiles(home: LabHome) {
  return {
    record: join(home.stateDir, "daemon.json"),
    log: join(home.stateDir, "daemon.log"),
    /** Outside the state folder, which `down` removes while it holds the lock. */
    lock: join(home.cacheDir, "labs", `${home.name}.lock`),
    cloudState: join(home.stateDir, "cloud.json"),
  };
}
