/** The part of Docker's API objects that the provider reads and writes. Durations are nanoseconds. */

export interface LabelMap {
  readonly [key: string]: string;
}

export interface ContainerSpec {
  Image?: string;
  Labels?: LabelMap;
  Command?: string[];
  Args?: string[];
  Hostname?: string;
  Env?: string[];
  Dir?: string;
  User?: string;
  Groups?: string[];
  Privileges?: {
    CredentialSpec?: { File?: string; Registry?: string } | null;
    SELinuxContext?: {
      Disable?: boolean;
      User?: string;
      Role?: string;
      Type?: string;
      Level?: string;
    } | null;
  };
  ReadOnly?: boolean;
  Mounts?: Mount[];
  StopSignal?: string;
  StopGracePeriod?: number;
  Healthcheck?: {
    Test?: string[];
    Interval?: number;
    Timeout?: number;
    StartPeriod?: number;
    Retries?: number;
  };
  Hosts?: string[];
  DNSConfig?: { Nameservers?: string[]; Search?: string[]; Options?: string[] };
  Secrets?: { SecretID: string; SecretName?: string; File?: FileTarget }[];
  Configs?: { ConfigID: string; ConfigName?: string; File?: FileTarget }[];
  Isolation?: string;
  Sysctls?: LabelMap;
  CapabilityAdd?: string[];
  CapabilityDrop?: string[];
  Init?: boolean;
}

export interface FileTarget {
  Name: string;
  UID?: string;
  GID?: string;
  Mode: number;
}

export interface Mount {
  Type: string;
  Target: string;
  Source?: string;
  ReadOnly?: boolean;
  BindOptions?: { Propagation?: string };
  VolumeOptions?: {
    NoCopy?: boolean;
    Labels?: LabelMap;
    DriverConfig?: { Name?: string; Options?: LabelMap };
  };
  TmpfsOptions?: { SizeBytes?: number; Mode?: number };
}

interface Amounts {
  NanoCPUs?: number;
  MemoryBytes?: number;
  GenericResources?: {
    NamedResourceSpec?: { Kind: string; Value: string };
    DiscreteResourceSpec?: { Kind: string; Value: number };
  }[];
}

export interface TaskSpec {
  ContainerSpec: ContainerSpec;
  Resources?: { Limits?: Amounts; Reservations?: Amounts };
  RestartPolicy?: { Condition?: string; Delay?: number; MaxAttempts?: number; Window?: number };
  Placement?: {
    Constraints?: string[];
    Preferences?: { Spread: { SpreadDescriptor: string } }[];
    Platforms?: { Architecture?: string; OS?: string }[];
    MaxReplicas?: number;
  };
  ForceUpdate?: number;
  Runtime?: string;
  Networks?: { Target: string; Aliases?: string[]; DriverOpts?: LabelMap }[];
  LogDriver?: { Name: string; Options?: LabelMap };
}

export interface Rollout {
  Parallelism: number;
  Delay: number;
  FailureAction: string;
  Monitor: number;
  MaxFailureRatio: number;
  Order: string;
}

export interface Port {
  Name?: string;
  Protocol?: string;
  TargetPort: number;
  PublishedPort?: number;
  PublishMode?: string;
}

export interface ServiceSpec {
  Name: string;
  Labels?: LabelMap;
  TaskTemplate: TaskSpec;
  Mode: { Replicated?: { Replicas?: number }; Global?: object };
  UpdateConfig?: Rollout;
  RollbackConfig?: Rollout;
  EndpointSpec?: { Mode?: string; Ports?: Port[] };
}

export interface Service {
  ID: string;
  Version: { Index: number };
  Spec: ServiceSpec;
  Endpoint?: { Spec?: { Mode?: string }; Ports?: Port[] };
  UpdateStatus?: { State?: string; Message?: string };
}

export interface Task {
  ID: string;
  Slot?: number;
  NodeID?: string;
  DesiredState: string;
  Status: { State: string; Err?: string; Message?: string; ContainerStatus?: { ContainerID?: string } };
}
