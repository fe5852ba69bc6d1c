import type { local } from "@pulumi/command";
import { type CustomResourceOptions, getStack, type Input, type Output, type Resource } from "@pulumi/pulumi";
import { hostCommand, readScript } from "../host/command.ts";
import type { Host } from "../host/host.ts";
import { containerCommand, type ReleaseContainer } from "./container.ts";
import { type JobLimits, job, jobScript } from "./job.ts";

/**
 * What a release runs against itself when it takes the requests, in its own image, with its own environment and secrets and
 * two variables more: `BASE_URL` (the system's public address) and `TRUSTED_CERTIFICATES` (PEM, what the edge shows there).
 * It exits with 0 when every test passed, else it says on its output which did not.
 */
export interface IntegrationTests {
  readonly command: readonly string[];
  readonly domain: string;
  readonly deadlineSeconds: number;
  readonly limits: JobLimits;
}

/** Runs them once for each new slot, after the switch. A failure fails the run; the new version goes on serving. */
export function integrationTests(
  name: string,
  args: IntegrationTests & {
    readonly host: Host;
    readonly system: string;
    readonly service: string;
    readonly version: string;
    readonly slot: Output<string>;
    readonly container: ReleaseContainer;
    readonly networks: readonly Input<string>[];
    readonly dependsOn: Input<Resource>[];
  },
  opts: CustomResourceOptions,
): local.Command {
  const { container } = args;
  const setting = `${args.system}:${args.service.slice(args.system.length + 1)}.version`;
  const stack = getStack();
  const command = containerCommand(container, args.command);
  const specification = job({ name, ...args, ...container });
  return hostCommand(
    name,
    {
      connection: args.host.connection,
      script: jobScript + readScript(import.meta.url, "./scripts/integration-tests.sh"),
      // The image's pull, another run of the same job, and what it says at its end come on top.
      deadlineSeconds: args.deadlineSeconds + 300,
      dependsOn: args.dependsOn,
      parameters: {
        SERVICE: args.service,
        WAIT_SECONDS: args.deadlineSeconds,
        JOB: specification.apply((known) => JSON.stringify({ ...known, command })),
        SLOT: args.slot,
        VERSION: args.version,
        DOMAIN: args.domain,
        ADDRESS: args.host.connection.address,
        GO_BACK: `npx pulumi config set --path ${setting} PREVIOUS_VERSION --stack ${stack} && npx pulumi up --stack ${stack} --continue-on-error`,
      },
    },
    opts,
  );
}
