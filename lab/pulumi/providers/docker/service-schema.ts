/** The inputs of docker.Service in pulumi-docker 5.2, which has them from terraform-provider-docker 4. */
import {
  type BlockNode,
  block,
  boolean,
  duration,
  list,
  map,
  type Node,
  number,
  set,
  string,
  type ValueNode,
} from "./schema.ts";

const oneOf = (...words: string[]): ValueNode => ({
  kind: "string",
  pattern: new RegExp(`^(${words.join("|")})$`),
});
const required = <T extends Node>(node: T): T => ({ ...node, required: true });
const computed = <T extends Node>(node: T): T => ({ ...node, computed: true });
const replaces = <T extends Node>(node: T): T => ({ ...node, replaces: true });
const withDefault = (node: ValueNode, value: string | number | boolean): ValueNode => ({
  ...node,
  default: value,
});

/** A pair of label and value; a change of a container's or a volume's labels replaces, a change of a service's labels does not. */
export const label = (replacing: boolean): BlockNode =>
  block({
    label: { ...required(string), replaces: replacing },
    value: { ...required(string), replaces: replacing },
  });

/** World-readable, as the provider mounts secrets and configs. */
const fileMode = 0o444;
const file = (id: string, name: string) =>
  block({
    [id]: required(string),
    [name]: string,
    fileName: required(string),
    fileUid: withDefault(string, "0"),
    fileGid: withDefault(string, "0"),
    fileMode: withDefault(number, fileMode),
  });

const mount = block({
  target: required(string),
  source: string,
  type: required(oneOf("bind", "volume", "tmpfs")),
  readOnly: boolean,
  bindOptions: block({
    propagation: withDefault(
      oneOf("private", "rprivate", "shared", "rshared", "slave", "rslave"),
      "rprivate",
    ),
  }),
  volumeOptions: block({
    noCopy: boolean,
    labels: set(label(true)),
    driverName: string,
    driverOptions: map,
  }),
  tmpfsOptions: block({ sizeBytes: number, mode: number }),
});

const containerSpec = block(
  {
    image: required(string),
    labels: set(label(true)),
    commands: list(string),
    args: list(string),
    hostname: string,
    env: map,
    dir: string,
    user: string,
    groups: list(string),
    privileges: block({
      credentialSpec: block({ file: string, registry: string }),
      seLinuxContext: block({ disable: boolean, user: string, role: string, type: string, level: string }),
    }),
    readOnly: boolean,
    mounts: set(mount),
    stopSignal: string,
    stopGracePeriod: computed(duration),
    healthcheck: computed(
      block({
        tests: list(string),
        interval: withDefault(duration, "0s"),
        timeout: withDefault(duration, "0s"),
        startPeriod: withDefault(duration, "0s"),
        retries: withDefault(number, 0),
      }),
    ),
    hosts: set(block({ ip: replaces(required(string)), host: replaces(required(string)) })),
    dnsConfig: computed(
      block({ nameservers: required(list(string)), searches: list(string), options: list(string) }),
    ),
    secrets: set(file("secretId", "secretName")),
    configs: set(file("configId", "configName")),
    isolation: withDefault(oneOf("default", "process", "hyperv"), "default"),
    sysctl: replaces(map),
    capAdds: list(string),
    capDrops: list(string),
    init: computed(boolean),
  },
  { required: true },
);

const resources = { nanoCpus: number, memoryBytes: number };

const taskSpec = block(
  {
    containerSpec,
    resources: computed(
      block({
        limits: block(resources),
        reservation: block({
          ...resources,
          genericResources: block({ namedResourcesSpecs: set(string), discreteResourcesSpecs: set(string) }),
        }),
      }),
    ),
    restartPolicy: computed(
      block({
        condition: oneOf("none", "on-failure", "any"),
        delay: duration,
        maxAttempts: number,
        window: duration,
      }),
    ),
    placement: computed(
      block({
        constraints: set(string),
        prefs: set(string),
        maxReplicas: number,
        // Docker takes these from the registry when they are left out.
        platforms: computed(set(block({ architecture: required(string), os: required(string) }))),
      }),
    ),
    forceUpdate: computed(number),
    runtime: computed(oneOf("container", "plugin")),
    networksAdvanceds: set(
      block({
        name: replaces(string),
        id: replaces(string),
        aliases: replaces(set(string)),
        driverOpts: replaces(set(string)),
      }),
    ),
    logDriver: block({ name: required(string), options: map }),
  },
  { required: true },
);

const rollout = (...failureActions: string[]) =>
  block({
    parallelism: withDefault(number, 1),
    delay: withDefault(duration, "0s"),
    failureAction: withDefault(oneOf(...failureActions), "pause"),
    monitor: withDefault(duration, "5s"),
    maxFailureRatio: { kind: "string", ratio: true, default: "0.0", pattern: /^(0(\.\d+)?|1(\.0+)?)$/ },
    order: withDefault(oneOf("stop-first", "start-first"), "stop-first"),
  });

/** Every input of docker.Service. */
export const serviceSchema: BlockNode = block({
  name: replaces(string),
  auth: block(
    {
      serverAddress: replaces(required(string)),
      username: replaces(string),
      password: replaces(string),
    },
    { replaces: true },
  ),
  labels: computed(set(label(false))),
  taskSpec,
  mode: computed(
    block({
      replicated: computed(block({ replicas: withDefault(number, 1) })),
      global: withDefault(boolean, false),
    }),
  ),
  updateConfig: rollout("pause", "continue", "rollback"),
  rollbackConfig: rollout("pause", "continue"),
  endpointSpec: computed(
    block({
      mode: computed(oneOf("vip", "dnsrr")),
      ports: list(
        block({
          name: string,
          protocol: withDefault(oneOf("tcp", "udp", "sctp"), "tcp"),
          targetPort: required(number),
          publishedPort: computed(number),
          publishMode: withDefault(oneOf("host", "ingress"), "ingress"),
        }),
      ),
    }),
  ),
  convergeConfig: block({ delay: withDefault(duration, "7s"), timeout: withDefault(duration, "3m") }),
});
