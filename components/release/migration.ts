import type { local } from "@pulumi/command";
import type { Network, ServiceConfig } from "@pulumi/docker";
import { all, type CustomResourceOptions, type Input, log, output, type Resource } from "@pulumi/pulumi";
import { type ClientTls, urlQuery } from "../data/client-tls.ts";
import type { ConnectionNames } from "../declaration.ts";
import { hostCommand, type Recorded } from "../host/command.ts";
import type { Host } from "../host/host.ts";
import { imagePull } from "../host/image-pull.ts";
import { hostPaths } from "../host/paths.ts";
import type { ResolvedImage } from "../image.ts";
import { containerCommand, type MountedSecret } from "./container.ts";
import { imageCheck, migrationNeeds } from "./image-contract.ts";
import { type JobLimits, job, jobScript } from "./job.ts";
import { type MigrationStep, writtenFolder } from "./migration-steps.ts";
import { type DatabaseScope, databaseParameters, databaseScript } from "./snapshot.ts";

export interface MigrationArgs {
  readonly scope: DatabaseScope;
  /** The service that is released; the jobs are named after it. */
  readonly service: string;
  readonly image: ResolvedImage;
  readonly steps: readonly MigrationStep[];
  /** Key of their settings: `togather:migrations`. */
  readonly key: string;
  /** Turns secret files into variables, in the steps' images too. */
  readonly shim: ServiceConfig;
  /** PGPASSWORD of the database's role, and what its connection trusts. */
  readonly secrets: readonly MountedSecret[];
  /** The service's own, for the steps that name them. */
  readonly serviceSecrets: readonly MountedSecret[];
  /** The service's own, for the steps that take them. */
  readonly serviceEnvironment: Readonly<Record<string, Input<string>>>;
  /** How the service is told of the database in parts; its steps are told likewise, of the copy in a rehearsal. */
  readonly connection: ConnectionNames;
  readonly databaseTls: ClientTls;
  readonly networks: readonly Network[];
  /** What one run of a step may take. */
  readonly deadlineSeconds: number;
  /** What a statement waits for a lock at most. */
  readonly lockTimeoutSeconds: number;
  readonly limits: JobLimits;
  /** This version's migrations are not run: the schema stays as it is, older or newer. */
  readonly skip: boolean;
  /** On a copy first; false is said with a warning. */
  readonly rehearse: boolean;
  readonly recorded: Recorded;
  readonly dependsOn: Resource[];
}

/**
 * Brings the database to what the release expects, step by step: rehearsed on a copy that is restored from the snapshot, then run
 * once on the database itself, each step as a job of the Swarm. Nothing runs when nothing is new; a schema that is newer than
 * golang-migrate's files is refused. `npm run ops` runs other scripts with the same parameters.
 * @throws when a step names a secret that the service does not have
 */
export function migration(name: string, args: MigrationArgs, opts: CustomResourceOptions): local.Command {
  const { scope, steps, deadlineSeconds } = args;
  if (!args.rehearse && !args.skip) {
    const key = `${args.key}.skipRehearsalFor`;
    log.warn(
      `${args.service}: the migrations of ${args.image.version} run without a rehearsal (${key}); what they do wrong, a restore of the snapshot takes back. Remove it after this release: npx pulumi config rm --path ${key}`,
    );
  }
  // Of each step at most: its run twice, and three looks at its version and whether it is up to date.
  const jobs = steps.reduce(
    (sum, each) => sum + (each.kind === "command" && (each.upToDate ?? each.version) ? 5 : 2),
    0,
  );
  return hostCommand(
    name,
    args.recorded({
      connection: scope.host.connection,
      script: jobScript + databaseScript("migrate"),
      parameters: {
        ...databaseParameters(scope),
        MIGRATIONS: args.key,
        SERVICE: args.service,
        VERSION: args.image.version,
        STEPS: all(steps.map((each) => stepFor(name, args, each))).apply((all) => JSON.stringify(all)),
        SKIP: args.skip ? "yes" : "no",
        REHEARSE: args.rehearse ? "yes" : "no",
        WAIT_SECONDS: deadlineSeconds,
        LOCK_TIMEOUT_SECONDS: args.lockTimeoutSeconds,
      },
      // The lock, the snapshot and its restore, the jobs, the pulls.
      deadlineSeconds: (1 + jobs) * deadlineSeconds + 2100,
      dependsOn: args.dependsOn,
    }),
    opts,
  );
}

