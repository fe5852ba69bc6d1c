import type { local } from "@pulumi/command";
import type { Network } from "@pulumi/docker";
import type { CustomResourceOptions, Input, Output, Resource } from "@pulumi/pulumi";
import type { Recorded } from "../host/command.ts";
import type { Route } from "./route.ts";

/**
 * The one proxy of a host, nginx or Traefik. It publishes the host's only public ports, never sees Docker's socket and
 * discovers nothing: a switch tells it where requests go.
 */
export interface Edge {
  readonly kind: "nginx";
  /** The host's permanent overlay that the edge shares with every service that has a route. */
  readonly network: Network;
  /** Ready to take routes. */
  readonly ready: Resource;
  /**
   * Sends the routes of a service to a slot: writes the new files, validates, reloads, waits until nothing uses the old
   * target any more, puts the old files back if anything fails. Ends when the old slot may go.
   */
  switchTo(name: string, args: SwitchArgs, opts: CustomResourceOptions): local.Command;
}

export interface SwitchArgs {
  /** `togather_app`: names the upstream and the files. */
  readonly service: string;
  /** Name of the slot's Docker service, which is its name in the overlay's DNS. */
  readonly slot: Output<string>;
  readonly routes: readonly Route[];
  readonly recorded: Recorded;
  readonly dependsOn: Input<Resource>[];
}
