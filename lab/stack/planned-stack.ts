import type { Registry } from "../../components/host/registries.ts";
import type { System } from "../../components/system.ts";
import type { Json } from "./stack-file.ts";

/** What the operator asks for. */
export interface StackRequest {
  readonly projectDir: string;
  readonly project: string;
  readonly stack: string;
  /** Every system there is. */
  readonly definitions: readonly System[];
  /** Systems to converge beside those that run. With none of both, the first one of the stack file. */
  readonly systems?: readonly string[];
  /** Systems that run in the lab; one that the stack file no longer has is removed. */
  readonly running?: readonly string[];
  /** `--set`, as typed. */
  readonly settings?: readonly string[];
  /** Certificates by ACME, from Pebble; left out, from the lab's own authority. */
  readonly acme?: boolean;
}

/** An image that the stack uses. */
export interface ImageUse {
  /** Key in `berth:images`. */
  readonly name: string;
  readonly version: string;
  /** `togather/app`; the edge has none. */
  readonly service?: string;
}

/** A stack file as the operator asked for it, checked. Nothing exists yet. */
export interface PlannedStack {
  readonly request: StackRequest;
  readonly values: Readonly<Record<string, Json>>;
  readonly systems: readonly string[];
  readonly images: readonly ImageUse[];
  /** What the hosts' servers are made from, each once: `debian-13`. */
  readonly machineImages: readonly string[];
  /** Of all systems in the stack file, so that adding one of them later needs no new certificate. */
  readonly domains: readonly string[];
  /** Secrets to make up, as full keys. */
  readonly inventedKeys: readonly string[];
  /** What the lab's registry asks for, where the images' registry does. */
  readonly registryLogin: Registry | undefined;
}