/** The steps' own images, checked against what their steps ask of them, one after the other: the record of a deployment knows one at a time. */
export function migrationPulls(
  name: string,
  args: {
    readonly host: Host;
    readonly service: string;
    readonly steps: readonly MigrationStep[];
    readonly recorded: Recorded;
    readonly dependsOn: Resource;
  },
  opts: CustomResourceOptions,
): Resource[] {
  const { host, steps, recorded } = args;
  const own = new Map(steps.flatMap(({ image }) => (image === undefined ? [] : [[image.reference, image]])));
  let last = args.dependsOn;
  return [...own.values()].map((image, number) => {
    const needs = migrationNeeds(steps.filter((step) => step.image?.reference === image.reference));
    const check = imageCheck(`the image of ${args.service}'s migrations`, image, needs);
    const numbered = number === 0 ? name : `${name}-${number + 1}`;
    last = imagePull(numbered, { host, image, check, recorded, dependsOn: [last] }, opts);
    return last;
  });
}

/** What the probe needs to know of the steps, see scripts/migration-steps.sh. */
export function stepsForProbe(steps: readonly MigrationStep[], image: ResolvedImage): string {
  return JSON.stringify(
    steps.map((each) => ({ ...known(each), job: { image: (each.image ?? image).reference } })),
  );
}

function known(step: MigrationStep) {
  if (step.kind === "golang-migrate") return { kind: step.kind, name: "schema", folder: step.folder };
  const query = step.version !== undefined && "query" in step.version ? { query: step.version.query } : {};
  return { kind: step.kind, name: step.name, ...query };
}

function stepFor(name: string, args: MigrationArgs, step: MigrationStep) {
  const { database } = args.scope;
  const parts = step.kind === "command" ? Object.entries(args.connection) : [];
  const passwords = parts.flatMap(([variable, part]) => (part === "password" ? [variable] : []));
  const own = step.kind === "command" ? [...new Set([...passwords, ...step.secrets])] : [];
  const secrets = own.map((wanted) => {
    const found = args.serviceSecrets.find((secret) => secret.name === wanted);
    if (found !== undefined) return found;
    const names = args.serviceSecrets.map((secret) => secret.name).join(", ");
    throw new Error(
      `${args.service}: a step of its migrations names the secret "${wanted}"; use one of: ${names || "none"}`,
    );
  });
  const environment: Record<string, Input<string>> = step.kind === "command"
    ? {
        ...(step.serviceVariables ? args.serviceEnvironment : {}),
        ...database.connection(args.connection, args.databaseTls).variables,
        ...Object.fromEntries(
          parts.filter(([, part]) => part === "name").map(([name]) => [name, "@DATABASE@"]),
        ),
        ...step.environment,
        ...database.variables("@DATABASE@", args.databaseTls),
      }
    : {};
  return output({
    ...known(step),
    commands: commandsOf(step, args),
    ...(step.kind === "command" && step.writes.length > 0
      ? { writes: { files: step.writes, from: writtenFolder, to: hostPaths.written(args.service) } }
      : {}),
    job: job({
      name,
      system: args.scope.system,
      image: (step.image ?? args.image).reference,
      environment,
      secrets: [...args.secrets, ...secrets],
      shim: takesFiles(step) ? undefined : args.shim,
      networks: args.networks.map((network) => network.name),
      limits: args.limits,
    }),
  });
}

/** It has no shell, so nothing stands in front of its commands. */
function takesFiles(step: MigrationStep): boolean {
  return step.kind === "command" && !step.shell;
}

function commandsOf(
  step: MigrationStep,
  { scope, shim, databaseTls }: MigrationArgs,
): Record<string, readonly string[]> {
  if (step.kind === "golang-migrate") {
    // The password comes by PGPASSWORD, so that the URL may stand in the argument list.
    const url = scope.database.urlWithoutPassword("@DATABASE@");
    return { migrate: containerCommand({ shim }, [...step.command, "-path", step.folder, "-database", url]) };
  }
  const run = (command: readonly string[]) =>
    takesFiles(step)
      ? command
      : containerCommand({ shim }, ["/bin/sh", "-c", withUrl(databaseTls), "sh", ...command]);
  const version = step.version !== undefined && "command" in step.version ? step.version.command : undefined;
  return {
    up: run(step.command),
    ...(step.upToDate === undefined ? {} : { upToDate: run(step.upToDate) }),
    ...(version === undefined ? {} : { version: run(version) }),
  };
}

/** Put together in the container: the password, which needs no escape in a URL, is in no specification and no argument list. */
function withUrl(tls: ClientTls): string {
  const query = tls.urlParameters ? urlQuery(tls) : "sslmode=$PGSSLMODE&sslrootcert=$PGSSLROOTCERT";
  return `export DATABASE_URL="postgresql://$PGUSER:$PGPASSWORD@$PGHOST:$PGPORT/$PGDATABASE?${query}"; exec "$@"`;
}
