import { mkdir, rm } from "node:fs/promises";
import { ensureTools, requireRoot, run } from "../docker/host.ts";
import { hasIpv6, plugIpv6 } from "../docker/ipv6.ts";
import { labLabel, labLabels, roleLabel } from "../docker/labels.ts";
import { ensureNetwork } from "../docker/network.ts";
import type { OuterDocker } from "../docker/outer-docker.ts";
import type { LabHome } from "../home.ts";
import type { Progress } from "../progress.ts";
import { addressLabel, containerName, machineContainer, nameLabel, serverLabel } from "./container.ts";
import { removeEmpty } from "./files.ts";
import { applyFirewall } from "./firewall.ts";
import { ensureMachineImage } from "./image.ts";
import { ensureMetadata, metadataAddress, metadataGateway, removeMetadata } from "./metadata.ts";
import {
  copyAuthority,
  firstAddress6,
  machineFolder,
  machinesFolder,
  readFirewall,
  writeFirewall,
  writeSeed,
} from "./seed.ts";
import type { MachineInfo, Machines } from "./types.ts";
import {
  destroyVolume,
  growVolume,
  makeVolume,
  plug,
  readVolume,
  recordAttachment,
  unplug,
  volumesOf,
} from "./volumes.ts";

/** The lab's servers. Has no effect until a server is booted. Every call is idempotent; needs root. */
export function createMachines(docker: OuterDocker, home: LabHome, progress: Progress): Machines {
  const container = (serverId: number) => docker.client.getContainer(containerName(home, serverId));

  /** Process id, on this machine, of the first process of a running machine. */
  async function pidOf(serverId: number): Promise<number | undefined> {
    const state = await container(serverId)
      .inspect()
      .then(({ State }) => State)
      .catch(ignore(404));
    return state?.Running ? state.Pid : undefined;
  }

  /** Starts the machine; it waits for its network, firewall and volumes before it executes systemd. */
  async function start(serverId: number): Promise<void> {
    await copyAuthority(home, serverId);
    await container(serverId).start().catch(ignore(304));
    const pid = await pidOf(serverId);
    if (pid === undefined)
      throw new Error(`server ${serverId} ended at once: ${await lastLogLines(serverId)}`);
    const inside = ["--target", String(pid)];
    const route = [`${metadataAddress}/32`, "via", metadataGateway(home), "dev", "eth0"];
    await run("nsenter", [...inside, "--net", "ip", "route", "replace", ...route]);
    await plugIpv6(home, pid, await firstAddress6(home, serverId));
    await applyFirewall(pid, await readFirewall(home, serverId));
    for (const volume of await volumesOf(home, serverId)) await plug(home, volume, pid);
    await run("nsenter", [...inside, "--mount", "--pid", "touch", "/run/berth-go"]);
  }

  async function lastLogLines(serverId: number): Promise<string> {
    const log = await container(serverId).logs({ stdout: true, stderr: true, tail: 5 });
    return (
      log
        .toString("utf8")
        .replace(/[^\n\x20-\x7e]/g, "")
        .trim() || "it printed nothing"
    );
  }

  async function list(): Promise<MachineInfo[]> {
    const label = [`${labLabel}=${home.name}`, `${roleLabel}=machine`];
    const containers = await docker.client.listContainers({ all: true, filters: { label } });
    return containers
      .map((one) => ({
        name: one.Labels[nameLabel] ?? "",
        serverId: Number(one.Labels[serverLabel]),
        address: one.Labels[addressLabel] ?? "",
        running: one.State === "running",
      }))
      .sort((one, other) => one.serverId - other.serverId);
  }

  async function detachVolume(volumeId: number): Promise<void> {
    const serverId = (await readVolume(home, volumeId))?.serverId;
    if (serverId !== undefined) await unplug(home, volumeId, await pidOf(serverId));
  }

  // The metadata service is removed with the last machine, and device letters follow the order of attachment:
  // operations that depend on the other machines run one at a time.
  let last: Promise<unknown> = Promise.resolve();
  function oneAtATime<T>(work: () => Promise<T>): Promise<T> {
    const turn = last.then(work);
    last = turn.catch(() => undefined);
    return turn;
  }

  return {
    list,
    detachVolume,
    async boot(spec) {
      requireRoot("booting a server in the lab");
      if (spec.address6 !== undefined && !hasIpv6()) {
        throw new Error(
          `${spec.name} has an IPv6 address, and this machine's kernel has no IPv6; rehearse without it: npm run lab -- up --set berth:hosts.<host>.ipv6=false`,
        );
      }
      await ensureTools(["iptables", "ip", "nsenter", "losetup"], progress);
      const image = await ensureMachineImage(docker, home, spec.image, progress);
      await ensureNetwork(docker, home);
      await oneAtATime(async () => {
        await mkdir(machinesFolder(home), { recursive: true, mode: 0o700 });
        await writeSeed(home, spec);
        await docker.client.createVolume({
          Name: containerName(home, spec.serverId),
          Labels: labLabels(home, "machine"),
        });
        await docker.client.createContainer(machineContainer(home, spec, image)).catch(ignore(409));
        await ensureMetadata(docker, home, image);
      });
      progress(`booting ${spec.name} at ${spec.address}`);
      await start(spec.serverId);
    },
    async powerOff(serverId) {
      // Hetzner's poweroff cuts the power; only its `shutdown` lets the system shut down.
      await container(serverId).kill().catch(ignore(404, 409));
    },
    async powerOn(serverId) {
      await start(serverId);
    },
    async remove(serverId) {
      await oneAtATime(async () => {
        await container(serverId).remove({ force: true, v: true }).catch(ignore(404));
        for (const volume of await volumesOf(home, serverId)) await unplug(home, volume.id, undefined);
        await docker.client.getVolume(containerName(home, serverId)).remove().catch(ignore(404));
        await rm(machineFolder(home, serverId), { recursive: true, force: true });
        if ((await list()).length > 0) return;
        await removeMetadata(docker, home);
        await removeEmpty(machinesFolder(home));
      });
    },
    async createVolume(volumeId, sizeGigabytes, format) {
      requireRoot("a volume of the lab");
      await makeVolume(home, volumeId, sizeGigabytes, format);
    },
    async attachVolume(volumeId, serverId) {
      await oneAtATime(async () => {
        const volume = await recordAttachment(home, volumeId, serverId);
        const pid = await pidOf(serverId);
        if (pid !== undefined) await plug(home, volume, pid);
      });
    },
    async growVolume(volumeId, sizeGigabytes) {
      await growVolume(home, volumeId, sizeGigabytes);
    },
    async removeVolume(volumeId) {
      await destroyVolume(home, volumeId);
    },
    async setFirewall(serverId, rules) {
      await writeFirewall(home, serverId, rules);
      const pid = await pidOf(serverId);
      if (pid !== undefined) await applyFirewall(pid, rules);
    },
  };
}

/** Ignores errors of the engine that mean that nothing has to be done. */
function ignore(...statusCodes: readonly number[]): (error: { statusCode?: number }) => undefined {
  return (error) => {
    if (error.statusCode === undefined || !statusCodes.includes(error.statusCode)) throw error;
    return undefined;
  };
}
