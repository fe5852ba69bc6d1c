import { type Input, output } from "@pulumi/pulumi";
import { z } from "zod";
import { readScript } from "../host/command.ts";
import { labels } from "../labels.ts";
import { cpusSchema } from "../schema.ts";
import { type MountedSecret, type ReleaseContainer, shimPath } from "./container.ts";

/** What a job may take of its host, as a system's settings. */
export const jobLimits = {
  memoryMebibytes: z.int().min(64, "is too small; use 64 or more").default(512),
  cpus: cpusSchema.optional(),
};

export interface JobLimits {
  readonly memoryMebibytes: number;
  readonly cpus?: number | undefined;
}

export interface JobArgs {
  /** Logical name of the resource that runs it. */
  readonly name: string;
  readonly system: string;
  readonly image: string;
  readonly environment: Readonly<Record<string, Input<string>>>;
  readonly secrets: readonly MountedSecret[];
  readonly shim: ReleaseContainer["shim"];
  /** Names of networks. */
  readonly networks: readonly Input<string>[];
  readonly limits: JobLimits;
}

/** A job of the Swarm as scripts/job.sh takes it, but for its command. */
export function job(args: JobArgs) {
  const { shim, limits } = args;
  return output({
    image: args.image,
    environment: args.environment,
    secrets: args.secrets.map(({ name: target, secret }) => ({ source: secret.name, target })),
    configs: shim === undefined ? [] : [{ source: shim.name, target: shimPath }],
    networks: args.networks,
    labels: labels(args.name, args.system),
    memoryMebibytes: limits.memoryMebibytes,
    ...(limits.cpus === undefined ? {} : { cpus: limits.cpus }),
  });
}

/** What stands in front of a script that runs jobs; see scripts/job.sh. */
export const jobScript = readScript(import.meta.url, "./scripts/job.sh");
