/** The existing objects that recovery and status need to know. Plain data, read by host.ts and cloud.ts. */

export const dockerKinds = ["service", "secret", "config", "network"] as const;
export type DockerKind = (typeof dockerKinds)[number];

/** An object of a host's Docker with this stack's label. */
export interface DockerObject {
  readonly kind: DockerKind;
  readonly id: string;
  readonly name: string;
  /** Label `berth.resource`: the logical name of the resource that made it. */
  readonly resource: string;
  readonly createdAt: string;
  /** Services: folders or volumes in which it keeps data. */
  readonly data: readonly string[];
  /** Services: ids of the secrets and configs that it uses. */
  readonly uses: readonly string[];
  /** Services: a job that runs once, a release's migrations. */
  readonly job: boolean;
  /** Services: the image, without digest. */
  readonly image: string;
}

export interface HostObservation {
  /** Logical name of the docker provider in the state: `main-docker`. */
  readonly provider: string;
  readonly objects: readonly DockerObject[];
  /** Text of all route files of the edge, which name the slots that serve. */
  readonly routes: string;
  /** Number of host commands (migrations, switches, …) that still run, even if the engine that started them has ended. */
  readonly commands: number;
  /** Slots that are kept for going back and are not in the state, from the host's records. */
  readonly kept: readonly string[];
  /** By id of the Postgres service: what exists there, as `role:x`, `database:x`, `extension:database.x`. */
  readonly databases: Readonly<Record<string, readonly string[]>>;
}

/** In the order in which they can be deleted. */
export const cloudKinds = [
  "server",
  "volume",
  "primary_ip",
  "firewall",
  "ssh_key",
  "network",
  "zone",
] as const;
export type CloudKind = (typeof cloudKinds)[number];

/** An object of the Hetzner project with this stack's label. */
export interface CloudObject {
  readonly kind: CloudKind;
  readonly id: string;
  readonly name: string;
  readonly resource: string;
  /** Volumes: the server it is attached to. */
  readonly serverId?: string;
}

export interface Observation {
  /** Docker hosts that answered. */
  readonly hosts: readonly HostObservation[];
  /** Undefined without access to the cloud's API. */
  readonly cloud: readonly CloudObject[] | undefined;
}

/** The type that Pulumi gives each. */
export const dockerTypes: Readonly<Record<DockerKind, string>> = {
  service: "docker:index/service:Service",
  secret: "docker:index/secret:Secret",
  config: "docker:index/serviceConfig:ServiceConfig",
  network: "docker:index/network:Network",
};

export const cloudTypes: Readonly<Record<CloudKind, string>> = {
  server: "hcloud:index/server:Server",
  volume: "hcloud:index/volume:Volume",
  primary_ip: "hcloud:index/primaryIp:PrimaryIp",
  firewall: "hcloud:index/firewall:Firewall",
  ssh_key: "hcloud:index/sshKey:SshKey",
  network: "hcloud:index/network:Network",
  zone: "hcloud:index/zone:Zone",
};
