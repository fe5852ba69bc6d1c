/**
 * The background process of a lab: the cloud's API, its DNS and the registry. Started by `up` if it
 * is not running, ended by `down`. Its state is in the state folder, so that it can be killed and restarted at any time.
 */
import { createServer } from "node:http";
import { createCloud } from "../cloud/index.ts";
import { ensureDocker, ensureNetwork } from "../docker/index.ts";
import { daemonHost, daemonPorts, labHome } from "../home.ts";
import { createRegistry } from "../images/index.ts";
import { createMachines } from "../machine/index.ts";
import { startTicks, whoListens } from "../processes.ts";
import type { Progress } from "../progress.ts";
import { cloudToken } from "../stack/cloud-access.ts";
import { writePrivateFile } from "../write-file.ts";
import { type DaemonRecord, daemonFiles } from "./protocol.ts";

const home = labHome();
const host = daemonHost(home);
const stopSeconds = 10;
const log: Progress = (message) => console.log(`${new Date().toISOString()} ${message}`);

/** Closed in reverse order. */
const open: { readonly what: string; close(): Promise<void> }[] = [];

async function start(): Promise<void> {
  const docker = await ensureDocker(home, log);
  await ensureNetwork(docker, home);
  const registry = await createRegistry(docker, home, log);
  const registryServer = await listening("the registry", home.gateway, 5000, () => registry.listen());
  open.push({ what: "registry", close: () => registryServer.close() });
  const cloud = await listening("the cloud's API", host, daemonPorts.cloud, () =>
    createCloud({
      machines: createMachines(docker, home, log),
      home,
      stateFile: daemonFiles(home).cloudState,
      token: cloudToken(home),
      listen: { host, port: daemonPorts.cloud },
      // For the machines, and for a person: dig @<gateway> togather.example
      dns: { host: home.gateway, port: 53 },
      progress: log,
    }),
  );
  open.push({ what: "cloud", close: () => cloud.close() });
  const record: DaemonRecord = {
    pid: process.pid,
    startTicks: startTicks(process.pid),
    cloudUrl: cloud.url,
    registryAddress: registryServer.address,
    healthPort: daemonPorts.health,
    startedAt: new Date().toISOString(),
  };
  await listening("the daemon's health", host, daemonPorts.health, () => serveHealth(record));
  writePrivateFile(daemonFiles(home).record, JSON.stringify(record, undefined, 2));
  log(`ready: cloud ${record.cloudUrl}, registry ${record.registryAddress}`);
}

/** Adds the process that uses the port to the error when it is taken. */
async function listening<T>(what: string, address: string, port: number, run: () => Promise<T>): Promise<T> {
  try {
    return await run();
  } catch (error) {
    const holder = whoListens(address, port);
    if (holder === undefined || holder.pid === process.pid) throw error;
    throw new Error(
      `port ${port} of ${address}, where ${what} listens, is taken by process ${holder.pid} (${holder.command}); end it, or ` +
        "choose another network for this lab: BERTH_LAB_SUBNET=198.18.77.0/24",
      { cause: error },
    );
  }
}

async function serveHealth(record: DaemonRecord): Promise<void> {
  const server = createServer((_request, response) => {
    response.writeHead(200, { "Content-Type": "application/json" });
    response.end(JSON.stringify({ lab: home.name, ...record }));
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(record.healthPort, host, resolve);
  });
  open.push({
    what: "health",
    close: async () => {
      server.closeAllConnections();
      server.close();
    },
  });
}

async function stop(reason: string, exitCode: number): Promise<void> {
  log(`stopping: ${reason}`);
  setTimeout(() => {
    log(`not stopped after ${stopSeconds} s: ending anyway`);
    process.exit(1);
  }, stopSeconds * 1000).unref();
  for (const { what, close } of open.reverse()) {
    await close().catch((error: unknown) => log(`closing ${what}: ${messageOf(error)}`));
  }
  process.exit(exitCode);
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

process.once("SIGTERM", () => void stop("SIGTERM", 0));
process.once("SIGINT", () => void stop("SIGINT", 0));
process.on("unhandledRejection", (error) => {
  // A failing request must not end the process; the client gets its own error.
  log(`unexpected: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`);
});

start().catch(async (error: unknown) => {
  log(`failed: ${messageOf(error)}`);
  await stop("it could not start", 1);
});
