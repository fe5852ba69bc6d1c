export interface MachineSpec {
  /** Hetzner server name, also the host name. */
  readonly name: string;
  readonly serverId: number;
  /** Name of Hetzner's image: `debian-13`. */
  readonly image: string;
  /** Public IPv4 inside the lab's subnet. */
  readonly address: string;
  /** Public IPv6 that it has at its first boot. */
  readonly address6?: string;
  /** cloud-init user data, verbatim. */
  readonly userData: string;
  /** Public keys of the server's SSH keys (cloud-init gives them to root, as Hetzner does). */
  readonly sshKeys: readonly string[];
  readonly labels: Readonly<Record<string, string>>;
}

export interface FirewallRule {
  readonly direction: "in" | "out";
  readonly protocol: "tcp" | "udp" | "icmp" | "esp" | "gre";
  /** `"443"`, `"80-85"` or absent for protocols without ports. */
  readonly port?: string;
  /** CIDRs; for `in` rules the sources. */
  readonly ips: readonly string[];
}

export interface MachineInfo {
  readonly name: string;
  readonly serverId: number;
  readonly address: string;
  readonly running: boolean;
}

/** Machines are system containers of the outer engine. Every call is idempotent. */
export interface Machines {
  boot(spec: MachineSpec): Promise<void>;
  powerOff(serverId: number): Promise<void>;
  powerOn(serverId: number): Promise<void>;
  remove(serverId: number): Promise<void>;
  list(): Promise<MachineInfo[]>;
  /** Creates the block device of a volume: a sparse file on a loop device, formatted when `format` is given. */
  createVolume(volumeId: number, sizeGigabytes: number, format?: "ext4" | "xfs"): Promise<void>;
  /** Makes the volume appear in the machine as `/dev/disk/by-id/scsi-0HC_Volume_<id>`. */
  attachVolume(volumeId: number, serverId: number): Promise<void>;
  detachVolume(volumeId: number): Promise<void>;
  removeVolume(volumeId: number): Promise<void>;
  /** Makes the device larger, attached or not; the file system in it stays as it is. */
  growVolume(volumeId: number, sizeGigabytes: number): Promise<void>;
  /** Replaces the machine's inbound rules, enforced outside the machine's own configuration; undefined allows everything. */
  setFirewall(serverId: number, rules: readonly FirewallRule[] | undefined): Promise<void>;
}
