import { copyFile, mkdir, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import type { LabHome } from "../home.ts";
import { writePrivateFile } from "../write-file.ts";
import type { FirewallRule, MachineSpec } from "./types.ts";

/** Folder of one machine: its cloud-init seed, the responses of the metadata service, its firewall. */
export function machineFolder(home: LabHome, serverId: number): string {
  return join(home.stateDir, "machines", String(serverId));
}

export function machinesFolder(home: LabHome): string {
  return join(home.stateDir, "machines");
}

/** cloud-init's NoCloud seed, mounted into the machine. */
export function seedFolder(home: LabHome, serverId: number): string {
  return join(machineFolder(home, serverId), "seed");
}

/** NoCloud's meta-data (JSON is valid YAML). */
export function metaData(spec: MachineSpec): Record<string, unknown> {
  return {
    "instance-id": String(spec.serverId),
    "local-hostname": spec.name,
    "public-keys": spec.sshKeys,
  };
}

/** The responses of Hetzner's metadata service. */
export function hetznerMetadata(spec: MachineSpec): Record<string, unknown> {
  return {
    "instance-id": String(spec.serverId),
    hostname: spec.name,
    "public-ipv4": spec.address,
    "public-keys": spec.sshKeys,
    region: "eu-central",
    "availability-zone": "fsn1-dc14",
  };
}

/** IPv6 address that the machine had at its first boot, which its network settings keep. */
export async function firstAddress6(home: LabHome, serverId: number): Promise<string | undefined> {
  const file = join(machineFolder(home, serverId), "address6");
  return readFile(file, "utf8").catch(() => undefined);
}

export async function writeSeed(home: LabHome, spec: MachineSpec): Promise<void> {
  const seed = seedFolder(home, spec.serverId);
  writePrivateFile(join(seed, "user-data"), spec.userData);
  writePrivateFile(join(seed, "meta-data"), JSON.stringify(metaData(spec)));
  if (spec.address6 !== undefined) {
    writePrivateFile(join(machineFolder(home, spec.serverId), "address6"), spec.address6);
  }
  writePrivateFile(
    join(machineFolder(home, spec.serverId), "metadata.json"),
    JSON.stringify(hetznerMetadata(spec)),
  );
}

/** Copies the lab's authority to the machine, if it exists. */
export async function copyAuthority(home: LabHome, serverId: number): Promise<void> {
  const seed = seedFolder(home, serverId);
  await mkdir(seed, { recursive: true, mode: 0o700 });
  await copyFile(join(home.stateDir, "ca.crt"), join(seed, "ca.crt")).catch((error: { code?: string }) => {
    if (error.code !== "ENOENT") throw error;
  });
}

export async function writeFirewall(
  home: LabHome,
  serverId: number,
  rules: readonly FirewallRule[] | undefined,
): Promise<void> {
  const file = join(machineFolder(home, serverId), "firewall.json");
  if (rules) writePrivateFile(file, JSON.stringify(rules));
  else await rm(file, { force: true });
}

export async function readFirewall(home: LabHome, serverId: number): Promise<FirewallRule[] | undefined> {
  const file = join(machineFolder(home, serverId), "firewall.json");
  const text = await readFile(file, "utf8").catch(() => undefined);
  return text === undefined ? undefined : (JSON.parse(text) as FirewallRule[]);
}
