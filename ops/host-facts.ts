import { diskFloorMebibytes, hostPaths } from "../components/host/paths.ts";
import { renderTable } from "../components/table.ts";
import { lateCertificateDays } from "../components/watch/alerts-config.ts";
import { type HostAccess, hostName } from "./host-access.ts";

export interface Disk {
  readonly host: string;
  /** Where it is mounted: `/` or `/mnt/data`. */
  readonly mountPoint: string;
  readonly sizeMebibytes: number;
  readonly freeMebibytes: number;
}

/** Of a host. */
export interface Memory {
  readonly host: string;
  readonly sizeMebibytes: number;
  readonly usedMebibytes: number;
  /** What its services may take together: their limits, for each task that they are to have. */
  readonly limitsMebibytes: number;
}

export interface Certificate {
  readonly host: string;
  readonly domain: string;
  /** ISO time; undefined while there is only the one that an edge starts with. */
  readonly expires?: string;
}

interface HostFacts {
  readonly host: string;
  readonly disks: readonly Disk[];
  /** One, or none where the host did not say. */
  readonly memory: readonly Memory[];
  readonly certificates: readonly Certificate[];
  /** Docker's settings were changed after dockerd started. */
  readonly dockerRestart: boolean;
}

const script = `df --output=target,size,avail --block-size=1M / ${hostPaths.dataVolume} 2>/dev/null | tail -n +2 || true
changed=$(stat --format %Y ${hostPaths.dockerRestartPending} 2>/dev/null || echo 0)
started=$(date -d "$(systemctl show docker --property ActiveEnterTimestamp --value)" +%s)
[ "$changed" -le "$started" ] || echo restart
limits=$(docker service ls --quiet | xargs --no-run-if-empty docker service inspect \\
  --format '{{with .Spec.TaskTemplate.Resources}}{{with .Limits}}{{.MemoryBytes}}{{end}}{{end}}/{{with .Spec.Mode.Replicated}}{{.Replicas}}{{end}}' |
  awk -F / '{ sum += $1 * $2 } END { printf "%d", sum / 1048576 }')
awk -v limits="$limits" '/^MemTotal:/ { size = $2 } /^MemAvailable:/ { free = $2 }
  END { printf "memory %d %d %d\\n", size / 1024, (size - free) / 1024, limits }' /proc/meminfo
sudo find ${hostPaths.edge}/tls -name '*.pem' 2>/dev/null | sort | while IFS= read -r file; do
  said=$(sudo openssl x509 -noout -subject -enddate -in "$file" 2>/dev/null) || continue
  case $said in *"no certificate yet"*) end=none ;; *) end=$(date --utc --date "$(sed -n 's/^notAfter=//p' <<<"$said")" +%Y-%m-%dT%H:%M:%SZ) ;; esac
  printf 'certificate %s %s\\n' "$(basename "$file" .pem)" "$end"
done
`;

/** Reads a host's disks, memory and certificates, and whether dockerd waits for a restart. Changes nothing. */
export async function readHostFacts(access: HostAccess): Promise<HostFacts> {
  const host = hostName(access);
  const lines = (await access.run(script, 30)).trim().split("\n");
  return {
    host,
    disks: lines.flatMap((line) => {
      const [, mountPoint, size, free] = /^(\S+)\s+(\d+)\s+(\d+)$/.exec(line.trim()) ?? [];
      if (mountPoint === undefined) return [];
      return [{ host, mountPoint, sizeMebibytes: Number(size), freeMebibytes: Number(free) }];
    }),
    memory: lines.flatMap((line) => {
      const [, size, used, limits] = /^memory (\d+) (\d+) (\d+)$/.exec(line) ?? [];
      if (size === undefined) return [];
      return [
        { host, sizeMebibytes: Number(size), usedMebibytes: Number(used), limitsMebibytes: Number(limits) },
      ];
    }),
    certificates: lines.flatMap((line) => {
      const [, domain, expires] = /^certificate (\S+) (\S+)$/.exec(line) ?? [];
      if (domain === undefined || expires === undefined) return [];
      return [{ host, domain, ...(expires === "none" ? {} : { expires }) }];
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

export function renderMemory(memory: readonly Memory[]): string {
  return renderTable(
    ["host", "memory", "in use", "limits of its services"],
    memory.map(({ host, sizeMebibytes, usedMebibytes, limitsMebibytes }) => [
      host,
      ...[sizeMebibytes, usedMebibytes, limitsMebibytes].map((each) => `${each} MiB`),
    ]),
  );
}

export function expiresSoon({ expires }: Certificate, now: Date): boolean {
  return expires !== undefined && Date.parse(expires) - now.getTime() < lateCertificateDays * 86_400_000;
}

export function renderCertificates(certificates: readonly Certificate[], now = new Date()): string {
  return renderTable(
    ["host", "certificate of", "expires"],
    certificates.map((certificate) => {
      const { host, domain, expires } = certificate;
      if (expires === undefined) return [host, domain, "there is none yet"];
      const days = Math.floor((Date.parse(expires) - now.getTime()) / 86_400_000);
      return [
        host,
        domain,
        `in ${days} days, ${expires}${expiresSoon(certificate, now) ? ": SOON, docs/runbooks/edge.md" : ""}`,
      ];
    }),
  );
}

const gibibytes = (mebibytes: number): string => (mebibytes / 1024).toFixed(1);
