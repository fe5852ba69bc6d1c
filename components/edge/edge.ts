import type { local } from "@pulumi/command";
import type { Network } from "@pulumi/docker";
import type { CustomResourceOptions, Input, Output, Resource } from "@pulumi/pulumi";
import type { Recorded } from "../host/command.ts";
import type { Host } from "../host/host.ts";
import type { ResolvedImage } from "../image.ts";
import type { SiteHeaders } from "./edge-config.ts";
import type { EdgeKind } from "./kinds.ts";
import type { Route } from "./route.ts";
import type { Tls } from "./tls.ts";

/** Where the certificates are, in the configuration folder of every kind of edge: one file for each domain, its key in front. */
export const tlsDirectory = "tls";

/** The edge of a host, as one system has it. */
export interface Edge {
  readonly kind: EdgeKind;
  /** The overlay that the edge shares with the services of this system that have routes, and with no other system's. */
  readonly network: Network;
  /** Ready to take routes. */
  readonly ready: Resource;
  /** The authority of its certificates, where machines do not trust it anyway. PEM. */
  readonly issuerPem: string | undefined;
  /**
   * Sends the routes of a service to a slot: writes the new files, validates, reloads, waits until nothing uses the old
   * target any more, puts the old files back if anything fails. Ends when the old slot may go.
   */
  switchTo(name: string, args: SwitchArgs, opts: CustomResourceOptions): local.Command;
}

/**
 * The one proxy of a host. It publishes the host's only public ports, never sees Docker's socket and discovers nothing: a switch
 * tells it where requests go.
 */
export interface HostEdge extends Omit<Edge, "network"> {
  /**
   * Asks for the certificates and keeps them, where that is the edge's business (ACME). Call it when the domains' records are
   * declared, and name those in `dependsOn`. Nothing waits for it: without a new certificate the edge goes on with the old
   * one, or with a placeholder, and the run fails with the reason.
   */
  certify(dependsOn: readonly Resource[]): void;
}

export interface EdgeArgs {
  readonly host: Host;
  /** The stack has no other host. */
  readonly onlyHost: boolean;
  readonly image: ResolvedImage;
  /** Every domain that a route of this host uses. */
  readonly sites: readonly Site[];
  /** How long a WebSocket lives on after a reload. */
  readonly webSocketGraceSeconds: number;
  readonly tls: Tls;
  /** Key of a certificate that is given. */
  readonly privateKeyPem?: Output<string>;
}

export interface Site {
  readonly domain: string;
  readonly headers: SiteHeaders;
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
