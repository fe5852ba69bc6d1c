import type { Registry } from "../../components/host/registries.ts";
import type { System } from "../../components/system.ts";
import type { PushedImage } from "./pushes.ts";
import type { Json } from "./stack-file.ts";

/** The operator's request. */
export interface StackRequest {
  readonly projectDir: string;
  readonly project: string;
  readonly stack: string;
  /** All systems of Berth. */
  readonly definitions: readonly System[];
  /** Systems to deploy besides those that run. Without both, the first one of the stack file. */
  readonly systems?: readonly string[];
  /** Systems that run in the lab; one that the stack file no longer has is removed. */
  readonly running?: readonly string[];
  /** `--set`, as typed. */
  readonly settings?: readonly string[];
  /** Certificates by ACME, from Pebble; otherwise from the lab's own authority. */
  readonly acme?: boolean;
  /** Backups, to the lab's store; left out, there are none. */
  readonly backups?: boolean;
}

/** An image that the stack uses. */
export interface ImageUse {
  /** Key in `berth:images`. */
  readonly name: string;
  readonly version: string;
  /** `togather/app`; the edge has none. */
  readonly service?: string;
  /** A host of the lab has built it: it comes from where that has pushed it, every other one from the lab's registry. */
  readonly pushed?: PushedImage | undefined;
}

/** A checked stack file with the operator's settings. Nothing has been created yet. */
export interface PlannedStack {
  readonly request: StackRequest;
  readonly values: Readonly<Record<string, Json>>;
  readonly systems: readonly string[];
  readonly images: readonly ImageUse[];
  /** The distinct images of the hosts' servers: `debian-13`. */
  readonly machineImages: readonly string[];
  /** Domains of those systems that serve images. */
  readonly registries: readonly string[];
  /** Every build of the stack file, also those that this run leaves out. */
  readonly builds: readonly string[];
  /** Of all systems in the stack file, so that adding one of them later needs no new certificate. */
  readonly domains: readonly string[];
  /** Secrets to generate, as full keys. */
  readonly generatedKeys: readonly string[];
  /** The login of the lab's registry, if the images' registry requires one. */
  readonly registryLogin: Registry | undefined;
}
