import { readFileSync } from "node:fs";
import type { IncomingHttpHeaders } from "node:http";
import { request } from "node:https";
import { runningDaemon } from "../daemon/client.ts";
import { ensureDocker } from "../docker/index.ts";
import type { LabHome } from "../home.ts";
import { createMachines } from "../machine/index.ts";
import { table } from "../render/table.ts";
import { authorityFile } from "../stack/certificate.ts";
import { type LabContext, type StackOptions, stateFile } from "./context.ts";
import { readOutputs, type StackOutputs, type SystemOutput } from "./outputs.ts";
import { readSelection } from "./selection.ts";

/** What `lab status --json` prints; scripts rely on it. */
interface Status {
  readonly machines: readonly {
    readonly name: string;
    readonly address: string;
    readonly sshPort: number;
  }[];
  readonly systems: readonly SystemStatus[];
}

interface SystemStatus {
  readonly name: string;
  readonly urls: readonly string[];
  readonly address: string;
  readonly healthy: boolean;
  readonly services: readonly { readonly name: string; readonly version: string; readonly slot: string }[];
  /** Trusts the lab's certificates: `curl --cacert`. */
  readonly caFile: string;
}

interface HealthAnswer {
  readonly healthy: boolean;
  /** Status line and body, or the reason for no response. */
  readonly text: string;
  readonly headers?: IncomingHttpHeaders;
}

const healthSeconds = 5;

/** What runs in this lab and whether it answers. Read-only. */
export async function readStatus({ home }: LabContext, { hosts, systems }: StackOutputs): Promise<Status> {
  const machines = Object.values(hosts);
  const anything = machines.length > 0 || (await runningDaemon(home)) !== undefined;
  const booted = anything ? await bootedMachines(home) : [];
  return {
    machines: booted.map(({ name, address }) => ({
      name,
      address,
      sshPort: machines.find((host) => host.address === address)?.sshPort ?? 22,
    })),
    systems: await Promise.all(
      Object.entries(systems).map(async ([name, system]) => {
        const address = hosts[system.host]?.address ?? "";
        return {
          name,
          urls: system.urls,
          address,
          healthy: (await askHealth(home, system, address)).healthy,
          services: Object.entries(system.services).map(([service, { version, slot }]) => ({
            name: service,
            version,
            slot,
          })),
          caFile: authorityFile(home),
        };
      }),
    ),
  };
}

async function bootedMachines(home: LabHome) {
  const docker = await ensureDocker(home, () => undefined);
  const machines = await createMachines(docker, home, () => undefined).list();
  return machines.filter(({ running }) => running);
}

/** Requests a system's health as an external client does: by its domain, with its certificate, at the machine's address. */
export function askHealth(home: LabHome, system: SystemOutput, address: string): Promise<HealthAnswer> {
  const url = new URL(system.healthUrl);
  return new Promise((resolve) => {
    const fail = (error: Error) => resolve({ healthy: false, text: error.message });
    try {
      const call = request(
        {
          host: address,
          port: url.port || 443,
          path: url.pathname,
          headers: { host: url.host },
          servername: url.hostname,
          ca: readFileSync(authorityFile(home)),
          timeout: healthSeconds * 1000,
          agent: false,
        },
        (response) => {
          const parts: Buffer[] = [];
          response.on("data", (part: Buffer) => parts.push(part));
          response.on("error", fail);
          response.on("end", () => {
            const body = Buffer.concat(parts).toString("utf8").trim().slice(0, 500);
            const { headers, statusCode } = response;
            resolve({ healthy: statusCode === 200, text: `${statusCode} ${body}`, headers });
          });
        },
      );
      call.on("timeout", () => call.destroy(new Error(`no answer within ${healthSeconds} s`)));
      call.on("error", fail);
      call.end();
    } catch (error) {
      fail(error as Error);
    }
  });
}

/** The curl command for the same request. */
function curlCommand(home: LabHome, system: SystemOutput, address: string): string {
  return `curl --cacert ${authorityFile(home)} --resolve ${system.domain}:443:${address} ${system.healthUrl}`;
}

/** Systems and their addresses, as tables. */
export function statusTables(context: LabContext, status: Status, { systems }: StackOutputs): string {
  const parts: string[] = [];
  if (status.machines.length > 0) {
    const rows = status.machines.map(({ name, address, sshPort }) => [name, address, String(sshPort)]);
    parts.push(table(["machine", "address", "ssh port"], rows));
  }
  const rows = status.systems.flatMap((system) =>
    system.services.map(({ name, version, slot }) => [
      system.name,
      system.healthy ? "yes" : "NO",
      name,
      version,
      slot,
      system.address,
      system.urls.join(" "),
    ]),
  );
  if (rows.length > 0) {
    parts.push(table(["system", "healthy", "service", "version", "slot", "address", "url"], rows));
  }
  for (const { name, address } of status.systems) {
    const system = systems[name];
    if (system !== undefined) parts.push(curlCommand(context.home, system, address));
  }
  return parts.join("\n\n");
}

export async function statusCommand(
  context: LabContext,
  options: StackOptions & { readonly json?: boolean },
): Promise<boolean> {
  const outputs = readOutputs(stateFile(context, options.stack));
  const status = await readStatus(context, outputs);
  if (options.json) console.log(JSON.stringify(status));
  else if (status.machines.length + status.systems.length === 0) {
    console.log("Nothing runs in this lab. Start it: npm start");
  } else console.log(statusTables(context, status, outputs));
  const missing = readSelection(context.home, options.stack).filter((name) => {
    return !status.systems.some((system) => system.name === name);
  });
  if (missing.length > 0 && !options.json) {
    console.log(
      `\nNot deployed, although named in an up: ${missing.join(", ")}. Try again: npm run lab -- up`,
    );
  }
  return missing.length === 0 && status.systems.every(({ healthy }) => healthy);
}
