import { isDeepStrictEqual } from "node:util";
import type { local } from "@pulumi/command";
import { type Network, Service, type types } from "@pulumi/docker";
import {
  type ComponentResource,
  type Input,
  log,
  mergeOptions,
  type Resource,
  ResourceHook,
  type ResourceHookFunction,
} from "@pulumi/pulumi";
import type { ServiceContext } from "../declaration.ts";
import { dockerCheck, type Health } from "../health.ts";
import { currentContainerScript, hostCommand, readScript } from "../host/command.ts";
import { imagePull } from "../host/image-pull.ts";
import { hostPaths } from "../host/paths.ts";
import type { KeptData } from "../host/stored-data.ts";
import { dockerLabels } from "../labels.ts";
import { specificationDigest } from "../specification.ts";

type Container = types.input.ServiceTaskSpecContainerSpec;

export interface StatefulArgs {
  readonly network: Network;
  /** What of its container is its own: arguments, variables, secrets. */
  readonly container: Pick<Container, "args" | "env" | "configs"> & {
    readonly secrets: Exclude<Container["secrets"], undefined>;
    readonly mounts?: readonly types.input.ServiceTaskSpecContainerSpecMount[];
  };
  /** Where its data is in the container. */
  readonly dataPath: string;
  readonly health: Health;
  /** How long it may fail its check until Swarm restarts it; 20 when left out. */
  readonly unhealthyAfterSeconds?: number;
  readonly labels?: readonly { readonly label: string; readonly value: string }[];
  /** Checks and further folders, before anything is stopped: a script after the one that makes the data folder. */
  readonly folders?: { readonly script: string; readonly parameters: Readonly<Record<string, string>> };
  /** Ends when it can be used as it is specified: a script that knows `current_container`, SERVICE and WAIT_SECONDS. */
  readonly ready: {
    readonly script: string;
    readonly parameters: Readonly<Record<string, string>>;
    readonly secrets: Readonly<Record<string, Input<string>>>;
  };
  readonly beforeUpdate?: readonly ResourceHook[];
  /** How its data is backed up and restored, where it is not by database. */
  readonly kept?: "redis" | "folder";
  /** There before it starts. */
  readonly after?: readonly Resource[];
}

const waitSeconds = 120;
const checkSeconds = 2;

/**
 * Folder of a service's data on the volume: `/mnt/data/togather/postgres` for `togather_postgres`, so that two services of a
 * system never share one.
 * @throws when the name does not begin with the system's
 */
export function dataDirectory(system: string, name: string): string {
  const prefix = `${system}_`;
  if (!name.startsWith(prefix) || name.length === prefix.length)
    throw new Error(`a service of ${system} that keeps data is called ${prefix}<name>, not "${name}"`);
  return hostPaths.data(system, name.slice(prefix.length));
}

/**
 * A service with data on the volume, as children of its component: one task under a fixed name that is an alias on the system's network,
 * no published port, a minute to shut down. It is protected, and restarts in place, stop-first: a preview says so. A new image is
 * pulled before the running server is stopped for it.
 */
export function stateful(
  parent: ComponentResource,
  context: ServiceContext<{ readonly memoryMebibytes: number }>,
  args: StatefulArgs,
): { readonly service: Service; readonly ready: local.Command } {
  const { name, system, host, image, settings } = context;
  const child = { parent };
  const source = dataDirectory(system, name);
  const pulled = imagePull(`${name}-pull`, { host, image }, child);
  const folders = hostCommand(
    `${name}-folders`,
    {
      connection: host.connection,
      script: readScript(import.meta.url, "./scripts/data-folder.sh") + (args.folders?.script ?? ""),
      parameters: {
        DATA_VOLUME: hostPaths.dataVolume,
        DATA_DIRECTORY: source,
        ...args.folders?.parameters,
        SERVICE: name,
        IMAGE: image.reference,
      },
      deadlineSeconds: 600,
      dependsOn: [host.ready, pulled],
    },
    child,
  );
  const kept: KeptData | undefined =
    args.kept === undefined
      ? undefined
      : {
          of: system,
          path: source,
          ...(args.kept === "redis" ? { kind: "redis", server: name } : { kind: "folder" }),
        };
  const restored = kept === undefined ? [] : host.restored(`${name}-restore`, kept, [folders], child);
  const { mounts = [], ...container } = args.container;
  const taskSpec = {
    containerSpec: {
      image: image.reference,
      ...container,
      labels: dockerLabels(name, system),
      stopGracePeriod: "1m",
      mounts: [{ type: "bind", source, target: args.dataPath }, ...mounts],
      healthcheck: {
        tests: dockerCheck(args.health),
        // Patient: Swarm stops what fails it, and a busy host must not lose its database for that.
        interval: `${checkSeconds}s`,
        timeout: "10s",
        retries: (args.unhealthyAfterSeconds ?? 20) / checkSeconds,
        startPeriod: "1m",
      },
    },
    resources: { limits: { memoryBytes: settings.memoryMebibytes * 1024 * 1024 } },
    restartPolicy: { condition: "any", delay: "2s", maxAttempts: 0, window: "0s" },
    networksAdvanceds: [{ id: args.network.id, aliases: [name] }],
  };
  const service = new Service(
    name,
    {
      labels: [...dockerLabels(name, system), ...(args.labels ?? [])],
      mode: { replicated: { replicas: 1 } },
      updateConfig: { order: "stop-first", parallelism: 1, failureAction: "pause" },
      endpointSpec: { mode: "dnsrr" },
      taskSpec,
    },
    mergeOptions(child, {
      provider: host.docker,
      protect: true,
      dependsOn: [folders, ...restored, ...(args.after ?? [])],
      hooks: {
        beforeUpdate: [
          ...(args.beforeUpdate ?? []),
          new ResourceHook(`${name}-restart`, announceRestart(name), { onDryRun: true }),
        ],
      },
    }),
  );
  const ready = hostCommand(
    `${name}-ready`,
    {
      connection: host.connection,
      script: currentContainerScript + args.ready.script,
      parameters: {
        SERVICE: service.name,
        ...args.ready.parameters,
        WAIT_SECONDS: waitSeconds,
        SPECIFICATION: specificationDigest(taskSpec),
      },
      secrets: args.ready.secrets,
      deadlineSeconds: waitSeconds + 30,
      dependsOn: [service],
    },
    child,
  );
  if (kept !== undefined) host.stored.push({ ...kept, after: [ready] });
  return { service, ready };
}

/** Hook before such a service is updated, in a preview too: says that it restarts. Labels alone change without that. */
export function announceRestart(
  service: string,
  warn: (message: string) => Promise<void> = log.warn,
): ResourceHookFunction {
  return async ({ oldInputs, newInputs }) => {
    if (isDeepStrictEqual(oldInputs?.taskSpec, newInputs?.taskSpec)) return;
    await warn(
      `${service} restarts in this run, the old task first: nobody can use it until the new one is ready, some seconds, and up to a minute more when the old one is slow to stop. Choose the time`,
    );
  };
}
