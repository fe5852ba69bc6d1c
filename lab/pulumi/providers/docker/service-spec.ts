/** docker.Service's inputs as Docker's service specification. The inputs already contain their defaults. */

import { isProperties } from "../property-values.ts";
import type { Properties, PropertyValue } from "../provider.ts";
import type { ContainerSpec, LabelMap, Mount, Port, Rollout, ServiceSpec, TaskSpec } from "./engine-types.ts";
import { nanoseconds } from "./schema.ts";

type Value = PropertyValue | undefined;

const object = (value: Value): Properties => (isProperties(value) ? value : {});
const objects = (value: Value): Properties[] => (Array.isArray(value) ? value.map(object) : []);
const strings = (value: Value): string[] => (Array.isArray(value) ? value.map(String) : []);
const text = (value: Value): string => (typeof value === "string" ? value : "");
const amount = (value: Value): number => (typeof value === "number" ? value : 0);
const textMap = (value: Value): LabelMap =>
  Object.fromEntries(Object.entries(object(value)).map(([key, inner]) => [key, String(inner)]));

/** Pairs of label and value as a map. */
export function labelMap(value: Value): LabelMap {
  return Object.fromEntries(objects(value).map((pair) => [text(pair.label), text(pair.value)]));
}

/** `key=value` texts as pairs. */
function split(pair: string): [string, string] {
  const at = pair.indexOf("=");
  return at < 0 ? [pair, ""] : [pair.slice(0, at), pair.slice(at + 1)];
}

function mountOf(value: Properties): Mount {
  const { bindOptions, volumeOptions, tmpfsOptions } = value;
  const volume = object(volumeOptions);
  return {
    Type: text(value.type),
    Target: text(value.target),
    Source: text(value.source),
    ReadOnly: value.readOnly === true,
    ...(isProperties(bindOptions) ? { BindOptions: { Propagation: text(bindOptions.propagation) } } : {}),
    ...(isProperties(volumeOptions)
      ? {
          VolumeOptions: {
            NoCopy: volume.noCopy === true,
            Labels: labelMap(volume.labels),
            DriverConfig: { Name: text(volume.driverName), Options: textMap(volume.driverOptions) },
          },
        }
      : {}),
    ...(isProperties(tmpfsOptions)
      ? { TmpfsOptions: { SizeBytes: amount(tmpfsOptions.sizeBytes), Mode: amount(tmpfsOptions.mode) } }
      : {}),
  };
}

const fileTarget = (value: Properties) => ({
  Name: text(value.fileName),
  UID: text(value.fileUid),
  GID: text(value.fileGid),
  Mode: amount(value.fileMode),
});

function privilegesOf(value: Properties): NonNullable<ContainerSpec["Privileges"]> {
  const { credentialSpec, seLinuxContext } = value;
  return {
    ...(isProperties(credentialSpec)
      ? { CredentialSpec: { File: text(credentialSpec.file), Registry: text(credentialSpec.registry) } }
      : {}),
    ...(isProperties(seLinuxContext)
      ? {
          SELinuxContext: {
            Disable: seLinuxContext.disable === true,
            User: text(seLinuxContext.user),
            Role: text(seLinuxContext.role),
            Type: text(seLinuxContext.type),
            Level: text(seLinuxContext.level),
          },
        }
      : {}),
  };
}

function containerOf(value: Properties): ContainerSpec {
  const health = object(value.healthcheck);
  const dns = object(value.dnsConfig);
  return {
    Image: text(value.image),
    Labels: labelMap(value.labels),
    Command: strings(value.commands),
    Args: strings(value.args),
    Hostname: text(value.hostname),
    Env: Object.entries(textMap(value.env)).map(([key, inner]) => `${key}=${inner}`),
    Dir: text(value.dir),
    User: text(value.user),
    Groups: strings(value.groups),
    ...(isProperties(value.privileges) ? { Privileges: privilegesOf(value.privileges) } : {}),
    ReadOnly: value.readOnly === true,
    Mounts: objects(value.mounts).map(mountOf),
    StopSignal: text(value.stopSignal),
    // Always sent, as the real provider does: when left out it is 0, and Docker kills at once instead of after 10 s.
    StopGracePeriod: nanoseconds(value.stopGracePeriod),
    Healthcheck: {
      Test: strings(health.tests),
      Interval: nanoseconds(health.interval),
      Timeout: nanoseconds(health.timeout),
      StartPeriod: nanoseconds(health.startPeriod),
      Retries: amount(health.retries),
    },
    Hosts: objects(value.hosts).map((host) => `${text(host.ip)} ${text(host.host)}`),
    DNSConfig: {
      Nameservers: strings(dns.nameservers),
      Search: strings(dns.searches),
      Options: strings(dns.options),
    },
    Secrets: objects(value.secrets).map((secret) => ({
      SecretID: text(secret.secretId),
      SecretName: text(secret.secretName),
      File: fileTarget(secret),
    })),
    Configs: objects(value.configs).map((config) => ({
      ConfigID: text(config.configId),
      ConfigName: text(config.configName),
      File: fileTarget(config),
    })),
    Isolation: text(value.isolation),
    Sysctls: textMap(value.sysctl),
    CapabilityAdd: strings(value.capAdds),
    CapabilityDrop: strings(value.capDrops),
    Init: value.init === true,
  };
}

