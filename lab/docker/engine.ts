import { spawn } from "node:child_process";
import { closeSync, openSync } from "node:fs";
import { mkdir, readFile, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type Dockerode from "dockerode";
import type { LabHome } from "../home.ts";
import type { Progress } from "../progress.ts";
import { Docker } from "./dockerode.ts";
import { ensureTools, hostPath, isRoot, requireRoot, run } from "./host.ts";
import { labLabel } from "./labels.ts";
import { withLock } from "./lock.ts";
import { mayRunMachines } from "./machine-support.ts";
import { bridgeName } from "./names.ts";
import { hasNetwork, removeNetwork } from "./network.ts";
import type { OuterDocker } from "./outer-docker.ts";
import { keepEngine, withoutUsers } from "./users.ts";

const startSeconds = 60;
const stopSeconds = 30;
/** The longest path of a Unix socket in Linux, minus what containerd appends to the exec root. */
const longestFolder = 108 - "/exec/containerd/containerd.sock.ttrpc".length;

/** The paths of the lab's own engine, which all labs with this cache folder share. */
function ownEngine(home: LabHome) {
  const folder = join(home.cacheDir, "docker");
  return {
    folder,
    socket: join(folder, "docker.sock"),
    pidFile: join(folder, "docker.pid"),
    log: join(folder, "docker.log"),
    lock: join(folder, "lock"),
  };
}

/**
 * The engine that runs the lab: the lab's own if it runs already, otherwise one of this machine that can run machines
 * (`DOCKER_HOST`, `/var/run/docker.sock`), otherwise the lab's own, started now and left running.
 *
 * @throws the missing programs with the command that installs them; the end of dockerd's log when it does not answer within 60 s.
 */
export async function ensureDocker(home: LabHome, progress: Progress): Promise<OuterDocker> {
  const own = ownEngine(home);
  if ((await ownPid(home)) !== undefined) {
    const found = await answering(own.socket);
    // The lab's network says that the engine is in use.
    if (found && (await hasNetwork(found, home))) return { client: found, socketPath: own.socket, own: true };
    await keepEngine(own.folder);
    const running = await answering(own.socket);
    if (running) return { client: running, socketPath: own.socket, own: true };
  }
  const installed = await installedEngine(home, progress);
  if (installed) return installed;
  requireRoot("starting a Docker engine for the lab");
  await ensureTools(["flock"], progress);
  await keepEngine(own.folder);
  return withLock(own.lock, startSeconds + 600, async () => {
    const raced = await answering(own.socket);
    if (raced) return { client: raced, socketPath: own.socket, own: true };
    await ensureTools(["dockerd", "iptables", "ip", "nsenter", "losetup", "mkfs.ext4"], progress);
    // With an init system, installing the package has started the machine's own engine.
    const started = await installedEngine(home, progress);
    if (started) return started;
    progress("starting a Docker engine for the lab");
    const client = await startOwn(home);
    return { client, socketPath: own.socket, own: true };
  });
}

async function installedEngine(home: LabHome, progress: Progress): Promise<OuterDocker | undefined> {
  const host = process.env.DOCKER_HOST;
  if (host !== undefined && !host.startsWith("unix://")) {
    progress(`DOCKER_HOST ${host} is not on this machine: not used`);
  }
  const sockets = new Set(["/var/run/docker.sock"]);
  if (host?.startsWith("unix://")) sockets.add(host.slice("unix://".length));
  for (const socketPath of [...sockets].reverse()) {
    const client = await answering(socketPath);
    if (!client) continue;
    const verdict = await mayRunMachines(client, home);
    if (verdict === true) return { client, socketPath, own: false };
    progress(`the Docker engine at ${socketPath} cannot run machines: ${verdict}`);
  }
  return undefined;
}

async function answering(socketPath: string): Promise<Dockerode | undefined> {
  if (!(await stat(socketPath).catch(() => undefined))?.isSocket()) return undefined;
  const client = new Docker({ socketPath });
  const answered = await Promise.race([
    client.ping().then(
      () => true,
      () => false,
    ),
    sleep(5000, false, { ref: false }),
  ]);
  return answered ? client : undefined;
}

/** No default bridge and no packet filter: this engine configures nothing on the machine but the lab's networks. */
export function engineArguments(folder: string): string[] {
  return [
    ...["--data-root", join(folder, "data")],
    ...["--exec-root", join(folder, "exec")],
    ...["--pidfile", join(folder, "docker.pid")],
    ...["--host", `unix://${join(folder, "docker.sock")}`],
    ...["--group", "root"],
    ...["--bridge", "none"],
    ...["--shutdown-timeout", "5"],
    "--iptables=false",
    "--ip6tables=false",
    "--ip-forward=false",
    "--ip-masq=false",
    "--userland-proxy=false",
  ];
}

async function startOwn(home: LabHome): Promise<Dockerode> {
  const own = ownEngine(home);
  if (own.folder.length > longestFolder) {
    throw new Error(
      `BERTH_LAB_HOME: "${home.cacheDir}" is too long for Docker's sockets; use at most ${longestFolder - "/docker".length} characters`,
    );
  }
  await mkdir(own.folder, { recursive: true, mode: 0o700 });
  if ((await ownPid(home)) === undefined) await rm(own.pidFile, { force: true });
  const log = openSync(own.log, "a", 0o600);
  const daemon = spawn("dockerd", engineArguments(own.folder), {
    cwd: "/",
    detached: true,
    stdio: ["ignore", log, log],
    env: { PATH: hostPath, HOME: "/root" },
  });
  closeSync(log);
  daemon.unref();
  let failure: string | undefined;
  daemon.once("error", (error) => {
    failure = error.message;
  });
  daemon.once("exit", (code, signal) => {
    failure = `it ended with ${signal ?? `exit code ${code}`}`;
  });
  const deadline = Date.now() + startSeconds * 1000;
  while (failure === undefined && Date.now() < deadline) {
    const client = await answering(own.socket);
    if (client) return client;
    await sleep(100);
  }
  const said = (await readFile(own.log, "utf8").catch(() => "")).trimEnd().split("\n").slice(-8);
  throw new Error(
    `dockerd does not answer: ${failure ?? `no answer within ${startSeconds} s`}; its log (${own.log}) ends with:\n${said.join("\n")}`,
  );
}

/** The process of the lab's own engine, if it runs. */
async function ownPid(home: LabHome): Promise<number | undefined> {
  const pid = Number(await readFile(ownEngine(home).pidFile, "utf8").catch(() => ""));
  if (!Number.isInteger(pid) || pid <= 0) return undefined;
  const name = await readFile(`/proc/${pid}/comm`, "utf8").catch(() => "");
  return name.trim() === "dockerd" ? pid : undefined;
}

/**
 * Ends the lab's own engine and removes what it set up on the machine, including containers and network of this lab;
 * the images stay in the cache folder.
 *
 * @returns `in use` when another lab, a command of one, or a running container without a lab still needs it; `not ours` when the lab
 * uses an engine that it did not start.
 * @throws when it does not end within 30 s after either signal.
 */
export async function stopOwnDocker(home: LabHome): Promise<"stopped" | "in use" | "not ours"> {
  const own = ownEngine(home);
  if ((await ownPid(home)) === undefined) {
    if (isRoot()) await unmountBelow(own.folder);
    return "not ours";
  }
  return withLock(own.lock, 120, async () => {
    const client = await answering(own.socket);
    if (client && (await usedByOthers(client, home))) return "in use";
    return (await withoutUsers(own.folder, () => endOwn(home, client))) ?? "in use";
  });
}

async function endOwn(home: LabHome, client: Dockerode | undefined): Promise<"stopped"> {
  const own = ownEngine(home);
  if (client) await removeNetwork({ client, socketPath: own.socket, own: true }, home);
  const pid = await ownPid(home);
  if (pid !== undefined && !(await endProcess(pid, "SIGTERM")) && !(await endProcess(pid, "SIGKILL"))) {
    throw new Error(`dockerd (process ${pid}) does not end; see ${own.log}`);
  }
  await unmountBelow(own.folder);
  await run("ip", ["link", "delete", bridgeName(home)]).catch(() => undefined);
  await rm(own.socket, { force: true });
  await rm(own.pidFile, { force: true });
  await rm(join(own.folder, "exec"), { recursive: true, force: true });
  return "stopped";
}

async function usedByOthers(client: Dockerode, home: LabHome): Promise<boolean> {
  const containers = await client.listContainers({ all: true });
  const networks = await client.listNetworks();
  const foreign = (labels: Record<string, string> | undefined) => {
    const lab = labels?.[labLabel];
    return lab !== undefined && lab !== home.name;
  };
  return (
    containers.some((one) => foreign(one.Labels) || (one.State === "running" && !one.Labels[labLabel])) ||
    networks.some((one) => foreign(one.Labels))
  );
}

async function endProcess(pid: number, signal: NodeJS.Signals): Promise<boolean> {
  const deadline = Date.now() + stopSeconds * 1000;
  try {
    process.kill(pid, signal);
    while (Date.now() < deadline) {
      process.kill(pid, 0);
      // A zombie only waits for its parent and uses no resources.
      if (/^State:\s+Z/m.test(await readFile(`/proc/${pid}/status`, "utf8"))) return true;
      await sleep(50);
    }
    return false;
  } catch {
    return true;
  }
}

async function unmountBelow(folder: string): Promise<void> {
  const mounts = (await readFile("/proc/self/mountinfo", "utf8"))
    .split("\n")
    .map((line) => line.split(" ")[4] ?? "")
    .filter((path) => path.startsWith(`${folder}/`));
  for (const path of mounts.reverse()) await run("umount", ["--lazy", path]).catch(() => undefined);
}
