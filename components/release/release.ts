import type { local } from "@pulumi/command";
import { type Network, type Service, ServiceConfig } from "@pulumi/docker";
import {
  type ComponentResource,
  type Input,
  mergeOptions,
  type Output,
  output,
  type Resource,
} from "@pulumi/pulumi";
import type { ClientConnection } from "../data/client-connection.ts";
import { authority } from "../data/client-tls.ts";
import { Database } from "../data/database.ts";
import type { ExternalDatabase } from "../data/external-database.ts";
import { dataDirectory } from "../data/stateful.ts";
import type { ServiceContext } from "../declaration.ts";
import type { Edge } from "../edge/edge.ts";
import { dockerCheck, type Health } from "../health.ts";
import { type Recorded, readScript } from "../host/command.ts";
import { imagePull } from "../host/image-pull.ts";
import { hostPaths } from "../host/paths.ts";
import { dockerLabels } from "../labels.ts";
import { swarmSecret } from "../secrets/swarm-secret.ts";
import type { ReleaseContainer } from "./container.ts";
import { announcedGap } from "./gap.ts";
import { imageCheck, imageNeeds } from "./image-contract.ts";
import { keptFolder } from "./kept-folder.ts";
import { migration, migrationPulls, stepsForProbe } from "./migration.ts";
import { type MigrationSettings, migrationSteps } from "./migration-steps.ts";
import { type ProbePatience, patienceSeconds, probe } from "./probe.ts";
import { type RecordedRelease, type ReleaseStep, recorded } from "./record.ts";
import type { ReleaseSettings } from "./settings.ts";
import { slot } from "./slot.ts";
import { snapshot } from "./snapshot.ts";

/** What a stack file says of any service that is released. */
export interface ReleaseArgs {
  /** The image's own entry point and command. */
  readonly command: readonly string[];
  readonly networks: readonly Network[];
  /** Plain variables beside those of its declaration and its settings, in clear in the service's specification. */
  readonly environment?: Readonly<Record<string, Input<string>>>;
  /** Secrets beside those of its declaration. None is a plain variable too. */
  readonly secrets?: Readonly<Record<string, Output<string>>>;
  /**
   * How the image takes its secrets: as files `/run/secrets/<NAME>` that it reads itself, as files that variables `<NAME>_FILE` name, or as
   * variables through the shim. A name may be a file's, as `zitadel.yaml`.
   */
  readonly secretsAs: "files" | "fileVariables" | "variables";
  /**
   * It calls services of the stack by their public names, and this variable names the file of the authorities that it trusts beside
   * those of its image, `NODE_EXTRA_CA_CERTS`: where an authority of `berth:tls.issuerPem` issues the edge's certificates.
   */
  readonly trustsEdgeBy?: string;
  /** Which it connects to, by the variables of its declaration, and cannot do without. */
  readonly database?: Database | ExternalDatabase;
  /** What a release does to that database before the new slot starts, whenever the image changes. */
  readonly schema?: {
    readonly migrations: MigrationSettings;
    /** For the steps that name them, and for nothing else. */
    readonly secrets?: Readonly<Record<string, Output<string>>>;
    readonly snapshots: { readonly keep: number };
  };
  /** How long a new slot may take to become healthy. */
  readonly probe: ProbePatience;
  /**
   * `stop-first` for what may not run twice: the old slot stops, the new one starts and is probed, and the old one runs again when that
   * fails. Nothing of the service runs meanwhile, which a preview says. `start-first` when left out.
   */
  readonly order?: "start-first" | "stop-first";
  /**
   * Folder in its container that stays from one slot to the next, `/mnt/data/<system>/<service>` on the host, of this user. Not backed up:
   * what it can make again, as a cache. For `stop-first` alone, since two slots would write there at once.
   */
  readonly keeps?: { readonly path: string; readonly uid: number };
  readonly dependsOn?: readonly Resource[];
}

interface ReleaseParts extends ReleaseArgs {
  readonly health: Health;
  /** Requests come to it from the edge. */
  readonly hasRoutes: boolean;
  /** Ready before anything is done; those that another service's release has prepared stand for all of it. */
  readonly after: readonly Resource[];
  /** Another service's release has pulled the image and brought the schema along. */
  readonly prepared: boolean;
}

