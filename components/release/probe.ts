import type { local } from "@pulumi/command";
import type { Service } from "@pulumi/docker";
import type { CustomResourceOptions } from "@pulumi/pulumi";
import { z } from "zod";
import { type Health, healthyStatuses } from "../health.ts";
import { hostCommand, type Recorded } from "../host/command.ts";
import type { Host } from "../host/host.ts";
import { type DatabaseScope, databaseParameters, databaseScript } from "./snapshot.ts";

/** How long a new slot may take, as a system's setting: grace, then attempts. */
export const probePatience = z
  .strictObject({
    /** A new slot may take this long before attempts count. */
    graceSeconds: z.int().min(0).max(600).default(10),
    attempts: z.int().min(1).max(600).default(30),
    intervalSeconds: z.int().min(1).max(60).default(2),
  })
  .prefault({});

export type ProbePatience = z.infer<typeof probePatience>;

export interface ProbeArgs extends ProbePatience {
  readonly host: Host;
  readonly slot: Service;
  /** Asked over the edge's network where it is over HTTP and the slot is there; otherwise Docker's check decides alone. */
  readonly health: Health;
  readonly onEdge: boolean;
  readonly replicas: number;
  readonly recorded: Recorded;
  /** The database that the service cannot do without, and its migrations ({@link stepsForProbe}). */
  readonly schema?: { readonly scope: DatabaseScope; readonly steps: string; readonly mayBeNewer: boolean };
}

/** How long a slot may take until it serves. */
export function patienceSeconds({ graceSeconds, attempts, intervalSeconds }: ProbePatience): number {
  return graceSeconds + attempts * intervalSeconds;
}

/** Waits until a slot is healthy in every field, and says field by field what is not when its patience ends. */
export function probe(name: string, args: ProbeArgs, opts: CustomResourceOptions): local.Command {
  const { schema, health } = args;
  return hostCommand(
    name,
    args.recorded({
      connection: args.host.connection,
      script: databaseScript("probe"),
      parameters: {
        ...databaseParameters(schema?.scope),
        SERVICE: "",
        STEPS: schema?.steps ?? "[]",
        SKIP: schema?.mayBeNewer ? "yes" : "no",
        SLOT: args.slot.name,
        REPLICAS: args.replicas,
        ...healthParameters(health, args.onEdge),
        GRACE_SECONDS: args.graceSeconds,
        ATTEMPTS: args.attempts,
        INTERVAL_SECONDS: args.intervalSeconds,
      },
      // What stops before it may take a minute.
      deadlineSeconds: patienceSeconds(args) + 120,
      dependsOn: [args.slot],
    }),
    opts,
  );
}

/** A health declaration as scripts/probe.sh takes it. */
export function healthParameters(health: Health, onEdge = true): Record<string, string | number> {
  const http = onEdge ? health.http : undefined;
  return {
    DOCKER_CHECK: health.tool === "none" ? "no" : "yes",
    PORT: http?.port ?? "",
    HEALTH_PATH: http?.path ?? "",
    STATUSES: http === undefined ? "" : healthyStatuses(http).join(" "),
    FIELDS: JSON.stringify(http?.fields ?? {}),
  };
}
