import type { local } from "@pulumi/command";
import { type Network, ServiceConfig } from "@pulumi/docker";
import {
  all,
  ComponentResource,
  type ComponentResourceOptions,
  type Input,
  mergeOptions,
  type Output,
  type Resource,
} from "@pulumi/pulumi";
import type { ResolvedImage } from "../../config.ts";
import type { Database } from "../data/database.ts";
import type { Edge } from "../edge/edge.ts";
import type { Route } from "../edge/route.ts";
import { hostCommand, readScript } from "../host/command.ts";
import type { Host } from "../host/host.ts";
import { hostPaths } from "../host/paths.ts";
import { dockerLabels } from "../labels.ts";
import { swarmSecret } from "../secrets/swarm-secret.ts";
import type { ReleaseContainer } from "./container.ts";
import { jobCommand } from "./job.ts";
import { type Release, recorded } from "./record.ts";
import { slot } from "./slot.ts";

export interface WebServiceArgs {
  readonly host: Host;
  readonly edge: Edge;
  readonly system: string;
  readonly environmentName: string;
  readonly image: ResolvedImage;
  /** The image's own entry point and command. */
  readonly command: readonly string[];
  /** Networks beside the edge's. */
  readonly networks: readonly Network[];
  readonly environment: Readonly<Record<string, Input<string>>>;
  readonly secrets: Readonly<Record<string, Output<string>>>;
  /** How the image takes its secrets: as files that it reads itself, or as variables through the shim. */
  readonly secretsAs: "files" | "variables";
  readonly replicas: number;
  readonly memoryMebibytes: number;
  readonly routes: readonly Route[];
  /** Docker's own check, with a tool that the image has. */
  readonly healthcheck: readonly string[];
  readonly probe: ProbeArgs;
  /** Written before the migrations, whenever the image changes. */
  readonly snapshot?: { readonly database: Database; readonly keep: number };
  /** Run once in the new image before the new slot starts, whenever the image changes. */
  readonly migration?: {
    readonly command: readonly string[];
    readonly secrets: Readonly<Record<string, Output<string>>>;
    readonly deadlineSeconds: number;
  };
  /** How long the slot that served before stays, so that going back is a switch alone; 0: it goes with the release. */
  readonly keepPreviousMinutes: number;
  readonly dependsOn?: readonly Resource[];
}

export interface ProbeArgs {
  readonly port: number;
  readonly path: string;
  /** Fields of the answer's JSON that must have exactly these values. */
  readonly expect: Readonly<Record<string, string>>;
  /** A new slot may take this long before attempts count. */
  readonly graceSeconds: number;
  readonly attempts: number;
  readonly intervalSeconds: number;
}

/**
 * A service with routes, released without a gap:
 *
 *     Snapshot ─► Migration ─► Slot (new) ─► Probe ─► Switch     … and only then: old slot deleted
 *
 * Snapshot and migration follow the image; slot, probe and switch follow everything that the task is made of. A failure
 * anywhere leaves the old slot serving, and the next `up` goes on from what is there.
 */
export class WebService extends ComponentResource {
  /** Name of the slot that serves, known when the probe has passed. */
  readonly slot: Output<string>;
  readonly version: string;

