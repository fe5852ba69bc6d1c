/**
 * The seams between the rooms of the lab. Each room implements one of these and imports the others by type only.
 */
import type Dockerode from "dockerode";

// ---------------------------------------------------------------------------------------------------------------------
// Progress

/** Says what runs now. Long work reports through this; the command line renders it. Never given a secret. */
export type Progress = (message: string) => void;

// ---------------------------------------------------------------------------------------------------------------------
// lab/docker: the outer engine

export interface OuterDocker {
  readonly client: Dockerode;
  /** Unix socket of the engine, for the docker command line: `docker -H unix://…`. */
  readonly socketPath: string;
  /** True when the lab started this engine itself (and so stops it on `lab down`). */
  readonly own: boolean;
}

// ---------------------------------------------------------------------------------------------------------------------
// lab/machine: what the cloud boots

export interface MachineSpec {
  /** Hetzner server name, also the host name. */
  readonly name: string;
  readonly serverId: number;
  /** Name of Hetzner's image: `debian-13`. */
  readonly image: string;
  /** Public IPv4 inside the lab's subnet. */
  readonly address: string;
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
  /** Replaces the machine's inbound rules, enforced outside the machine's own configuration; undefined lets all in. */
  setFirewall(serverId: number, rules: readonly FirewallRule[] | undefined): Promise<void>;
}

// ---------------------------------------------------------------------------------------------------------------------
// lab/images: the registry

export interface ResolvedImage {
  /** Repository without tag, as a machine pulls it: `registry.berth.lab:5000/nginx`. */
  readonly repository: string;
  /** Manifest digest, `sha256:…`. */
  readonly digest: string;
  /** What it really is: "nginx 1.28.3, built from the crate nginx-src" or "pulled". Printed to the user. */
  readonly provenance: string;
}

export interface Registry {
  /**
   * The image that answers for `name` at `version`: `nginx`, `postgres`, or a stand-in `<system>/<service>` of `lab/apps`,
   * which exists at every version. Builds or fetches on first use.
   */
  resolve(name: string, version: string): Promise<ResolvedImage>;
  /** Makes an image of the outer engine (or one it can pull) available under `name` at `version`. */
  load(name: string, version: string, reference: string): Promise<ResolvedImage>;
}

// ---------------------------------------------------------------------------------------------------------------------
// lab/providers: what the engine drives, over Pulumi's ResourceProvider gRPC

/** Stands for a value that a preview does not know yet. Travels as Pulumi's unknown sentinel. */
export const unknownValue: unique symbol = Symbol("unknown");

export type PropertyValue =
  | null
  | boolean
  | number
  | string
  | typeof unknownValue
  | readonly PropertyValue[]
  | { readonly [key: string]: PropertyValue | undefined };
export type Properties = { readonly [key: string]: PropertyValue | undefined };

export interface CheckFailure {
  readonly property: string;
  readonly reason: string;
}

export interface DiffResult {
  /** Top-level properties that differ; empty means no change. */
  readonly changes: readonly string[];
  /** The ones among them that can only change by replacement. */
  readonly replaces: readonly string[];
  readonly deleteBeforeReplace?: boolean;
}

/** What a request says about the resource it is for. */
export interface ResourceRef {
  readonly urn: string;
  readonly type: string;
  readonly name: string;
}

/**
 * One configured instance of a provider, in plain values: secrets arrive unwrapped (the engine marks outputs that echo a
 * secret input), unknowns as {@link unknownValue}. Errors thrown become diagnostics, so they never contain a secret.
 */
export interface LabProvider {
  configure(inputs: Properties): Promise<void>;
  check(
    ref: ResourceRef,
    news: Properties,
    olds: Properties | undefined,
    randomSeed: Buffer,
  ): Promise<{ inputs: Properties; failures?: readonly CheckFailure[] }>;
  diff(
    ref: ResourceRef,
    id: string,
    oldInputs: Properties,
    oldOutputs: Properties,
    news: Properties,
  ): Promise<DiffResult>;
  create(
    ref: ResourceRef,
    inputs: Properties,
    timeoutSeconds: number,
  ): Promise<{ id: string; outputs: Properties }>;
  /** Undefined when the resource is gone. */
  read(
    ref: ResourceRef,
    id: string,
    inputs: Properties,
    outputs: Properties,
  ): Promise<{ id: string; inputs: Properties; outputs: Properties } | undefined>;
  update(
    ref: ResourceRef,
    id: string,
    oldInputs: Properties,
    oldOutputs: Properties,
    news: Properties,
    timeoutSeconds: number,
  ): Promise<Properties>;
  /** Succeeds when the resource is already gone. */
  delete(
    ref: ResourceRef,
    id: string,
    inputs: Properties,
    outputs: Properties,
    timeoutSeconds: number,
  ): Promise<void>;
  invoke(token: string, args: Properties): Promise<Properties>;
}

