import type { local } from "@pulumi/command";
import { type CustomResourceOptions, getStack, type Resource } from "@pulumi/pulumi";
import type { Database } from "../data/database.ts";
import { hostCommand, type Recorded, readScript } from "../host/command.ts";
import type { Host } from "../host/host.ts";
import { diskFloorMebibytes, hostPaths } from "../host/paths.ts";
import type { ResolvedImage } from "../image.ts";

/** A system's database and its snapshots, as every script about them is told; see scripts/database.sh. */
export interface DatabaseScope {
  readonly host: Host;
  readonly system: string;
  readonly environmentName: string;
  readonly database: Database;
  /** How many snapshots are kept. */
  readonly keep: number;
}

export interface SnapshotArgs {
  readonly scope: DatabaseScope;
  /** Written whenever it changes. */
  readonly image: ResolvedImage;
  /** No snapshot for this version, because its migrations are skipped. */
  readonly skip: boolean;
  readonly recorded: Recorded;
  readonly dependsOn: Resource[];
}

/** Writes a snapshot of the database before a release changes it, and keeps the last ones. */
export function snapshot(name: string, args: SnapshotArgs, opts: CustomResourceOptions): local.Command {
  return hostCommand(
    name,
    args.recorded({
      connection: args.scope.host.connection,
      script: databaseScript("snapshot"),
      parameters: {
        ...databaseParameters(args.scope),
        IMAGE: args.image.reference,
        SKIP: args.skip ? "yes" : "no",
      },
      deadlineSeconds: 1800,
      dependsOn: args.dependsOn,
    }),
    opts,
  );
}

/** What scripts/database.sh asks for; all but the stack is empty without a database. */
export function databaseParameters(scope: DatabaseScope | undefined): Record<string, string | number> {
  return {
    STACK: getStack(),
    SYSTEM: scope?.system ?? "",
    ENVIRONMENT_NAME: scope?.environmentName ?? "",
    DATABASE: scope?.database.name ?? "",
    POSTGRES_SERVICE: scope?.database.postgres.name ?? "",
    DIRECTORY: scope === undefined ? "" : hostPaths.backups(scope.system),
    KEEP: scope?.keep ?? "",
    FLOOR_MEBIBYTES: scope === undefined ? "" : diskFloorMebibytes,
  };
}

/** A script with what stands in front of it. */
export function databaseScript(name: "snapshot" | "migrate" | "probe"): string {
  const before = name === "snapshot" ? ["database"] : ["database", "migration-steps", "golang-migrate"];
  return [...before, name].map((file) => readScript(import.meta.url, `./scripts/${file}.sh`)).join("\n");
}
