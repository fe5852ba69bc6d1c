import { existsSync, readFileSync } from "node:fs";
import type Dockerode from "dockerode";
import { bridgeName, labLabel, run } from "../docker/index.ts";
import type { LabHome } from "../home.ts";
import { processes, sshProcessesTo } from "../processes.ts";

/** True for addresses of the lab's own network. */
export function isLabAddress(home: LabHome, address: string): boolean {
  return address.startsWith(home.subnet.replace(/0\/24$/, ""));
}

/**
 * Everything of a lab that still exists on this machine, by name: containers, networks and volumes of the outer engine
 * (if it still runs), mounts, loop devices, network interfaces and namespaces, processes.
 */
export async function findLeftovers(home: LabHome, docker: Dockerode | undefined): Promise<string[]> {
  return [
    ...(docker === undefined ? [] : await dockerLeftovers(home, docker)),
    ...mountLeftovers(home),
    ...(await loopLeftovers(home)),
    ...(await interfaceLeftovers(home)),
    ...processLeftovers(home),
  ];
}

async function dockerLeftovers(home: LabHome, docker: Dockerode): Promise<string[]> {
  const filters = { label: [`${labLabel}=${home.name}`] };
  const containers = await docker.listContainers({ all: true, filters });
  const networks = await docker.listNetworks({ filters });
  const { Volumes: volumes } = await docker.listVolumes({ filters });
  return [
    ...containers.map(({ Names }) => `container ${Names.join(" ").replaceAll("/", "")}`),
    ...networks.map(({ Name }) => `network ${Name}`),
    ...(volumes ?? []).map(({ Name }) => `volume ${Name}`),
  ];
}

function mountLeftovers(home: LabHome): string[] {
  return readFileSync("/proc/self/mountinfo", "utf8")
    .split("\n")
    .map((line) => line.split(" ")[4] ?? "")
    .filter((path) => path === home.stateDir || path.startsWith(`${home.stateDir}/`))
    .map((path) => `mount ${path}`);
}

async function loopLeftovers(home: LabHome): Promise<string[]> {
  const output = await run("losetup", ["--noheadings", "--output", "NAME,BACK-FILE"]).catch(() => "");
  return output
    .split("\n")
    .filter((line) => line.includes(`${home.stateDir}/`))
    .map((line) => `loop device ${line.trim().replace(/\s+/, " of ")}`);
}

async function interfaceLeftovers(home: LabHome): Promise<string[]> {
  const found: string[] = [];
  if (existsSync(`/sys/class/net/${bridgeName(home)}`)) found.push(`network interface ${bridgeName(home)}`);
  const namespaces = await run("ip", ["netns", "list"]).catch(() => "");
  for (const line of namespaces.split("\n")) {
    const [name = ""] = line.split(" ");
    if (name.startsWith(`berth-${home.name}-client-`)) found.push(`network namespace ${name}`);
  }
  return found;
}

function processLeftovers(home: LabHome): string[] {
  const ssh = sshProcessesTo((address) => isLabAddress(home, address)).map(
    ({ pid, command }) => `process ${pid} (${command})`,
  );
  const others = processes()
    .filter(({ pid }) => pid !== process.pid && belongsTo(home, pid))
    .map(({ pid, command }) => `process ${pid} (${command})`);
  return [...new Set([...ssh, ...others])];
}

/** True for processes whose program is in the lab's folders, and for its daemon; other commands belong to the user. */
function belongsTo(home: LabHome, pid: number): boolean {
  try {
    const command = readFileSync(`/proc/${pid}/cmdline`, "utf8");
    const lab =
      /(?:^|\0)BERTH_LAB=([^\0]*)/.exec(readFileSync(`/proc/${pid}/environ`, "utf8"))?.[1] ?? "berth";
    return /lab\/daemon\/main\.ts|lab\/load\/client-process\.ts/.test(command) && lab === home.name;
  } catch {
    return false;
  }
}
