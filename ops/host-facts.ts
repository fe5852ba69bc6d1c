import { diskFloorMebibytes, hostPaths } from "../components/host/paths.ts";
import { renderTable } from "../components/table.ts";
import type { HostAccess } from "./host-access.ts";

export interface Disk {
  readonly host: string;
  /** Where it is mounted: `/` or `/mnt/data`. */
  readonly mountPoint: string;
  readonly sizeMebibytes: number;
  readonly freeMebibytes: number;
}

interface HostFacts {
  readonly host: string;
  readonly disks: readonly Disk[];
  /** Docker's settings were changed after dockerd started. */
  readonly dockerRestart: boolean;
}

const script = `df --output=target,size,avail --block-size=1M / ${hostPaths.dataVolume} 2>/dev/null | tail -n +2 || true
changed=$(stat --format %Y ${hostPaths.dockerRestartPending} 2>/dev/null || echo 0)
started=$(date -d "$(systemctl show docker --property ActiveEnterTimestamp --value)" +%s)
[ "$changed" -le "$started" ] || echo restart
`;

/** Reads a host's disks, and whether dockerd waits for a restart. Changes nothing. */
export async function readHostFacts(access: HostAccess): Promise<HostFacts> {
  const host = access.provider.replace(/-docker$/, "");
  const lines = (await access.run(script, 30)).trim().split("\n");
  return {
    host,
    disks: lines.flatMap((line) => {
      const [, mountPoint, size, free] = /^(\S+)\s+(\d+)\s+(\d+)$/.exec(line.trim()) ?? [];
      if (mountPoint === undefined) return [];
      return [{ host, mountPoint, sizeMebibytes: Number(size), freeMebibytes: Number(free) }];
    }),
    dockerRestart: lines.includes("restart"),
  };
}

export function renderDisks(disks: readonly Disk[]): string {
  return renderTable(
    ["host", "disk", "size", "free"],
    disks.map(({ host, mountPoint, sizeMebibytes, freeMebibytes }) => [
      host,
      mountPoint,
      `${gibibytes(sizeMebibytes)} GiB`,
      freeMebibytes < diskFloorMebibytes
        ? `${freeMebibytes} MiB: FULL, snapshots need ${diskFloorMebibytes} MiB. What takes it: sudo du --one-file-system --max-depth=2 ${mountPoint}`
        : `${gibibytes(freeMebibytes)} GiB`,
    ]),
  );
}

const gibibytes = (mebibytes: number): string => (mebibytes / 1024).toFixed(1);
