/** A service as Docker reports it, as the outputs of docker.Service. */
import type { Properties, PropertyValue } from "../provider.ts";
import type { ContainerSpec, LabelMap, Mount, Port, Rollout, Service, TaskSpec } from "./engine-types.ts";
import { durationText } from "./schema.ts";

/** A map as pairs of label and value. */
export function labelPairs(labels: LabelMap | undefined): Properties[] {
  return Object.entries(labels ?? {}).map(([label, value]) => ({ label, value }));
}

const filled = <T>(list: readonly T[] | null | undefined): readonly T[] | undefined =>
  list && list.length > 0 ? list : undefined;
const pairs = (options: LabelMap | undefined) =>
  Object.entries(options ?? {}).map(([key, value]) => `${key}=${value}`);
const optionalDuration = (value: number | null | undefined) =>
  value === undefined || value === null ? undefined : durationText(value);

function mountState(mount: Mount): Properties {
  const { BindOptions: bind, VolumeOptions: volume, TmpfsOptions: tmpfs } = mount;
  return {
    target: mount.Target,
    source: mount.Source ?? "",
    type: mount.Type,
    readOnly: mount.ReadOnly ?? false,
    ...(bind ? { bindOptions: bind.Propagation ? { propagation: bind.Propagation } : {} } : {}),
    ...(volume
      ? {
          volumeOptions: {
            noCopy: volume.NoCopy ?? false,
            labels: labelPairs(volume.Labels),
            driverName: volume.DriverConfig?.Name ?? "",
            driverOptions: { ...volume.DriverConfig?.Options },
          },
        }
      : {}),
    ...(tmpfs ? { tmpfsOptions: { sizeBytes: tmpfs.SizeBytes ?? 0, mode: tmpfs.Mode ?? 0 } } : {}),
  };
}

const fileState = (
  file: { Name: string; UID?: string; GID?: string; Mode: number } | undefined,
): Properties =>
  file
    ? { fileName: file.Name, fileUid: file.UID ?? "0", fileGid: file.GID ?? "0", fileMode: file.Mode }
    : {};

function containerState(spec: ContainerSpec): Properties {
  const health = spec.Healthcheck;
  const { Privileges: privileges } = spec;
  const selinux = privileges?.SELinuxContext;
  const credential = privileges?.CredentialSpec;
  return {
    image: spec.Image,
    labels: filled(labelPairs(spec.Labels)),
    commands: filled(spec.Command),
    args: filled(spec.Args),
    hostname: spec.Hostname || undefined,
    env: spec.Env
      ? Object.fromEntries(
          spec.Env.map((pair) => {
            const at = pair.indexOf("=");
            return [pair.slice(0, at), pair.slice(at + 1)];
          }),
        )
      : undefined,
    dir: spec.Dir || undefined,
    user: spec.User || undefined,
    groups: filled(spec.Groups),
    privileges: privileges
      ? {
          credentialSpec: credential
            ? { file: credential.File ?? "", registry: credential.Registry ?? "" }
            : undefined,
          seLinuxContext: selinux
            ? {
                disable: selinux.Disable ?? false,
                user: selinux.User ?? "",
                role: selinux.Role ?? "",
                type: selinux.Type ?? "",
                level: selinux.Level ?? "",
              }
            : undefined,
        }
      : undefined,
    readOnly: spec.ReadOnly || undefined,
    mounts: filled(spec.Mounts)?.map(mountState),
    stopSignal: spec.StopSignal || undefined,
    stopGracePeriod: optionalDuration(spec.StopGracePeriod),
    healthcheck: health
      ? {
          tests: filled(health.Test),
          interval: durationText(health.Interval ?? 0),
          timeout: durationText(health.Timeout ?? 0),
          startPeriod: durationText(health.StartPeriod ?? 0),
          retries: health.Retries ?? 0,
        }
      : undefined,
    hosts: filled(spec.Hosts)?.map((line) => {
      const [ip = "", host = ""] = line.split(" ");
      return { ip, host };
    }),
    dnsConfig: spec.DNSConfig
      ? {
          nameservers: filled(spec.DNSConfig.Nameservers),
          searches: filled(spec.DNSConfig.Search),
          options: filled(spec.DNSConfig.Options),
        }
      : undefined,
    secrets: filled(spec.Secrets)?.map(({ SecretID, SecretName, File }) => ({
      secretId: SecretID,
      ...(SecretName ? { secretName: SecretName } : {}),
      ...fileState(File),
    })),
    configs: filled(spec.Configs)?.map(({ ConfigID, ConfigName, File }) => ({
      configId: ConfigID,
      ...(ConfigName ? { configName: ConfigName } : {}),
      ...fileState(File),
    })),
    isolation: spec.Isolation || undefined,
    sysctl: spec.Sysctls,
    capAdds: filled(spec.CapabilityAdd),
    capDrops: filled(spec.CapabilityDrop),
    init: spec.Init,
  };
}

