import { mkdir, readdir, readFile, rm, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { ensureTools, run, succeeds } from "../docker/host.ts";
import type { LabHome } from "../home.ts";
import { writePrivateFile } from "../write-file.ts";
import { removeEmpty } from "./files.ts";

/** A volume: a sparse file and a description; its loop device exists while it is attached. */
interface Volume {
  readonly id: number;
  readonly sizeGigabytes: number;
  readonly serverId?: number;
  /** The device in the machine, `/dev/sdb` and on, as its SCSI disk would be named. */
  readonly device?: string;
}

const letters = "bcdefghijklmnopqrstuvwxyz";

function folderOf(home: LabHome, id: number): string {
  return join(home.stateDir, "volumes", String(id));
}
function imageOf(home: LabHome, id: number): string {
  return join(folderOf(home, id), "volume.img");
}

export async function readVolume(home: LabHome, id: number): Promise<Volume | undefined> {
  const text = await readFile(join(folderOf(home, id), "volume.json"), "utf8").catch(() => undefined);
  return text === undefined ? undefined : (JSON.parse(text) as Volume);
}

async function writeVolume(home: LabHome, volume: Volume): Promise<void> {
  writePrivateFile(join(folderOf(home, volume.id), "volume.json"), JSON.stringify(volume));
}

/** Volumes attached to a server, in the order of their devices. */
export async function volumesOf(home: LabHome, serverId: number): Promise<Volume[]> {
  const ids = await readdir(join(home.stateDir, "volumes")).catch(() => []);
  const volumes = await Promise.all(ids.map((id) => readVolume(home, Number(id))));
  return volumes
    .filter((volume) => volume !== undefined)
    .filter((volume) => volume.serverId === serverId)
    .sort((one, other) => (one.device ?? "").localeCompare(other.device ?? ""));
}

/** Makes the sparse file, formatted when asked to. An existing volume is not changed. */
export async function makeVolume(
  home: LabHome,
  id: number,
  sizeGigabytes: number,
  format: "ext4" | "xfs" | undefined,
): Promise<void> {
  if (await readVolume(home, id)) return;
  const image = imageOf(home, id);
  await mkdir(folderOf(home, id), { recursive: true, mode: 0o700 });
  await writeFile(image, "", { mode: 0o600 });
  await truncate(image, sizeGigabytes * 1024 ** 3);
  if (format) {
    await ensureTools([`mkfs.${format}`], () => undefined);
    const options = format === "ext4" ? ["-q", "-F", "-E", "nodiscard"] : ["-q", "-f", "-K"];
    await run(`mkfs.${format}`, [...options, image], { timeoutSeconds: 120 });
  }
  await writeVolume(home, { id, sizeGigabytes });
}

/** The capability that the kernel requires to enlarge a mounted ext4, by its bit (linux/capability.h, CAP_SYS_RESOURCE). */
const sysResource = 1n << 24n;

/** Whether a machine of the lab can enlarge a mounted file system. A sandbox may withhold the capability from all its processes. */
export async function canGrowMounted(): Promise<boolean> {
  const [, effective = "0"] =
    /^CapEff:\s*([0-9a-f]+)$/m.exec(await readFile("/proc/self/status", "utf8")) ?? [];
  return (BigInt(`0x${effective}`) & sysResource) !== 0n;
}

/**
 * Enlarges the file, and the loop device of an attached volume, like a disk that grows while it is in use.
 * @throws when the file system of an attached volume could not be enlarged.
 */
export async function growVolume(home: LabHome, id: number, sizeGigabytes: number): Promise<void> {
  const volume = await readVolume(home, id);
  if (!volume) throw new Error(`volume ${id} does not exist in the lab "${home.name}"`);
  if (volume.serverId !== undefined && !(await canGrowMounted())) {
    throw new Error(
      "this machine lets nobody enlarge a file system that is mounted (it withholds CAP_SYS_RESOURCE, as sandboxes do), so the lab grows no attached volume here",
    );
  }
  await truncate(imageOf(home, id), sizeGigabytes * 1024 ** 3);
  for (const loop of await loopDevices(home, id)) await run("losetup", ["--set-capacity", loop]);
  await writeVolume(home, { ...volume, sizeGigabytes });
}

/** Records the server to which the volume is attached; {@link plug} makes it appear. */
export async function recordAttachment(home: LabHome, id: number, serverId: number): Promise<Volume> {
  const volume = await readVolume(home, id);
  if (!volume) throw new Error(`volume ${id} does not exist in the lab "${home.name}"`);
  if (volume.serverId === serverId) return volume;
  if (volume.serverId !== undefined) {
    throw new Error(`volume ${id} is attached to server ${volume.serverId}; detach it first`);
  }
  const taken = new Set((await volumesOf(home, serverId)).map((other) => other.device));
  const device = [...letters].map((letter) => `/dev/sd${letter}`).find((name) => !taken.has(name));
  if (!device) throw new Error(`server ${serverId} has ${taken.size} volumes: no more can be attached`);
  const attached = { id, sizeGigabytes: volume.sizeGigabytes, serverId, device };
  await writeVolume(home, attached);
  return attached;
}

function byIdPath(volumeId: number): string {
  return `/dev/disk/by-id/scsi-0HC_Volume_${volumeId}`;
}

/** Makes an attached volume appear in a running machine, given its first process. */
export async function plug(home: LabHome, volume: Volume, pid: number): Promise<void> {
  const loop = await loopDevice(home, volume.id);
  const numbers = (await run("lsblk", ["--noheadings", "--nodeps", "--output", "MAJ:MIN", loop])).trim();
  const [major = "", minor = ""] = numbers.split(":");
  const script =
    'mkdir -p /dev/disk/by-id; rm -f "$1"; mknod -m 660 "$1" b "$2" "$3"; chgrp disk "$1"; ln -sfn "$1" "$4"';
  const device = volume.device ?? "";
  await run("nsenter", [
    ...["--target", String(pid), "--mount", "--pid", "sh", "-ec", script, "plug"],
    ...[device, major, minor, byIdPath(volume.id)],
  ]);
}

async function loopDevice(home: LabHome, id: number): Promise<string> {
  const existing = await loopDevices(home, id);
  return existing[0] ?? (await run("losetup", ["--find", "--show", imageOf(home, id)])).trim();
}

async function loopDevices(home: LabHome, id: number): Promise<string[]> {
  const output = await run("losetup", [
    "--noheadings",
    "--output",
    "NAME",
    "--associated",
    imageOf(home, id),
  ]);
  return output.split("\n").filter((line) => line !== "");
}

/** Takes a volume out of its machine, mounted or not (as pulling a disk does), and frees its loop device. */
export async function unplug(home: LabHome, id: number, pid: number | undefined): Promise<void> {
  const volume = await readVolume(home, id);
  if (!volume) return;
  if (pid !== undefined && volume.device !== undefined) {
    const inside = ["--target", String(pid), "--mount", "--pid"];
    // `--lazy`, once for each mount of the device: processes keep their open files and can open no others.
    for (let mounts = 0; mounts < 64; mounts += 1) {
      if (!(await succeeds("nsenter", [...inside, "umount", "--lazy", volume.device]))) break;
    }
    await run("nsenter", [...inside, "rm", "-f", byIdPath(id), volume.device]);
  }
  for (const loop of await loopDevices(home, id)) await run("losetup", ["--detach", loop]);
  await writeVolume(home, { id, sizeGigabytes: volume.sizeGigabytes });
}

/** Removes the file of a detached volume. */
export async function destroyVolume(home: LabHome, id: number): Promise<void> {
  const volume = await readVolume(home, id);
  if (volume?.serverId !== undefined) {
    throw new Error(`volume ${id} is attached to server ${volume.serverId}; detach it first`);
  }
  await rm(folderOf(home, id), { recursive: true, force: true });
  await removeEmpty(join(home.stateDir, "volumes"));
}
