import { type Network, ServiceConfig } from "@pulumi/docker";
import {
  all,
  ComponentResource,
  type ComponentResourceOptions,
  type Input,
  type Output,
  type Resource,
} from "@pulumi/pulumi";
import type { Database } from "../data/database.ts";
import type { Edge } from "../edge/edge.ts";
import type { Route } from "../edge/route.ts";
import { dockerCheck, type Health } from "../health.ts";
import { type Recorded, readScript } from "../host/command.ts";
import type { Host } from "../host/host.ts";
import { imagePull } from "../host/image-pull.ts";
import type { ResolvedImage } from "../image.ts";
import { dockerLabels } from "../labels.ts";
import { swarmSecret } from "../secrets/swarm-secret.ts";
import type { ReleaseContainer } from "./container.ts";
import { imageCheck, imageNeeds } from "./image-contract.ts";
import { type IntegrationTests, integrationTests } from "./integration-tests.ts";
import type { JobLimits } from "./job.ts";
import { migration, migrationPulls, stepsForProbe } from "./migration.ts";
import type { MigrationStep } from "./migration-steps.ts";
import { type ProbePatience, patienceSeconds, probe } from "./probe.ts";
import { type Release, type ReleaseStep, recorded } from "./record.ts";
import { slot } from "./slot.ts";
import { snapshot } from "./snapshot.ts";

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
  /** Plain variables, in clear in the service's specification. */
  readonly environment: Readonly<Record<string, Input<string>>>;
  /** None of them is a plain variable too. */
  readonly secrets: Readonly<Record<string, Output<string>>>;
  /** How the image takes its secrets: as files that it reads itself, or as variables through the shim. */
  readonly secretsAs: "files" | "variables";
  readonly replicas: number;
  readonly memoryMebibytes: number;
  /** Another one is a new slot, although nothing else has changed. */
  readonly restartedAt: string | undefined;
  readonly routes: readonly Route[];
  readonly health: Health;
  /** How long a new slot may take to become healthy. */
  readonly probe: ProbePatience;
  /** What a release does to the database before the new slot starts, whenever the image changes. */
  readonly schema?: {
    readonly database: Database;
    /** Snapshots that are kept. */
    readonly keepSnapshots: number;
    /** Run in this order. */
    readonly steps: readonly MigrationStep[];
    /** What one run of a step may take. */
    readonly deadlineSeconds: number;
    readonly limits: JobLimits;
    /** Each step is run on a copy first. */
    readonly rehearse: boolean;
    /** No snapshot and no migrations for this version; the schema may be newer than it. */
    readonly skip: boolean;
  };
  /**
   * How long the slot that served before stays, without tasks, so that going back is a start and a switch; 0: it goes with the
   * release.
   */
  readonly keepPreviousMinutes: number;
  /** This version may be released although somebody went back from it with `ops back`. */
  readonly releaseAgain: boolean;
  /** Run after the switch, whenever the slot changes. */
  readonly integrationTests?: IntegrationTests;
  readonly dependsOn?: readonly Resource[];
}

/**
 * A service with routes, released without a gap:
 *
 *     Pull ─► Snapshot ─► Migration ─► Slot (new) ─► Probe ─► Switch [─► Integration tests]    … and only then: old slot deleted
 *
 * The pull checks the image against what the service asks of it. Pull, snapshot and migration follow the image; slot, probe and
 * switch follow everything that the task is made of. A failure anywhere leaves the old slot serving, and the next `up` goes on from
 * what is there.
 */
export class WebService extends ComponentResource {
  /** Name of the slot that serves, known when the probe has passed. */
  readonly slot: Output<string>;
  readonly version: string;