function taskState(spec: TaskSpec): Properties {
  const { Resources: resources, RestartPolicy: restart, Placement: placement, LogDriver: log } = spec;
  const generic = resources?.Reservations?.GenericResources ?? [];
  return {
    containerSpec: containerState(spec.ContainerSpec),
    resources: resources
      ? {
          limits: resources.Limits
            ? {
                nanoCpus: resources.Limits.NanoCPUs ?? 0,
                memoryBytes: resources.Limits.MemoryBytes ?? 0,
              }
            : undefined,
          reservation: resources.Reservations
            ? {
                nanoCpus: resources.Reservations.NanoCPUs ?? 0,
                memoryBytes: resources.Reservations.MemoryBytes ?? 0,
                genericResources:
                  generic.length > 0
                    ? {
                        namedResourcesSpecs: generic.flatMap(({ NamedResourceSpec: named }) =>
                          named ? `${named.Kind}=${named.Value}` : [],
                        ),
                        discreteResourcesSpecs: generic.flatMap(({ DiscreteResourceSpec: discrete }) =>
                          discrete ? `${discrete.Kind}=${discrete.Value}` : [],
                        ),
                      }
                    : undefined,
              }
            : undefined,
        }
      : undefined,
    restartPolicy: restart
      ? {
          condition: restart.Condition || undefined,
          delay: optionalDuration(restart.Delay),
          maxAttempts: restart.MaxAttempts,
          window: optionalDuration(restart.Window),
        }
      : undefined,
    placement: placement
      ? {
          constraints: filled(placement.Constraints),
          prefs: filled(placement.Preferences)?.map((preference) => preference.Spread.SpreadDescriptor),
          platforms: filled(placement.Platforms)?.map(({ Architecture, OS }) => ({
            architecture: Architecture ?? "",
            os: OS ?? "",
          })),
          maxReplicas: placement.MaxReplicas ?? 0,
        }
      : undefined,
    forceUpdate: spec.ForceUpdate ?? 0,
    runtime: spec.Runtime || undefined,
    networksAdvanceds: filled(spec.Networks)?.map(({ Target, Aliases, DriverOpts }) => ({
      id: Target,
      ...(Aliases && Aliases.length > 0 ? { aliases: Aliases } : {}),
      driverOpts: pairs(DriverOpts),
    })),
    logDriver: log ? { name: log.Name, ...(log.Options ? { options: log.Options } : {}) } : undefined,
  };
}

function rolloutState(config: Rollout | undefined): Properties | undefined {
  return (
    config && {
      parallelism: config.Parallelism ?? 0,
      delay: durationText(config.Delay ?? 0),
      failureAction: config.FailureAction,
      monitor: durationText(config.Monitor ?? 0),
      maxFailureRatio: (config.MaxFailureRatio ?? 0).toFixed(1),
      order: config.Order,
    }
  );
}

const portState = (port: Port): Properties => ({
  name: port.Name ?? "",
  protocol: port.Protocol ?? "tcp",
  targetPort: port.TargetPort,
  publishedPort: port.PublishedPort ?? 0,
  publishMode: port.PublishMode ?? "ingress",
});

/** Drops what is undefined, at every depth. */
function compact(value: PropertyValue | undefined): PropertyValue {
  if (Array.isArray(value)) {
    return value.map(compact);
  }
  return typeof value === "object" && value !== null
    ? (Object.fromEntries(
        Object.entries(value)
          .filter(([, inner]) => inner !== undefined)
          .map(([key, inner]) => [key, compact(inner)]),
      ) as Properties)
    : (value ?? null);
}

/** Whether Docker already reports the service's endpoint; right after creation it may not. */
export function isComplete(service: Service): boolean {
  return Boolean(service.Endpoint?.Spec?.Mode || service.Spec.EndpointSpec?.Mode);
}

/**
 * The properties that the real provider reads back; `auth` and `convergeConfig` are not stored by Docker and are copied from the
 * inputs.
 */
export function serviceState(service: Service, inputs: Properties): Properties {
  const { Spec: spec, Endpoint: endpoint } = service;
  const told = endpoint?.Spec?.Mode;
  return compact({
    name: spec.Name,
    labels: labelPairs(spec.Labels),
    taskSpec: taskState(spec.TaskTemplate),
    mode: {
      ...(spec.Mode.Replicated ? { replicated: { replicas: spec.Mode.Replicated.Replicas ?? 0 } } : {}),
      global: spec.Mode.Global !== undefined,
    },
    updateConfig: rolloutState(spec.UpdateConfig),
    rollbackConfig: rolloutState(spec.RollbackConfig),
    endpointSpec: {
      mode: told || spec.EndpointSpec?.Mode,
      ports: ((told ? endpoint?.Ports : spec.EndpointSpec?.Ports) ?? []).map(portState),
    },
    auth: inputs.auth,
    convergeConfig: inputs.convergeConfig,
  }) as Properties;
}
