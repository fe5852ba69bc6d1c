import type { ComponentResource, Output, Resource } from "@pulumi/pulumi";
import type { z } from "zod";
import type { Edge } from "./edge/edge.ts";
import type { Route } from "./edge/route.ts";
import type { Host } from "./host/host.ts";
import type { ResolvedImage } from "./image.ts";
import type { SecretSpec } from "./secrets/secret.ts";

export const environments = ["development", "staging", "production"] as const;
export type Environment = (typeof environments)[number];

/**
 * One deployable system: a file in `stacks/`. The data part (settings, secrets, services, routes) is read without running
 * anything, by the configuration parser, the DNS component, the lab and the documentation; `build` declares the resources.
 */
export interface System<Settings = unknown> {
  /** Configuration namespace and prefix of every name on the host: lower-case letters, digits and hyphens. */
  readonly name: string;
  /** `<name>:<key>` in Pulumi.<stack>.yaml, each key with its schema; strict, so unknown keys are refused. */
  readonly settings: z.ZodObject & z.ZodType<Settings>;
  /** `<name>:<key>`, set with `pulumi config set --secret`. */
  readonly secrets: Readonly<Record<string, SecretSpec>>;
  /** What runs, for the memory check, the image map and the lab's stand-ins. */
  services(settings: Settings): readonly ServiceSpec[];
  /** What the outside reaches, by `domain` and any other domain beside it. */
  routes(domain: string, settings: Settings): readonly Route[];
  build(context: SystemContext<Settings>): SystemResult;
  /** What `npm run ops -- status` asks of its services, beside what it shows of any system. */
  readonly status?: readonly StatusQuestion[];
  /** Its result has a {@link SystemResult.registry}: built before the systems whose images may come from there. */
  readonly servesImages?: boolean;
}

/** A command in a service's container, whose output (at most 500 characters) is the answer. */
export interface StatusQuestion {
  /** `sync:status` */
  readonly name: string;
  /** `redis` */
  readonly service: string;
  readonly command: readonly string[];
}

export interface ServiceSpec {
  /** `app`: the service is `<system>_app` on the host. */
  readonly name: string;
  /** Key of the image in `berth:images`. */
  readonly image: string;
  readonly version: string;
  /** Service whose image, version and release it shares: what is wrong with these is that one's. */
  readonly releasedWith?: string;
  /** Memory limit of all replicas together; 0 for what runs as a job of another service's release. */
  readonly memoryMebibytes: number;
  /** Tasks; 1 when left out. */
  readonly replicas?: number;
  /** Processors of one task; all of the host's when left out. */
  readonly cpus?: number;
  /** It keeps data, so it never runs twice, at a release neither. */
  readonly keepsData?: boolean;
  /** Memory limit of the jobs of its releases, which run one at a time beside it; none by default. */
  readonly jobMemoryMebibytes?: number;
  /** Port on the operator's loopback that leads to it during a deploy; every service needs its own. */
  readonly tunnelPort?: number;
  /** Tests write into the system after each switch. */
  readonly integrationTests?: boolean;
}

export interface SystemContext<Settings> {
  readonly environment: Environment;
  readonly domain: string;
  readonly host: Host;
  /** The host's edge, and the network that it shares with this system alone. */
  readonly edge: Edge;
  readonly settings: Settings;
  /** Value of a secret of `System.secrets`, as a secret output. Throws when the system declares none of that name. */
  secret(key: string): Output<string>;
  /** Image of a service, pinned by digest where the configuration has one. */
  image(service: string): ResolvedImage;
  /** Parent of everything that `build` declares. */
  readonly parent: ComponentResource;
}

/** A registry that Berth runs. Its address is the system's domain. */
export interface ServedRegistry {
  readonly user: string;
  readonly password: Output<string>;
  /** What a login waits for. */
  readonly ready: readonly Resource[];
  /** The setting that counts its passwords: `registry:server.passwordGeneration`. */
  readonly passwordSetting: string;
}

export interface SystemResult {
  readonly services: Readonly<Record<string, { readonly version: string; readonly slot: Output<string> }>>;
  /** URL that says from outside whether the system is healthy. */
  readonly healthUrl: string;
  /** A registry that the system runs: every host of the stack is logged in to it. */
  readonly registry?: ServedRegistry;
}
