import { Service } from "@pulumi/docker";
import { type CustomResourceOptions, type Input, mergeOptions, type Resource } from "@pulumi/pulumi";
import { z } from "zod";
import type { Host } from "../host/host.ts";
import { dockerLabels } from "../labels.ts";
import { containerCommand, type ReleaseContainer, shimPath } from "./container.ts";

export interface SlotArgs {
  readonly host: Host;
  readonly system: string;
  readonly container: ReleaseContainer;
  /** The image's own entry point and command. */
  readonly command: readonly string[];
  readonly replicas: number;
  /** `stop-first`: it is made without tasks, and the probe starts them when those of the slot before have ended. */
  readonly order: "start-first" | "stop-first";
  /** Another one is a new slot, although nothing else has changed. */
  readonly restartedAt: string | undefined;
  /** Docker's own check; its test is from `dockerCheck`. */
  readonly healthcheck: HealthCheck & { readonly test: readonly string[] };
  /** How long it may take to become healthy: the probe's patience, which is at least the start period. */
  readonly patienceSeconds: number;
  readonly dependsOn: Input<Resource>[];
  /** When it is replaced, Pulumi forgets it and the host removes it later: see record.ts. */
  readonly retained: boolean;
}

/** Setting of a service that is restarted by a release; `ops restart` says how. */
export const restartTime = z.iso.datetime({
  error: 'is not a time in UTC; use one as in "2026-01-28T14:30:22Z"',
});

/** How often Docker asks a task whether it is healthy, how long it waits for an answer, and what it takes from it. */
export const healthCheckSettings = (declared: Partial<HealthCheck> = {}) => {
  const seconds = (most: number) => z.int().min(1).max(most);
  const shape = {
    /** The first question comes after as long, too; Docker 25 and newer ask every 5 s while it starts. */
    intervalSeconds: seconds(300).default(declared.intervalSeconds ?? 2),
    timeoutSeconds: seconds(120).default(declared.timeoutSeconds ?? 5),
    /** Failures in a row that end a task. */
    retries: z
      .int()
      .min(1)
      .max(20)
      .default(declared.retries ?? 3),
    /** Failures do not count for so long, and never within the probe's patience. */
    startPeriodSeconds: z
      .int()
      .min(0)
      .max(3600)
      .default(declared.startPeriodSeconds ?? 0),
  };
  return z.strictObject(shape).prefault({});
};

export interface HealthCheck {
  readonly intervalSeconds: number;
  readonly timeoutSeconds: number;
  readonly retries: number;
  readonly startPeriodSeconds: number;
}

/** What a task may take to finish its work after SIGTERM. */
const stopGraceSeconds = 30;

/**
 * One immutable generation of a service: a Docker service under a name that Pulumi makes up (`togather_app-1a2b3c4`). Any
 * change of its task (image, environment, secret, limits) is a new slot, created beside the old one; the old one is deleted
 * at the very end, when everything that depends on the slot succeeded. Scaling changes the mode alone, in place; yet the docker
 * plugin sends `env` in another order each time (it ranges over a map, `mapTypeMapValsToStringSlice`), and Swarm takes that for
 * another task: each one is restarted, the new one first.
 *
 * No `convergeConfig`: the provider would delete a slot that does not come up before anyone can read why; the probe waits
 * instead. The grace period is stated because the provider sends zero when it is left out, which kills at once. Its delete
 * then waits that long for the container and fails when that has not ended, although the service is gone. Docker's init is
 * process 1, so that SIGTERM ends an app which sets no handler for it (the kernel drops such a signal for process 1: pid_namespaces(7)), and
 * the switch has scaled an old slot to zero long before Pulumi deletes it.
 */
export function slot(name: string, args: SlotArgs, opts: CustomResourceOptions): Service {
  const { container, order, healthcheck } = args;
  return new Service(
    name,
    {
      labels: [
        ...dockerLabels(name, args.system),
        // On the service and not on its task, so that it can change in place.
        ...(args.retained ? [{ label: "berth.retain", value: "true" }] : []),
      ],
      mode: { replicated: { replicas: order === "stop-first" ? 0 : args.replicas } },
      updateConfig: { order, parallelism: 1, failureAction: "pause" },
      endpointSpec: { mode: "dnsrr" },
      taskSpec: {
        containerSpec: {
          image: container.image,
          commands: containerCommand(container, args.command),
          env: container.environment,
          init: true,
          // What Docker sets anyway since 20.10. Left out, the docker plugin names it whenever anything changes, and scaling
          // would replace the slot (test/contracts/README.md).
          sysctl: { "net.ipv4.ip_unprivileged_port_start": "0" },
          stopGracePeriod: `${stopGraceSeconds}s`,
          labels: [
            ...dockerLabels(name, args.system),
            ...(args.restartedAt === undefined
              ? []
              : [{ label: "berth.restarted-at", value: args.restartedAt }]),
          ],
          secrets: container.secrets.map(({ name: fileName, secret }) => ({
            secretId: secret.id,
            secretName: secret.name,
            fileName,
          })),
          configs:
            container.shim === undefined
              ? []
              : [{ configId: container.shim.id, configName: container.shim.name, fileName: shimPath }],
          ...(container.data === undefined ? {} : { mounts: [{ type: "bind", ...container.data }] }),
          healthcheck: {
            tests: [...healthcheck.test],
            interval: goDuration(healthcheck.intervalSeconds),
            timeout: goDuration(healthcheck.timeoutSeconds),
            retries: healthcheck.retries,
            // Swarm kills what fails the check so often after this.
            startPeriod: goDuration(Math.max(args.patienceSeconds, healthcheck.startPeriodSeconds)),
          },
        },
        resources: {
          limits: {
            memoryBytes: container.memoryMebibytes * 1024 * 1024,
            ...(container.cpus === undefined ? {} : { nanoCpus: Math.round(container.cpus * 1e9) }),
          },
        },
        restartPolicy: { condition: "any", delay: "2s", maxAttempts: 0, window: "0s" },
        // What never runs twice has one name for the system's other services, whatever its slot is called.
        networksAdvanceds: container.networkIds.map((id) => ({
          id,
          ...(order === "stop-first" ? { aliases: [name] } : {}),
        })),
      },
    },
    mergeOptions(opts, {
      provider: args.host.docker,
      replaceOnChanges: ["taskSpec"],
      retainOnDelete: args.retained,
      ignoreChanges: order === "stop-first" ? ["mode"] : [],
      dependsOn: args.dependsOn,
    }),
  );
}

/**
 * As the docker provider reads a duration back (`1m10s` for 70 seconds, terraform-provider-docker's shortDur): anything else would
 * show as a change in every run.
 */
function goDuration(seconds: number): string {
  const [hours, minutes] = [Math.floor(seconds / 3600), Math.floor((seconds % 3600) / 60)];
  const parts = [hours > 0 ? `${hours}h` : "", seconds >= 60 ? `${minutes}m` : "", `${seconds % 60}s`];
  return parts.join("").replace(/m0s$/, "m").replace(/h0m$/, "h");
}
