import { type ServerType, serverTypeFile } from "../components/host/server-types.ts";
import type { ServiceSpec } from "../components/system.ts";
import { renderTable } from "../components/table.ts";
import type { ConfigurationRule } from "../config.ts";
import { services } from "./services.ts";

/** The rules about what the services of a host may take of it: their limits, against what its server type has. */

/** Memory for operating system, Docker and edge; the rest is for services. */
const reservedMebibytes = 512;

type PlacedService = ReturnType<typeof services>[number];

/** What runs for a while beside everything else: the second slot of a release with its companions, or a job of its migrations. */
interface Release {
  readonly title: string;
  readonly memoryMebibytes: number;
  readonly cpus: string;
}

/** What runs on a host all the time, the memory that it takes with what is reserved, and the memory that the host has. */
function memoryOf(name: string, serverType: ServerType, systems: Parameters<typeof services>[0]) {
  const placed = services(systems).filter(({ host }) => host === name);
  return {
    placed,
    steady: placed.reduce((sum, { service }) => sum + service.memoryMebibytes, reservedMebibytes),
    available: serverTypeFile.serverTypes[serverType].memoryGibibytes * 1024,
  };
}

/**
 * The memory limits of all systems on a host, together with what the largest release needs beside them, are no more than its server type
 * has. A second slot starts when the jobs of its migrations have ended. Several releases of one run may overlap; the largest one counts.
 */
export const memoryFits: ConfigurationRule = ({ berth, systems }) =>
  Object.entries(berth.hosts).flatMap(([name, { serverType }]) => {
    const { placed, steady, available } = memoryOf(name, serverType, systems);
    const { cores } = serverTypeFile.serverTypes[serverType];
    const release = largestRelease(placed);
    const needed = steady + (release?.memoryMebibytes ?? 0);
    if (needed <= available) return [];
    const row = (title: string, mebibytes: number, cpus = "") => [title, String(mebibytes), cpus];
    const table = renderTable(
      ["", "memory (MiB)", "processors"],
      [
        ...placed
          // Images of migrations have jobs alone.
          .filter(({ service }) => service.memoryMebibytes > 0)
          .map(({ system, service }) =>
            row(`${system} ${service.name}`, service.memoryMebibytes, processors(service)),
          ),
        ...(release === undefined ? [] : [row(release.title, release.memoryMebibytes, release.cpus)]),
        row("operating system, Docker, edge", reservedMebibytes),
        row("all", needed),
        row(serverType, available, String(cores)),
      ],
    );
    return [
      `berth:hosts.${name}.serverType: ${serverType} has ${available} MiB, and the limits of what runs on it are ${needed} MiB, ` +
        `${needed - available} MiB too much; choose a larger type or lower the services' memoryMebibytes\n${table.replaceAll(/^/gm, "      ")}`,
    ];
  });

/** What runs on a host leaves a restore drill the memory of its throwaway server. */
export const drillsFit: ConfigurationRule = ({ stack, berth: { hosts, backups }, systems }) =>
  Object.entries(backups === undefined ? {} : hosts).flatMap(([name, { serverType }]) => {
    const wanted = backups?.drill.memoryMebibytes ?? 0;
    const { steady, available } = memoryOf(name, serverType, systems);
    const left = available - steady;
    if (wanted <= left) return [];
    return [
      `berth:backups.drill.memoryMebibytes: ${wanted} is too large for ${name}, whose ${serverType} has ${Math.max(left, 0)} MiB beside what runs on it; use less, or a larger berth:hosts.${name}.serverType. ` +
        `Set it: npx pulumi config set --path berth:backups.drill.memoryMebibytes 512 --stack ${stack}`,
    ];
  });

/** No task may use more processors than its host has: Docker makes no such container. */
export const processorsFit: ConfigurationRule = ({ berth, systems }) =>
  Object.entries(berth.hosts).flatMap(([name, { serverType }]) => {
    const { cores } = serverTypeFile.serverTypes[serverType];
    return services(systems)
      .filter(({ host, service: { cpus = 0 } }) => host === name && cpus > cores)
      .map(
        ({ system, service: { name: service, cpus } }) =>
          `${system}:${service}.cpus: ${cpus} is more than the ${cores} processors of ${serverType}; use ${cores} or less, or another berth:hosts.${name}.serverType`,
      );
  });

function largestRelease(placed: readonly PlacedService[]): Release | undefined {
  const releases = placed
    .filter(({ service }) => service.releasedWith === undefined && !service.keepsData)
    .flatMap(({ system, service }): Release[] => {
      const companions = placed.filter(
        (each) => each.system === system && each.service.releasedWith === service.name,
      );
      const slots = [service, ...companions.map((each) => each.service)];
      const title = `second slot of ${system} ${slots.map(({ name }) => name).join(" and ")}`;
      const memoryMebibytes = slots.reduce((sum, each) => sum + each.memoryMebibytes, 0);
      const jobs = service.jobMemoryMebibytes ?? 0;
      return [
        { title, memoryMebibytes, cpus: slots.map(processors).join(" and ") },
        { title: `migrations of ${system} ${service.name}`, memoryMebibytes: jobs, cpus: "" },
      ];
    });
  return releases.toSorted((one, other) => other.memoryMebibytes - one.memoryMebibytes)[0];
}

/** `2 x 0.5`; `all` where a task may use every processor. */
function processors({ replicas = 1, cpus }: ServiceSpec): string {
  const one = cpus === undefined ? "all" : String(cpus);
  return replicas === 1 ? one : `${replicas} x ${one}`;
}
