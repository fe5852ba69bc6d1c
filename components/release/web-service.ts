import type { local } from "@pulumi/command";
import { all, ComponentResource, type Output } from "@pulumi/pulumi";
import type { ServiceContext } from "../declaration.ts";
import type { HttpHealth } from "../health.ts";
import { type IntegrationTests, integrationTests } from "./integration-tests.ts";
import { type ReleaseArgs, release } from "./release.ts";
import type { AppSettings } from "./settings.ts";
import type { LeadingRelease, Worker } from "./worker.ts";

export interface WebServiceArgs extends ReleaseArgs {
  /** How Docker and the probe ask, on the port of its settings, for the fields of its settings. */
  readonly health: {
    readonly tool: "wget" | "curl" | "node" | "none";
  } & Pick<HttpHealth, "path" | "status">;
  /** Run after the switch, whenever the slot changes. */
  readonly integrationTests?: IntegrationTests | undefined;
  /**
   * Workers of the same image that are released with it, declared `releasedWith` what they are given here. Their new slots follow its
   * probe, and it switches when they are healthy too: all of the release, or nothing of it.
   */
  readonly companions?: (leading: LeadingRelease) => readonly Worker[];
}

/**
 * A service with routes, released without a gap:
 *
 *     Pull ─► Snapshot ─► Migration ─► Slot (new) ─► Probe ─► Switch [─► Integration tests]    … and only then: old slot deleted
 *
 * Up to the probe it is a {@link release}; the switch follows the slot. A failure anywhere leaves the old slot serving. What is
 * released with it:
 *
 *                                       Probe ─► Slot (worker's) ─► Probe ─► Switch ─► Take-over
 */
export class WebService extends ComponentResource {
  /** Version and name of the slot that serves, known when the probe has passed. */
  readonly released: { readonly version: string; readonly slot: Output<string> };
  /** What was released, its companions too, by their names within the system: `app`, `worker`. */
  readonly services: Readonly<Record<string, WebService["released"]>>;
  readonly switched: local.Command;

  constructor(service: ServiceContext<AppSettings>, args: WebServiceArgs) {
    const { name, host, system, edge, image, settings, routes } = service;
    super("berth:release:WebService", name, {}, { parent: service.parent });
    const routesOfOrder =
      args.order === "stop-first" ? routes.map((route) => ({ ...route, pausesForReleases: true })) : routes;
    const { tool, ...http } = args.health;
    const { slot, probed, container, record } = release(this, service, {
      ...args,
      networks: [edge.network, ...args.networks],
      health: { tool, http: { ...http, port: settings.port, fields: settings.healthFields } },
      hasRoutes: true,
      after: [edge.ready],
      prepared: false,
    });
    const companions = args.companions?.({ probed }) ?? [];
    this.switched = edge.switchTo(
      `${name}-switch`,
      {
        service: name,
        slot: slot.name,
        routes: routesOfOrder,
        recorded: record("switch"),
        dependsOn: [probed, ...companions.map((worker) => worker.probed)],
      },
      { parent: this },
    );
    for (const worker of companions) worker.takeOver(this.switched);
    if (args.integrationTests !== undefined) {
      integrationTests(
        `${name}-integration-tests`,
        {
          ...args.integrationTests,
          ...{ host, system, service: name, version: image.version, slot: slot.name, container },
          networks: [edge.network.name, ...args.networks.map((network) => network.name)],
          dependsOn: [this.switched],
        },
        { parent: this },
      );
    }
    const serving = all([slot.name, this.switched.id]).apply(([slotName]) => slotName);
    this.released = { version: image.version, slot: serving };
    const released = [{ name, released: this.released }, ...companions];
    this.services = Object.fromEntries(
      released.map((each) => [each.name.slice(system.length + 1), each.released]),
    );
    this.registerOutputs();
  }
}