  constructor(name: string, args: WebServiceArgs, opts?: ComponentResourceOptions) {
    super("berth:release:WebService", name, {}, opts);
    const child = { parent: this };
    this.version = args.image.version;
    const both = Object.keys(args.secrets).filter((key) => key in args.environment);
    if (both.length > 0) throw new Error(`${name}: ${both.join(", ")}: a secret and a plain variable`);

    // The migrations take their password by a variable, whatever the service does.
    const shim = args.secretsAs === "variables" || args.schema ? this.shim(name, args) : undefined;
    const container = this.container(name, args, args.secretsAs === "variables" ? shim : undefined);
    const release: Release = {
      system: args.system,
      service: name,
      environment: args.environmentName,
      image: args.image,
      keepPreviousMinutes: args.keepPreviousMinutes,
      releaseAgain: args.releaseAgain,
    };
    const record =
      (step: ReleaseStep, slotName: Input<string>): Recorded =>
      (command) =>
        recorded(release, step, slotName, command);
    const pulled = imagePull(
      `${name}-pull`,
      {
        host: args.host,
        image: args.image,
        check: imageCheck(
          name,
          args.image,
          imageNeeds({
            ...args,
            healthcheck: dockerCheck(args.health),
            steps: args.schema?.steps,
          }),
        ),
        recorded: record("pull", ""),
      },
      child,
    );
    const before: Resource[] = [...(args.dependsOn ?? []), args.edge.ready, pulled];
    const schema = args.schema && {
      ...args.schema,
      scope: {
        host: args.host,
        system: args.system,
        environmentName: args.environmentName,
        database: args.schema.database,
        keep: args.schema.keepSnapshots,
      },
    };
    if (schema !== undefined && shim !== undefined) {
      const { scope, skip, steps } = schema;
      const pulls = {
        host: args.host,
        service: name,
        steps,
        recorded: record("pull", ""),
        dependsOn: pulled,
      };
      before.push(...migrationPulls(`${name}-migration-pull`, pulls, child));
      before.push(
        snapshot(
          `${name}-snapshot`,
          { scope, image: args.image, skip, recorded: record("snapshot", ""), dependsOn: [...before] },
          child,
        ),
      );
      before.push(
        migration(
          `${name}-migration`,
          {
            scope,
            service: name,
            image: args.image,
            steps,
            shim,
            secrets: this.mount(`${name}-migration`, args, {
              PGPASSWORD: schema.database.password,
              ...schema.database.authority,
            }),
            serviceSecrets: container.secrets,
            networks: args.networks,
            deadlineSeconds: schema.deadlineSeconds,
            limits: schema.limits,
            skip,
            rehearse: schema.rehearse,
            recorded: record("migration", ""),
            dependsOn: [...before],
          },
          child,
        ),
      );
    }

    const service = slot(
      name,
      {
        host: args.host,
        system: args.system,
        container,
        command: args.command,
        replicas: args.replicas,
        restartedAt: args.restartedAt,
        healthcheck: dockerCheck(args.health),
        startPeriodSeconds: patienceSeconds(args.probe),
        retained: args.keepPreviousMinutes > 0,
        dependsOn: before,
      },
      child,
    );
    const probed = probe(
      `${name}-probe`,
      {
        ...args.probe,
        health: args.health,
        host: args.host,
        slot: service,
        replicas: args.replicas,
        recorded: record("probe", service.name),
        ...(schema && {
          schema: {
            scope: schema.scope,
            steps: stepsForProbe(schema.steps, args.image),
            mayBeNewer: schema.skip,
          },
        }),
      },
      child,
    );
    const switched = args.edge.switchTo(
      `${name}-switch`,
      {
        service: name,
        slot: service.name,
        routes: args.routes,
        recorded: record("switch", service.name),
        dependsOn: [probed],
      },
      child,
    );
    if (args.integrationTests !== undefined) {
      integrationTests(
        `${name}-integration-tests`,
        {
          ...args.integrationTests,
          host: args.host,
          system: args.system,
          service: name,
          version: args.image.version,
          slot: service.name,
          container,
          networks: [args.edge.network.name, ...args.networks.map((network) => network.name)],
          dependsOn: [switched],
        },
        child,
      );
    }
    this.slot = all([service.name, switched.id]).apply(([slotName]) => slotName);
    this.registerOutputs();
  }

  private shim(name: string, args: WebServiceArgs): ServiceConfig {
    return new ServiceConfig(
      `${name}-with-secrets`,
      {
        data: Buffer.from(readScript(import.meta.url, "./scripts/with-secrets.sh")).toString("base64"),
        labels: dockerLabels(`${name}-with-secrets`, args.system),
      },
      { parent: this, provider: args.host.docker, retainOnDelete: args.keepPreviousMinutes > 0 },
    );
  }

  private container(name: string, args: WebServiceArgs, shim: ServiceConfig | undefined): ReleaseContainer {
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
}
