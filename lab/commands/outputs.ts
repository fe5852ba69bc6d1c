import { existsSync, readFileSync } from "node:fs";
import { z } from "zod";

const hostSchema = z.object({
  address: z.string(),
  /** Where the host has one. */
  ipv6: z.string().optional(),
  sshPort: z.number(),
  user: z.string(),
  hostKey: z.string(),
});
const systemSchema = z.object({
  domain: z.string(),
  host: z.string(),
  urls: z.array(z.string()),
  healthUrl: z.string(),
  services: z.record(z.string(), z.object({ version: z.string(), slot: z.string() })),
});
// After a failed run some are missing.
const outputsSchema = z.object({
  hosts: z.record(z.string(), z.unknown()).default({}),
  systems: z.record(z.string(), z.unknown()).default({}),
});
const deploymentSchema = z.object({
  deployment: z.object({
    resources: z
      .array(
        z.object({
          urn: z.string(),
          type: z.string(),
          inputs: z.record(z.string(), z.unknown()).optional(),
          outputs: z.unknown().optional(),
        }),
      )
      .default([]),
  }),
});

export type HostOutput = z.infer<typeof hostSchema>;
export type SystemOutput = z.infer<typeof systemSchema>;

export interface StackOutputs {
  readonly hosts: Readonly<Record<string, HostOutput>>;
  readonly systems: Readonly<Record<string, SystemOutput>>;
  /** The loopback port of the tunnel to each Postgres, by its name, as in the state. */
  readonly databases: Readonly<Record<string, number>>;
}

/**
 * The outputs of the last run in a deployment file; empty when there is no file. A first run that failed has recorded
 * none: the hosts are then read from the docker providers, so that `ssh` works.
 */
export function readOutputs(stateFile: string): StackOutputs {
  if (!existsSync(stateFile)) return { hosts: {}, systems: {}, databases: {} };
  const file = deploymentSchema.parse(JSON.parse(readFileSync(stateFile, "utf8")));
  const stack = file.deployment.resources.find(({ type }) => type === "pulumi:pulumi:Stack");
  const outputs = outputsSchema.safeParse(stack?.outputs ?? {}).data ?? { hosts: {}, systems: {} };
  const connections = file.deployment.resources
    .filter(({ type }) => type === "pulumi:providers:docker")
    .flatMap(({ urn, inputs }) => hostOf(urn, inputs ?? {}));
  const databases = file.deployment.resources
    .filter(({ type }) => type === "pulumi:providers:postgresql")
    .map(({ urn, inputs }) => [
      urn
        .split("::")
        .at(-1)
        ?.replace(/-provider$/, ""),
      Number(inputs?.port),
    ]);
  return {
    hosts: { ...Object.fromEntries(connections), ...complete(outputs.hosts, hostSchema) },
    systems: complete(outputs.systems, systemSchema),
    databases: Object.fromEntries(databases),
  };
}

/** `main-docker` with `ssh://deploy@198.18.0.10:22` is the host `main`; its options contain the pinned key. */
function hostOf(urn: string, inputs: Record<string, unknown>): [string, HostOutput][] {
  const name = /::(?<name>[^:]+)-docker$/.exec(urn)?.groups?.name;
  const place = /^ssh:\/\/(?<user>[^@]+)@(?<address>[^:]+):(?<port>\d+)$/.exec(String(inputs.host))?.groups;
  const hostKey = /KnownHostsCommand=\S+ \S+ (?<key>ssh-\S+ [A-Za-z0-9+/=]+)/.exec(String(inputs.sshOpts))
    ?.groups?.key;
  if (name === undefined || place === undefined || hostKey === undefined) return [];
  const { user = "", address = "", port } = place;
  return [[name, { address, sshPort: Number(port), user, hostKey }]];
}

function complete<T>(entries: Record<string, unknown>, schema: z.ZodType<T>): Record<string, T> {
  return Object.fromEntries(
    Object.entries(entries).flatMap(([name, value]) => {
      const parsed = schema.safeParse(value);
      return parsed.success ? [[name, parsed.data] as const] : [];
    }),
  );
}
