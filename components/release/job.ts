import type { local } from "@pulumi/command";
import { all, type CustomResourceOptions, type Input, type Resource } from "@pulumi/pulumi";
import { hostCommand, type Recorded, readScript } from "../host/command.ts";
import type { Host } from "../host/host.ts";
import { labels } from "../labels.ts";
import { containerCommand, type MountedSecret, type ReleaseContainer, shimPath } from "./container.ts";

export interface JobArgs {
  readonly host: Host;
  readonly system: string;
  /** `togather_app`: the job is `togather_app_<kind>` on the host. */
  readonly service: string;
  readonly container: ReleaseContainer;
  readonly command: readonly string[];
  readonly environment?: Readonly<Record<string, Input<string>>>;
  readonly secrets: readonly MountedSecret[];
  /** Names of networks. */
  readonly networks: readonly Input<string>[];
  /** The script's body, which calls `run_job`; see scripts/job.sh. */
  readonly script: string;
  /** More parameters of the script. */
  readonly parameters?: Readonly<Record<string, Input<string | number>>>;
  readonly recorded?: Recorded;
  /** The command may take so long. */
  readonly deadlineSeconds: number;
  readonly dependsOn: Input<Resource>[];
}

/** A host command that runs a command once in a release's image, as a job of the Swarm: migrations, integration tests. */
export function jobCommand(name: string, args: JobArgs, opts: CustomResourceOptions): local.Command {
  const lines = (values: readonly Input<string>[]) => all([...values]).apply((all) => all.join("\n"));
  const pairs = (values: Readonly<Record<string, Input<string>>>) =>
    all(values).apply((all) =>
      Object.entries(all)
        .map(([key, value]) => `${key}=${value}`)
        .join("\n"),
    );
  const { container } = args;
  const recorded: Recorded = args.recorded ?? ((command) => command);
  return hostCommand(
    name,
    recorded({
      connection: args.host.connection,
      script: readScript(import.meta.url, "./scripts/job.sh") + args.script,
      parameters: {
        SERVICE: args.service,
        IMAGE: container.image,
        WAIT_SECONDS: args.deadlineSeconds,
        COMMAND: containerCommand(container, args.command).join("\n"),
        ENVIRONMENT: pairs(args.environment ?? {}),
        SECRETS: lines(
          args.secrets.map(({ name: target, secret }) =>
            secret.name.apply((source) => `source=${source},target=${target}`),
          ),
        ),
        CONFIGS:
          container.shim === undefined
            ? ""
            : container.shim.name.apply((source) => `source=${source},target=${shimPath}`),
        NETWORKS: lines(args.networks),
        LABELS: pairs(labels(name, args.system)),
        ...args.parameters,
      },
      // The image's pull, another run of the same job, and what it says at its end come on top.
      deadlineSeconds: args.deadlineSeconds + 300,
      dependsOn: args.dependsOn,
    }),
    opts,
  );
}