  constructor(name: string, args: WebServiceArgs, opts?: ComponentResourceOptions) {
    super("berth:release:WebService", name, {}, opts);
    const child = { parent: this };
    this.version = args.image.version;

    const container = this.container(name, args);
    const release: Release = {
      system: args.system,
      service: name,
      environment: args.environmentName,
      image: args.image,
      keepPreviousMinutes: args.keepPreviousMinutes,
    };
    const before: Resource[] = [...(args.dependsOn ?? []), args.edge.ready];
    if (args.snapshot !== undefined) {
      const { database, keep } = args.snapshot;
      before.push(
        hostCommand(
          `${name}-snapshot`,
          recorded(release, "snapshot", "", {
            connection: args.host.connection,
            script: readScript(import.meta.url, "./scripts/snapshot.sh"),
            parameters: {
              SYSTEM: args.system,
              ENVIRONMENT: args.environmentName,
              DATABASE: database.name,
              POSTGRES_SERVICE: `${args.system}_postgres`,
              DIRECTORY: hostPaths.backups(args.system),
              KEEP: keep,
              IMAGE: container.image,
            },
            deadlineSeconds: 1800,
            dependsOn: [...before],
          }),
          child,
        ),
      );
    }
    if (args.migration !== undefined)
      before.push(this.migration(name, args, release, container, [...before]));

    const service = slot(
      name,
      {
        host: args.host,
        system: args.system,
        container,
        command: args.command,
        replicas: args.replicas,
        healthcheck: args.healthcheck,
        retained: args.keepPreviousMinutes > 0,
        dependsOn: before,
      },
      child,
    );
    const probe = hostCommand(
      `${name}-probe`,
      recorded(release, "probe", service.name, {
        connection: args.host.connection,
        script: readScript(import.meta.url, "./scripts/probe.sh"),
        parameters: {
          SLOT: service.name,
          REPLICAS: args.replicas,
          PORT: args.probe.port,
          HEALTH_PATH: args.probe.path,
          EXPECT: JSON.stringify(args.probe.expect),
          GRACE_SECONDS: args.probe.graceSeconds,
          ATTEMPTS: args.probe.attempts,
          INTERVAL_SECONDS: args.probe.intervalSeconds,
        },
        deadlineSeconds: args.probe.graceSeconds + args.probe.attempts * args.probe.intervalSeconds + 60,
        dependsOn: [service],
      }),
      child,
    );
    const switched = args.edge.switchTo(
      `${name}-switch`,
      {
        service: name,
        slot: service.name,
        routes: args.routes,
        recorded: (command) => recorded(release, "switch", service.name, command),
        dependsOn: [probe],
      },
      child,
    );
    this.slot = all([service.name, switched.id]).apply(([slotName]) => slotName);
    this.registerOutputs();
  }

  private container(name: string, args: WebServiceArgs): ReleaseContainer {
    const child = { parent: this };
    const shim =
      args.secretsAs === "variables"
        ? new ServiceConfig(
            `${name}-with-secrets`,
            {
              data: Buffer.from(readScript(import.meta.url, "./scripts/with-secrets.sh")).toString("base64"),
              labels: dockerLabels(`${name}-with-secrets`, args.system),
            },
            mergeOptions(child, {
              provider: args.host.docker,
              retainOnDelete: args.keepPreviousMinutes > 0,
            }),
          )
        : undefined;
    return {
      image: args.image.reference,
      environment: args.environment,
      // A slot that stays needs its own secrets and its own shim.
      secrets: this.mount(name, args, args.secrets, args.keepPreviousMinutes > 0),
      shim,
      networkIds: [args.edge.network.id, ...args.networks.map((network) => network.id)],
      memoryMebibytes: args.memoryMebibytes,
    };
  }

  private mount(
    name: string,
    args: WebServiceArgs,
    secrets: Readonly<Record<string, Output<string>>>,
    retained = false,
  ) {
    return Object.entries(secrets).map(([key, value]) => ({
      name: key,
      secret: swarmSecret(
        `${name}-${key.toLowerCase().replaceAll("_", "-")}`,
        { host: args.host, system: args.system, value },
        { parent: this, retainOnDelete: retained },
      ),
    }));
  }

  private migration(
    name: string,
    args: WebServiceArgs,
    release: Release,
    container: ReleaseContainer,
    dependsOn: Resource[],
  ): local.Command {
    const { command, secrets, deadlineSeconds } = args.migration ?? {
      command: [],
      secrets: {},
      deadlineSeconds: 0,
    };
    return jobCommand(
      `${name}-migration`,
      {
        host: args.host,
        system: args.system,
        service: name,
        container,
        command,
        secrets: this.mount(`${name}-migration`, args, secrets),
        networks: args.networks.map((network) => network.name),
        script: readScript(import.meta.url, "./scripts/migrate.sh"),
        deadlineSeconds,
        recorded: (command) => recorded(release, "migration", "", command),
        dependsOn,
      },
      { parent: this },
    );
  }
}