/** A release up to its probe. */
export interface Release {
  readonly slot: Service;
  readonly probed: local.Command;
  readonly container: ReleaseContainer;
  /** A command as a further step of it. */
  record(step: ReleaseStep): Recorded;
}

/**
 * What every release is made of, as children of the component that it belongs to:
 *
 *     Pull ─► Snapshot ─► Migration ─► Slot (new) ─► Probe
 *
 * The pull checks the image against what the service asks of it. Pull, snapshot and migration follow the image; slot and probe
 * follow everything that the task is made of. A failure anywhere leaves the old slot as it is, and the next `up` goes on from what
 * is there.
 */
export function release(
  parent: ComponentResource,
  service: ServiceContext<ReleaseSettings>,
  parts: ReleaseParts,
): Release {
  const { name, host, system, image, settings } = service;
  const { database, schema, health, order = "start-first", keeps } = parts;
  const child = { parent };
  const connection = database?.connection(service.connection, service.databaseTls);
  const trusted = edgeAuthority(parts.trustsEdgeBy, service.edge, connection);
  const environment = {
    ...settings.environment,
    ...service.variables,
    ...connection?.variables,
    ...trusted?.variables,
    ...parts.environment,
  };
  const secrets = { ...connection?.secrets, ...trusted?.secrets, ...service.secrets, ...parts.secrets };
  const fileVariables =
    parts.secretsAs === "fileVariables"
      ? Object.fromEntries(Object.keys(secrets).map((key) => [`${key}_FILE`, `/run/secrets/${key}`]))
      : {};
  const both = Object.keys(secrets).filter((key) => key in environment);
  if (both.length > 0) throw new Error(`${name}: ${both.join(", ")}: a secret and a plain variable`);
  if (schema !== undefined && !(database instanceof Database))
    throw new Error(`${name}: has migrations and no database that Berth runs`);
  if (keeps !== undefined && order !== "stop-first")
    throw new Error(`${name}: keeps a folder and may run twice; use the order stop-first`);

  const mount = (prefix: string, values: Readonly<Record<string, Output<string>>>, retained = false) =>
    Object.entries(values).map(([key, value]) => ({
      name: key,
      secret: swarmSecret(
        `${prefix}-${key.toLowerCase().replaceAll("_", "-")}`,
        { host, system, value },
        { ...child, retainOnDelete: retained },
      ),
    }));
  const retained = settings.keepPreviousMinutes > 0;
  // The migrations take their password by a variable, whatever the service does.
  const shim =
    parts.secretsAs === "variables" || schema !== undefined
      ? new ServiceConfig(
          `${name}-with-secrets`,
          {
            data: Buffer.from(readScript(import.meta.url, "./scripts/with-secrets.sh")).toString("base64"),
            labels: dockerLabels(`${name}-with-secrets`, system),
          },
          { ...child, provider: host.docker, retainOnDelete: retained },
        )
      : undefined;
  const container: ReleaseContainer = {
    image: image.reference,
    environment: { ...environment, ...fileVariables },
    // A slot that stays needs its own secrets and its own shim.
    secrets: mount(name, secrets, retained),
    shim: parts.secretsAs === "variables" ? shim : undefined,
    networkIds: parts.networks.map((network) => network.id),
    data: keeps && { source: dataDirectory(system, name), target: keeps.path },
    memoryMebibytes: settings.memoryMebibytes,
    cpus: settings.cpus,
  };
  const about: RecordedRelease = {
    system,
    service: name,
    environment: service.environmentName,
    image,
    keepPreviousMinutes: settings.keepPreviousMinutes,
    releaseAgain: settings.releaseAgain === image.version,
    ...(parts.hasRoutes && order === "start-first" ? {} : { starts: { order, tasks: settings.replicas } }),
  };
  const record =
    (step: ReleaseStep, slotName: Input<string>): Recorded =>
    (command) =>
      recorded(about, step, slotName, command);
  const before: Resource[] = [...(parts.dependsOn ?? []), ...(database?.ready ?? []), ...parts.after];
  if (keeps !== undefined)
    before.push(keptFolder(`${name}-folders`, { host, system, service: name, keeps }, child));
  const steps = schema && migrationSteps(schema.migrations, service.imageOf);
  const skip = schema?.migrations.skipFor === image.version;
  const scope = schema &&
    database instanceof Database && {
      ...{ host, system, environmentName: service.environmentName },
      ...{ database, keep: schema.snapshots.keep },
    };
  if (!parts.prepared) {
    const needs = imageNeeds({ ...parts, healthcheck: dockerCheck(health), steps });
    const check = imageCheck(name, image, needs);
    const pulled = imagePull(`${name}-pull`, { host, image, check, recorded: record("pull", "") }, child);
    before.push(pulled);
    if (schema && steps && scope && shim) {
      const pulls = { host, service: name, steps, recorded: record("pull", ""), dependsOn: pulled };
      before.push(...migrationPulls(`${name}-migration-pull`, pulls, child));
      const written = { scope, image, skip, recorded: record("snapshot", ""), dependsOn: [...before] };
      before.push(snapshot(`${name}-snapshot`, written, child));
      // What a step has written for another service it does not write again.
      const kept = steps.some((step) => step.kind === "command" && step.writes.length > 0)
        ? ({ kind: "folder", of: system, path: hostPaths.written(name) } as const)
        : undefined;
      if (kept !== undefined) before.push(...host.restored(`${name}-written-restore`, kept, [pulled], child));
      const migrated = migration(
        `${name}-migration`,
        {
          ...{ scope, service: name, image, steps, shim, skip, key: schema.migrations.key },
          secrets: mount(`${name}-migration`, {
            PGPASSWORD: scope.database.password,
            ...scope.database.authority,
          }),
          serviceSecrets: [...container.secrets, ...mount(`${name}-migration`, schema.secrets ?? {})],
          serviceEnvironment: container.environment,
          ...{ connection: service.connection, databaseTls: service.databaseTls },
          networks: parts.networks.filter((network) => network !== service.edge.network),
          deadlineSeconds: schema.migrations.deadlineSeconds,
          lockTimeoutSeconds: schema.migrations.lockTimeoutSeconds,
          limits: schema.migrations,
          rehearse: schema.migrations.skipRehearsalFor !== image.version,
          recorded: record("migration", ""),
          dependsOn: [...before],
        },
        child,
      );
      before.push(migrated);
      if (kept !== undefined) host.stored.push({ ...kept, after: [migrated] });
    }
  }
  const made = slot(
    name,
    {
      ...{ host, system, container, command: parts.command },
      replicas: settings.replicas,
      order,
      restartedAt: settings.restartedAt,
      healthcheck: { ...settings.healthCheck, test: dockerCheck(health) },
      patienceSeconds: patienceSeconds(parts.probe),
      retained,
      dependsOn: before,
    },
    child,
  );
  const probed = probe(
    `${name}-probe`,
    {
      ...parts.probe,
      ...{ health, host, slot: made, replicas: settings.replicas, onEdge: parts.hasRoutes },
      recorded: record("probe", made.name),
      ...(scope && steps && { schema: { scope, steps: stepsForProbe(steps, image), mayBeNewer: skip } }),
    },
    order === "start-first" ? child : mergeOptions(child, { hooks: announcedGap(name, parts.probe) }),
  );
  return { slot: made, probed, container, record: (step) => record(step, made.name) };
}

/** What a service trusts that calls others of the stack by their public names: the database's authority too, since it is one file. */
function edgeAuthority(
  variable: string | undefined,
  { issuerPem }: Edge,
  connection: ClientConnection | undefined,
): ClientConnection | undefined {
  if (variable === undefined || issuerPem === undefined) return undefined;
  const ofDatabase = connection?.secrets[authority] ?? output("");
  return {
    variables: { [variable]: "/run/secrets/AUTHORITIES" },
    secrets: { AUTHORITIES: ofDatabase.apply((pem) => `${pem}${issuerPem}`) },
  };
}