/**
 * Thrown by create or update when the resource exists but is not right (Pulumi's ErrorResourceInitFailed): the engine
 * records it and fails the step.
 */
export class PartialFailure extends Error {
  readonly id: string;
  readonly outputs: Properties;
  constructor(message: string, id: string, outputs: Properties) {
    super(message);
    this.id = id;
    this.outputs = outputs;
  }
}

export interface ProviderPackage {
  /** `hcloud`, `docker`, … */
  readonly name: string;
  /** The version of the real plugin whose behaviour it keeps. */
  readonly version: string;
  create(): LabProvider;
}

/** A provider served over gRPC on loopback: one server per configured instance. */
export interface ServedProvider {
  readonly address: string;
  close(): Promise<void>;
}
export type ServeProvider = (pkg: ProviderPackage) => Promise<ServedProvider>;

// ---------------------------------------------------------------------------------------------------------------------
// lab/engine

export type StepOp =
  | "same"
  | "create"
  | "update"
  | "delete"
  | "replace"
  | "create-replacement"
  | "delete-replaced"
  | "refresh"
  | "read"
  | "import";

/** The part of Pulumi's own engine events (`--event-log`, `pulumi … --json`) that the lab renders and tests. */
export type EngineEvent =
  | {
      readonly kind: "step-started";
      readonly op: StepOp;
      readonly urn: string;
      readonly detail?: readonly string[];
    }
  | { readonly kind: "step-done"; readonly op: StepOp; readonly urn: string; readonly seconds: number }
  | { readonly kind: "step-failed"; readonly op: StepOp; readonly urn: string; readonly seconds: number }
  | {
      readonly kind: "diagnostic";
      readonly severity: "debug" | "info" | "warning" | "error";
      readonly urn?: string;
      readonly message: string;
    };

export interface EngineRun {
  readonly projectDir: string;
  readonly project: string;
  readonly stack: string;
  /** Full keys (`berth:hosts`) to values as Pulumi.<stack>.yaml holds them; objects as JSON text. Secrets decrypted. */
  readonly config: Readonly<Record<string, string>>;
  readonly secretKeys: readonly string[];
  /** The deployment, Pulumi's format version 3. */
  readonly stateFile: string;
  /** For the passphrase secrets provider. */
  readonly passphrase: string;
  /** Environment of the program, beside what the engine sets. */
  readonly env?: Readonly<Record<string, string>>;
  readonly parallel?: number;
  readonly continueOnError?: boolean;
  /** Lets `destroy` delete protected resources. Only the lab's destroy sets it. */
  readonly ignoreProtect?: boolean;
  /** Who holds the deploy lock while this runs: `user@host`. */
  readonly owner: string;
  readonly onEvent?: (event: EngineEvent) => void;
}

export interface EngineResult {
  readonly ok: boolean;
  /** Steps in the order in which they ended, without `same`. */
  readonly steps: readonly {
    readonly op: StepOp;
    readonly urn: string;
    readonly seconds: number;
    readonly failed: boolean;
  }[];
  readonly diagnostics: readonly {
    readonly severity: "info" | "warning" | "error";
    readonly urn?: string;
    readonly message: string;
  }[];
  /** Stack outputs, secrets replaced by "[secret]". */
  readonly outputs: Readonly<Record<string, unknown>>;
}

export interface Engine {
  preview(run: EngineRun): Promise<EngineResult>;
  up(run: EngineRun): Promise<EngineResult>;
  refresh(run: EngineRun): Promise<EngineResult>;
  destroy(run: EngineRun): Promise<EngineResult>;
}
