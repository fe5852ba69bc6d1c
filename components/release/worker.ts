import { all, ComponentResource, type Output } from "@pulumi/pulumi";
import type { ServiceContext } from "../declaration.ts";
import type { Health, HttpHealth } from "../health.ts";
import { hostCommand, readScript } from "../host/command.ts";
import { type ReleaseArgs, release } from "./release.ts";
import type { WorkerSettings } from "./settings.ts";
import type { WebService } from "./web-service.ts";

export interface WorkerArgs extends Omit<ReleaseArgs, "schema"> {
  /** Of Docker's check, which alone says whether a task is healthy. */
  readonly health:
    | Extract<Health, { readonly tool: "command" }>
    | { readonly tool: "wget" | "curl" | "node"; readonly http: Omit<HttpHealth, "fields"> };
  /** The service of the same image whose releases pull it and bring the schema along; it is released first. */
  readonly releasedWith?: WebService;
}

/** How long a new slot must live before the one of before stops, in seconds. */
const watchSeconds = 5;

/**
 * A service without routes, which takes its work from a queue or a schedule:
 *
 *     Pull ─► Slot (new) ─► Probe ─► Take-over    … the old slot stops, and Pulumi deletes it at the end
 *
 * Its slots overlap for as long as the probe takes; one that may not run twice is `stop-first`. When anything fails, the new slot
 * stops and the old one goes on, so a job is worked by one version at a time but for that overlap.
 */
export class Worker extends ComponentResource {
  /** Version and name of the slot that works, known when the take-over has ended. */
  readonly released: { readonly version: string; readonly slot: Output<string> };

  constructor(service: ServiceContext<WorkerSettings>, args: WorkerArgs) {
    const { name, host, image } = service;
    super("berth:release:Worker", name, {}, { parent: service.parent });
    const { releasedWith } = args;
    const { slot, probed, record } = release(this, service, {
      ...args,
      hasRoutes: false,
      after: releasedWith === undefined ? [] : [releasedWith.switched],
      prepared: releasedWith !== undefined,
    });
    const takenOver = hostCommand(
      // Called as a service's with routes is, for the commands that look for the last step of a release.
      `${name}-switch`,
      record("switch")({
        connection: host.connection,
        script: readScript(import.meta.url, "./scripts/take-over.sh"),
        // The record of a service that is taken out of the program goes with this.
        removeScript: ":",
        parameters: { SLOT: slot.name, WATCH_SECONDS: watchSeconds },
        deadlineSeconds: watchSeconds + 60,
        dependsOn: [probed],
      }),
      { parent: this },
    );
    const working = all([slot.name, takenOver.id]).apply(([slotName]) => slotName);
    this.released = { version: image.version, slot: working };
    this.registerOutputs();
  }
}
