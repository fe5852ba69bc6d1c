import type { local } from "@pulumi/command";
import { all, ComponentResource, type Output, type Resource } from "@pulumi/pulumi";
import type { ServiceContext } from "../declaration.ts";
import type { Health, HttpHealth } from "../health.ts";
import { hostCommand, readScript } from "../host/command.ts";
import { type ReleaseArgs, release } from "./release.ts";
import type { WorkerSettings } from "./settings.ts";

export interface WorkerArgs extends Omit<ReleaseArgs, "schema"> {
  /** Of Docker's check, which alone says whether a task is healthy. */
  readonly health:
    | Extract<Health, { readonly tool: "command" }>
    | { readonly tool: "wget" | "curl" | "node"; readonly http: Omit<HttpHealth, "fields"> };
  /** The service of the same image with which it is released; see {@link WebServiceArgs.companions}. */
  readonly releasedWith?: LeadingRelease;
}

/** A release that has pulled the image and brought the schema along, and whose new slot is healthy. */
export interface LeadingRelease {
  readonly probed: local.Command;
}

/** How long a new slot must live before the one of before stops, in seconds. */
const watchSeconds = 5;

/**
 * A service without routes, which takes its work from a queue or a schedule:
 *
 *     Pull ─► Slot (new) ─► Probe ─► Take-over    … the old slot stops, and Pulumi deletes it at the end
 *
 * Its slots overlap for as long as the probe takes; one that may not run twice is `stop-first`. When anything fails, the new slot
 * stops and the old one goes on, so a job is worked by one version at a time but for that overlap. Only where the switch of the service
 * that it is released with fails do both work until the next run.
 */
export class Worker extends ComponentResource {
  readonly name: string;
  /** What a service that is released with it waits for before its switch. */
  readonly probed: local.Command;
  readonly #takeOver: (after: readonly Resource[]) => Worker["released"];
  #released: Worker["released"] | undefined;

  constructor(service: ServiceContext<WorkerSettings>, args: WorkerArgs) {
    const { name, host, image } = service;
    super("berth:release:Worker", name, {}, { parent: service.parent });
    const { releasedWith } = args;
    const { slot, probed, record } = release(this, service, {
      ...args,
      hasRoutes: false,
      after: releasedWith === undefined ? [] : [releasedWith.probed],
      prepared: releasedWith !== undefined,
    });
    this.name = name;
    this.probed = probed;
    this.#takeOver = (after) => {
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
          dependsOn: [probed, ...after],
        }),
        { parent: this },
      );
      this.registerOutputs();
      const working = all([slot.name, takenOver.id]).apply(([slotName]) => slotName);
      return { version: image.version, slot: working };
    };
    if (releasedWith === undefined) this.takeOver();
  }

  /** Declares the last step of its release: the old slot stops. The service that it is released with does this. */
  takeOver(...after: readonly Resource[]): void {
    this.#released ??= this.#takeOver(after);
  }

  /** Version and name of the slot that works, known when the take-over has ended. */
  get released(): { readonly version: string; readonly slot: Output<string> } {
    if (this.#released === undefined)
      throw new Error(`${this.name} is released with a service that does not name it among its companions`);
    return this.#released;
  }
}