function resourcesOf(value: Properties): NonNullable<TaskSpec["Resources"]> {
  const { limits, reservation } = value;
  const generic = object(object(reservation).genericResources);
  return {
    ...(isProperties(limits)
      ? { Limits: { NanoCPUs: amount(limits.nanoCpus), MemoryBytes: amount(limits.memoryBytes) } }
      : {}),
    ...(isProperties(reservation)
      ? {
          Reservations: {
            NanoCPUs: amount(reservation.nanoCpus),
            MemoryBytes: amount(reservation.memoryBytes),
            GenericResources: [
              ...strings(generic.namedResourcesSpecs)
                .map(split)
                .map(([Kind, Value]) => ({ NamedResourceSpec: { Kind, Value } })),
              ...strings(generic.discreteResourcesSpecs)
                .map(split)
                .map(([Kind, Value]) => ({ DiscreteResourceSpec: { Kind, Value: Number(Value) } })),
            ],
          },
        }
      : {}),
  };
}

function taskOf(value: Properties): TaskSpec {
  const restart = object(value.restartPolicy);
  const placement = object(value.placement);
  const { logDriver } = value;
  return {
    ContainerSpec: containerOf(object(value.containerSpec)),
    Resources: resourcesOf(object(value.resources)),
    RestartPolicy: isProperties(value.restartPolicy)
      ? {
          Condition: text(restart.condition),
          Delay: nanoseconds(restart.delay),
          MaxAttempts: amount(restart.maxAttempts),
          Window: nanoseconds(restart.window),
        }
      : {},
    Placement: {
      Constraints: strings(placement.constraints),
      Preferences: strings(placement.prefs).map((SpreadDescriptor) => ({ Spread: { SpreadDescriptor } })),
      Platforms: objects(placement.platforms).map(({ architecture, os }) => ({
        Architecture: text(architecture),
        OS: text(os),
      })),
      MaxReplicas: amount(placement.maxReplicas),
    },
    ForceUpdate: amount(value.forceUpdate),
    Runtime: text(value.runtime),
    Networks: objects(value.networksAdvanceds).map((network) => {
      const Target = text(network.id) || text(network.name);
      if (Target === "") {
        throw new Error("taskSpec.networksAdvanceds: network 'name' or 'id' must be specified");
      }
      return {
        Target,
        Aliases: strings(network.aliases),
        DriverOpts: Object.fromEntries(strings(network.driverOpts).map(split)),
      };
    }),
    ...(isProperties(logDriver)
      ? { LogDriver: { Name: text(logDriver.name), Options: textMap(logDriver.options) } }
      : {}),
  };
}

function rolloutOf(value: Properties): Rollout {
  return {
    Parallelism: amount(value.parallelism),
    Delay: nanoseconds(value.delay),
    FailureAction: text(value.failureAction),
    Monitor: nanoseconds(value.monitor),
    MaxFailureRatio: Number(value.maxFailureRatio),
    Order: text(value.order),
  };
}

function portOf(value: Properties): Port {
  return {
    Name: text(value.name),
    Protocol: text(value.protocol),
    TargetPort: amount(value.targetPort),
    PublishedPort: amount(value.publishedPort),
    PublishMode: text(value.publishMode),
  };
}

function modeOf(value: Properties): ServiceSpec["Mode"] {
  if (value.global === true) {
    return { Global: {} };
  }
  return isProperties(value.replicated)
    ? { Replicated: { Replicas: amount(value.replicated.replicas) } }
    : {};
}

/** The specification to create or update a service with. Throws when a network has neither id nor name. */
export function serviceSpec(inputs: Properties): ServiceSpec {
  const endpoint = object(inputs.endpointSpec);
  return {
    Name: text(inputs.name),
    Labels: labelMap(inputs.labels),
    TaskTemplate: taskOf(object(inputs.taskSpec)),
    Mode: modeOf(object(inputs.mode)),
    ...(isProperties(inputs.updateConfig) ? { UpdateConfig: rolloutOf(inputs.updateConfig) } : {}),
    ...(isProperties(inputs.rollbackConfig) ? { RollbackConfig: rolloutOf(inputs.rollbackConfig) } : {}),
    EndpointSpec: {
      ...(endpoint.mode ? { Mode: text(endpoint.mode) } : {}),
      Ports: objects(endpoint.ports).map(portOf),
    },
  };
}
