import type { local } from "@pulumi/command";
import type { Network } from "@pulumi/docker";
import type { CustomResourceOptions, Resource } from "@pulumi/pulumi";
import type { ResolvedImage } from "../../config.ts";
import type { Recorded } from "../host/command.ts";
import type { MountedSecret, ReleaseContainer } from "./container.ts";
import { jobCommand } from "./job.ts";
import { type DatabaseScope, databaseParameters, databaseScript } from "./snapshot.ts";

export interface MigrationArgs {
  readonly scope: DatabaseScope;
  /** The service that is released; the jobs are named after it. */
  readonly service: string;
  readonly image: ResolvedImage;
  readonly container: ReleaseContainer;
  /** Folder of golang-migrate's files in the image. */
  readonly folder: string;
  /** PGPASSWORD of the database's role, and what its connection trusts. */
  readonly secrets: readonly MountedSecret[];
  readonly networks: readonly Network[];
  /** What one run of the migrations may take. */
  readonly deadlineSeconds: number;
  /** This version's migrations are not run: the schema stays as it is, older or newer. */
  readonly skip: boolean;
  readonly recorded: Recorded;
  readonly dependsOn: Resource[];
}

/**
 * Brings the schema to what the image ships: rehearsed on a copy that is restored from the snapshot, then run once on the
 * database itself, each as a job in the new image. Nothing runs when nothing is new; a schema that is newer than the image is
 * refused. `npm run ops` runs other scripts with the same parameters.
 */
export function migration(name: string, args: MigrationArgs, opts: CustomResourceOptions): local.Command {
  const { scope, container } = args;
  // The password comes by PGPASSWORD, so that the URL may stand in the argument list; the script fills in which database.
  const url = scope.database.urlWithoutPassword("@DATABASE@");
  return jobCommand(
    name,
    {
      host: scope.host,
      system: scope.system,
      service: args.service,
      container,
      command: ["migrate", "-path", args.folder, "-database", url],
      secrets: args.secrets,
      networks: args.networks.map((network) => network.name),
      script: databaseScript("migrate"),
      parameters: {
        ...databaseParameters(scope),
        VERSION: args.image.version,
        FOLDER: args.folder,
        SKIP: args.skip ? "yes" : "no",
        WAIT_SECONDS: args.deadlineSeconds,
      },
      // The lock, the snapshot and its restore, the rehearsal, the run.
      deadlineSeconds: 3 * args.deadlineSeconds + 2100,
      recorded: args.recorded,
      dependsOn: args.dependsOn,
    },
    opts,
  );
}
