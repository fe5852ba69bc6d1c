import { existsSync, readFileSync } from "node:fs";
import { writePrivateFile } from "../write-file.ts";

/** The cloud's state, in one JSON file. Field names are those of the Hetzner API. */
export interface CloudState {
  format: 1;
  nextId: number;
  actions: ActionRecord[];
  servers: ServerRecord[];
  sshKeys: SshKeyRecord[];
  firewalls: FirewallRecord[];
  primaryIps: PrimaryIpRecord[];
  volumes: VolumeRecord[];
  zones: ZoneRecord[];
  rrsets: RrsetRecord[];
}

export interface ResourceReference {
  id: number;
  type: string;
}

export interface ActionRecord {
  id: number;
  command: string;
  status: "running" | "success" | "error";
  /** 0 to 100. */
  progress: number;
  started: string;
  finished: string | null;
  resources: ResourceReference[];
  error: { code: string; message: string } | null;
}

interface Named {
  id: number;
  name: string;
  labels: Record<string, string>;
  created: string;
}

export interface ServerRecord extends Named {
  status: "initializing" | "running" | "off" | "deleting";
  /** Names in the catalogue. */
  server_type: string;
  image: string;
  location: string;
  ssh_keys: number[];
  /** Holds keys: never listed, never logged; the state file is readable only by its owner. */
  user_data: string;
  ipv4: number | null;
  ipv6: number | null;
  protection: { delete: boolean; rebuild: boolean };
  primary_disk_size: number;
}

export interface SshKeyRecord extends Named {
  fingerprint: string;
  public_key: string;
}

export interface FirewallRuleRecord {
  direction: "in" | "out";
  protocol: "tcp" | "udp" | "icmp" | "esp" | "gre";
  port: string | null;
  source_ips: string[];
  destination_ips: string[];
  description: string | null;
}

export type FirewallTarget =
  | { type: "server"; server: { id: number } }
  | { type: "label_selector"; label_selector: { selector: string } };

export interface FirewallRecord extends Named {
  rules: FirewallRuleRecord[];
  applied_to: FirewallTarget[];
}

export interface PrimaryIpRecord extends Named {
  type: "ipv4" | "ipv6";
  ip: string;
  location: string;
  assignee_id: number | null;
  auto_delete: boolean;
  protection: { delete: boolean };
}

export interface VolumeRecord extends Named {
  size: number;
  location: string;
  server: number | null;
  format: "ext4" | "xfs" | null;
  protection: { delete: boolean };
}

export interface ZoneRecord extends Named {
  ttl: number;
  mode: "primary";
  protection: { delete: boolean };
  /** The serial of the zone's SOA record; grows with every change of a record. */
  serial: number;
}

export interface RrsetRecord {
  zone: number;
  name: string;
  type: string;
  ttl: number | null;
  labels: Record<string, string>;
  protection: { change: boolean };
  records: { value: string; comment?: string }[];
}

/**
 * The state and its file. Handlers change `state` and then call `save`; the changes of a handler that throws before saving are
 * discarded.
 */
export interface Store {
  readonly state: CloudState;
  nextId(): number;
  save(): void;
  /** Discards changes since the last save. */
  discard(): void;
}

function empty(): CloudState {
  return {
    format: 1,
    nextId: 10_000_001,
    actions: [],
    servers: [],
    sshKeys: [],
    firewalls: [],
    primaryIps: [],
    volumes: [],
    zones: [],
    rrsets: [],
  };
}

function parse(text: string, file: string): CloudState {
  const state = JSON.parse(text) as CloudState;
  if (state.format !== 1) {
    throw new Error(
      `${file}: the cloud's state has format ${state.format}, this lab reads 1; "npm run lab -- down" starts anew`,
    );
  }
  return state;
}

/** Opens the state file, or starts an empty project. Throws when the file has another format version. */
export function openStore(file: string): Store {
  let saved = existsSync(file) ? readFileSync(file, "utf8") : JSON.stringify(empty());
  const state = parse(saved, file);
  return {
    state,
    nextId: () => state.nextId++,
    save() {
      saved = JSON.stringify(state, undefined, 1);
      writePrivateFile(file, saved);
    },
    discard() {
      Object.assign(state, parse(saved, file));
    },
  };
}
