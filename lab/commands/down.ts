import { existsSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import type Dockerode from "dockerode";
import { stopPebble } from "../acme/pebble.ts";
import { stopStore } from "../backups/store.ts";
import { stopDaemon } from "../daemon/client.ts";
import { daemonFiles } from "../daemon/protocol.ts";
import { ensureDocker, findCommand, removeNetwork, stopOwnDocker } from "../docker/index.ts";
import type { OuterDocker } from "../docker/outer-docker.ts";
import type { LabHome } from "../home.ts";
import { createMachines } from "../machine/index.ts";
import { endProcess, sshProcessesTo } from "../processes.ts";
import type { Progress } from "../progress.ts";
import { describeLock, isStale, readLock } from "../pulumi/engine/index.ts";
import { runPhases } from "../render/phases.ts";
import { stackNames } from "../stack/stack-file.ts";
import type { LabContext } from "./context.ts";
import { stateFile } from "./context.ts";
import { findLeftovers, isLabAddress } from "./leftovers.ts";

interface DownOptions {
  /** Also removes the cache: images, the outer engine's data, built tools. */
  readonly purge?: boolean;
  /** Continues even while a deploy is running. */
  readonly force?: boolean;
}

const endSeconds = 5;

/**
 * Ends a lab and removes everything of it: shared ssh connections, the daemon, machines, volumes, network, the lab's
 * own Docker engine if no other lab uses it, and the state. The stacks need not be destroyed before.
 * @throws a list of everything that still exists at the end; the holder of the lock when a deploy is running.
 */
export async function downCommand(context: LabContext, options: DownOptions): Promise<void> {
  const { home } = context;
  if (process.getuid?.() !== 0)
    throw new Error("ending the lab needs root, as starting it did: sudo -E npm run lab -- down");
  if (!options.force) refuseDuringDeploy(context);
  let docker: OuterDocker | undefined;
  let engine: "stopped" | "in use" | "not ours" = "not ours";
  await runPhases([
    {
      title: "End the daemon and shared ssh connections",
      async run(progress) {
        await stopPebble(home);
        await stopStore(home);
        if (await stopDaemon(home)) progress("the lab's cloud, registry and DNS are stopped");
        for (const { pid } of sshProcessesTo((address) => isLabAddress(home, address))) {
          await endProcess(pid, endSeconds);
        }
      },
    },
    {
      title: "Remove machines, volumes and the network",
      async run(progress) {
        docker = await existingDocker(home, progress);
        if (docker === undefined) return;
        await removeMachines(docker, home, progress);
        await removeNetwork(docker, home);
        await removeVolumes(docker.client, home);
      },
    },
    {
      title: "End the lab's Docker engine",
      async run(progress) {
        engine = await stopOwnDocker(home);
        if (engine === "in use") progress("used by another lab: left running");
      },
    },
    {
      title: "Remove the state",
      async run() {
        const left = await findLeftovers(home, engine === "stopped" ? undefined : docker?.client);
        if (left.length > 0) {
          throw new Error(
            `still exists after down:\n${left.map((line) => `  ✖ ${line}`).join("\n")}\nThe state is kept (${home.stateDir}); try again: npm run lab -- down`,
          );
        }
        rmSync(home.stateDir, { recursive: true, force: true });
        rmSync(daemonFiles(home).lock, { force: true });
        if (options.purge) purge(home, engine);
      },
    },
  ]);
  console.log(
    `The lab "${home.name}" has ended: no container, network, mount, loop device, interface or process of it exists any more.` +
      (options.purge
        ? ""
        : `\nImages and tools stay in ${home.cacheDir}, so that the next start takes seconds; remove them: npm run lab -- down --purge`),
  );
}

function refuseDuringDeploy(context: LabContext): void {
  for (const stack of stackNames(context.projectDir)) {
    const lock = readLock(stateFile(context, stack));
    if (lock !== undefined && !isStale(lock)) {
      throw new Error(`${describeLock(lock)}\nTo end the lab nevertheless: npm run lab -- down --force`);
    }
  }
}

/** Does not install an engine to end a lab without one. */
async function existingDocker(home: LabHome, progress: Progress): Promise<OuterDocker | undefined> {
  const ever = existsSync(join(home.cacheDir, "docker")) || existsSync("/var/run/docker.sock");
  if (!ever || (await findCommand("dockerd")) === undefined) return undefined;
  return ensureDocker(home, progress);
}

async function removeMachines(docker: OuterDocker, home: LabHome, progress: Progress): Promise<void> {
  const machines = createMachines(docker, home, progress);
  for (const { name, serverId } of await machines.list()) {
    progress(`removing ${name}`);
    await machines.remove(serverId);
  }
  const folder = join(home.stateDir, "volumes");
  const ids = existsSync(folder) ? readdirSync(folder).map(Number).filter(Number.isInteger) : [];
  for (const id of ids) {
    progress(`removing volume ${id}`);
    await machines.detachVolume(id);
    await machines.removeVolume(id);
  }
}

async function removeVolumes(docker: Dockerode, home: LabHome): Promise<void> {
  const { Volumes: volumes } = await docker.listVolumes({ filters: { label: [`berth.lab=${home.name}`] } });
  for (const { Name } of volumes ?? []) await docker.getVolume(Name).remove();
}

function purge(home: LabHome, engine: string): void {
  const labs = join(home.cacheDir, "labs");
  const others = existsSync(labs)
    ? readdirSync(labs, { withFileTypes: true })
        .filter((entry) => entry.isDirectory() && readdirSync(join(labs, entry.name)).length > 0)
        .map(({ name }) => name)
    : [];
  if (engine === "in use" || others.length > 0) {
    throw new Error(
      `--purge: other labs use ${home.cacheDir}: ${others.join(", ")}; end them first: BERTH_LAB=<name> npm run lab -- down`,
    );
  }
  rmSync(home.cacheDir, { recursive: true, force: true });
}
