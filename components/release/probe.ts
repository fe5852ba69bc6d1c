import type { local } from "@pulumi/command";
import type { Service } from "@pulumi/docker";
import type { CustomResourceOptions } from "@pulumi/pulumi";
import { z } from "zod";
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

export interface ProbeArgs extends z.infer<typeof probePatience> {
  readonly port: number;
  readonly path: string;
  /** Fields of the answer's JSON that must have exactly these values. */
  readonly expect: Readonly<Record<string, string>>;
}

export interface SlotProbeArgs extends ProbeArgs {
  readonly host: Host;
  readonly slot: Service;
  readonly replicas: number;
  readonly image: string;
  readonly recorded: Recorded;
  /** The database that the service cannot do without, and the folder of its migrations in the image. */
  readonly schema?: { readonly scope: DatabaseScope; readonly folder: string; readonly mayBeNewer: boolean };
}

/** How long a slot may take until it serves. */
export function patienceSeconds({
  graceSeconds,
  attempts,
  intervalSeconds,
}: Pick<ProbeArgs, "graceSeconds" | "attempts" | "intervalSeconds">): number {
  return graceSeconds + attempts * intervalSeconds;
}

/** Waits until a slot is well in every field, and says field by field what is not when its patience ends. */
export function probe(name: string, args: SlotProbeArgs, opts: CustomResourceOptions): local.Command {
  const { schema } = args;
  return hostCommand(
    name,
    args.recorded({
      connection: args.host.connection,
      script: databaseScript("probe"),
      parameters: {
        ...(schema === undefined ? { DATABASE: "" } : databaseParameters(schema.scope)),
        SERVICE: "",
        IMAGE: args.image,
        FOLDER: schema?.folder ?? "",
        SKIP: schema?.mayBeNewer ? "yes" : "no",
        SLOT: args.slot.name,
        REPLICAS: args.replicas,
        PORT: args.port,
        HEALTH_PATH: args.path,
        EXPECT: JSON.stringify(args.expect),
        GRACE_SECONDS: args.graceSeconds,
        ATTEMPTS: args.attempts,
        INTERVAL_SECONDS: args.intervalSeconds,
      },
      deadlineSeconds: patienceSeconds(args) + 60,
      dependsOn: [args.slot],
    }),
    opts,
  );
}
