import type { ComponentResource, Output } from "@pulumi/pulumi";
import { z } from "zod";
import type { ClientTls } from "./data/client-tls.ts";
import type { Edge } from "./edge/edge.ts";
import type { Route } from "./edge/route.ts";
import type { Host } from "./host/host.ts";
import type { ResolvedImage } from "./image.ts";
import type { SecretSpec } from "./secrets/secret.ts";
import type {
  Environment,
  ServiceSpec,
  StatusQuestion,
  System,
  SystemContext,
  SystemResult,
} from "./system.ts";

/** A system as its file in `stacks/` declares it: what it consists of is said once, and the {@link System} follows from it. */

/** Key of settings in Pulumi.<stack>.yaml: `togather:app`. */
export type SettingsKey = `${string}:${string}`;

/** What is wrong with settings that belong together. */
export interface SettingsProblem {
  readonly path: readonly string[];
  readonly input: unknown;
  readonly message: string;
}

/** Settings under one key of a system, and what follows from them. The components have ready-made ones. */
export interface Part<Schema extends z.ZodType = z.ZodType> {
  schema(key: SettingsKey): Schema;
  /** What is wrong with them beside the settings of the other keys. */
  problems?(own: z.output<Schema>, key: SettingsKey, all: Settings): readonly SettingsProblem[];
  /** What runs because of them. `other` answers the service of another key. */
  services?(
    name: string,
    own: z.output<Schema>,
    other: (name: string) => ServiceSpec,
  ): readonly ServiceSpec[];
  /** Jobs that run beside the service of another key, one at a time. */
  jobs?(own: z.output<Schema>): { readonly of: string; readonly memoryMebibytes: number };
}

/** Settings of one service, and what its containers get because of them. */
export interface ServicePart<Schema extends z.ZodType = z.ZodType> extends Part<Schema> {
  services(name: string, own: z.output<Schema>, other: (name: string) => ServiceSpec): readonly ServiceSpec[];
  /** Plain variables, and what each of them follows: a key of the settings, or `berth:environment`, `berth:domain`, `berth:url`. */
  readonly variables: Readonly<Record<string, string>>;
  /** Variables that are secrets of the system, by their key there. */
  readonly secrets: Readonly<Record<string, string>>;
  /** How it is told of its database. */
  readonly connection: ConnectionNames;
  /** What it makes sure of there. */
  readonly databaseTls: ClientTls;
}

/**
 * Variables that say how a database is reached, and which part of it each is. A URL has all of it, the password too; `tlsMode` is
 * PostgreSQL's name of what the client makes sure of, `authorityFile` the path of the certificate that it trusts.
 */
export type ConnectionNames = Readonly<
  Record<string, "url" | "host" | "port" | "user" | "password" | "name" | "tlsMode" | "authorityFile">
>;

/** Variables of a connection that are secret. */
export const isSecretPart = (part: ConnectionNames[string]) => part === "url" || part === "password";

type Settings = Readonly<Record<string, unknown>>;
type Parts = Readonly<Record<string, Part | z.ZodType>>;
type SchemaOf<P> = P extends Part<infer Schema> ? Schema : P extends z.ZodType ? P : never;
type SettingsOf<P extends Parts> = { readonly [K in keyof P]: z.output<SchemaOf<P[K]>> };
type ServicesOf<P extends Parts> = {
  readonly [K in keyof P as P[K] extends ServicePart ? K : never]: ServiceContext<z.output<SchemaOf<P[K]>>>;
};

/** Where a component of a system goes: what every constructor needs. */
export interface Place {
  /** `togather` */
  readonly system: string;
  readonly host: Host;
  /** The host's edge, and the network that it shares with this system alone. */
  readonly edge: Edge;
  readonly environmentName: Environment;
  readonly domain: string;
  /** Image of a service of `System.services`. */
  imageOf(service: string): ResolvedImage;
  readonly parent: ComponentResource;
}

/** One service, as its component takes it. */
export interface ServiceContext<Own = unknown> extends Place {
  /** `togather_app`: name of its resource, and on the host. */
  readonly name: string;
  readonly settings: Own;
  readonly image: ResolvedImage;
  /** The plain variables of its declaration. */
  readonly variables: Readonly<Record<string, string>>;
  /** The secrets of its declaration. */
  readonly secrets: Readonly<Record<string, Output<string>>>;
  readonly connection: ConnectionNames;
  readonly databaseTls: ClientTls;
  readonly routes: readonly Route[];
}

export interface Context<P extends Parts, Key extends string> extends Place {
  readonly settings: SettingsOf<P>;
  readonly services: ServicesOf<P>;
  secret(key: Key): Output<string>;
}

export interface Declaration<P extends Parts, Key extends string> {
  /** Configuration namespace and prefix of every name on the host: lower-case letters, digits and hyphens. */
  readonly name: string;
  /** `<name>:<key>`, set with `pulumi config set --secret`. */
  readonly secrets: Readonly<Record<Key, SecretSpec>>;
  /** `<name>:<key>` in Pulumi.<stack>.yaml: ready-made ones of the components, or any schema. */
  readonly settings: P;
  /** What the outside reaches, by the service that answers. */
  routes(domain: string, settings: SettingsOf<P>): Readonly<Record<string, readonly Route[]>>;
  /** See {@link System.servesImages}. */
  readonly servesImages?: boolean;
  /** See {@link System.status}. */
  readonly status?: readonly StatusQuestion[];
  /** Declares the resources. */
  build(context: Context<P, Key>): SystemResult;
}

/**
 * The system that a declaration describes.
 * @throws when a service names a secret that the system does not declare
 */
export function defineSystem<P extends Parts, Key extends string>(declaration: Declaration<P, Key>): System {
  const { name, secrets } = declaration;
  const parts = Object.entries(declaration.settings).filter((entry): entry is [string, Part] =>
    isPart(entry[1]),
  );
  for (const [service, part] of parts) {
    for (const [variable, key] of Object.entries((isService(part) && part.secrets) || {})) {
      if (key in secrets) continue;
      const known = Object.keys(secrets).join(", ") || "none";
      throw new Error(`${name}: ${service}.${variable} is no secret "${key}"; use one of: ${known}`);
    }
  }
  const shape = Object.entries(declaration.settings).map(([key, part]) => [
    key,
    isPart(part) ? part.schema(`${name}:${key}`) : part,
  ]);
  const settings = z.strictObject(Object.fromEntries(shape) as z.ZodRawShape).superRefine((all, context) => {
    for (const [key, part] of parts) {
      const problems = part.problems?.(all[key], `${name}:${key}`, all) ?? [];
      for (const { path, input, message } of problems)
        context.addIssue({ code: "custom", path: [key, ...path], input, message });
    }
  });
  const services = (all: Settings) => servicesOf(name, parts, all);
  const routes = (domain: string, all: Settings) => declaration.routes(domain, all as SettingsOf<P>);
  return {
    name,
    settings: settings as z.ZodObject & z.ZodType<Settings>,
    secrets,
    services,
    ...(declaration.servesImages === undefined ? {} : { servesImages: declaration.servesImages }),
    ...(declaration.status === undefined ? {} : { status: declaration.status }),
    routes: (domain, all) => Object.values(routes(domain, all)).flat(),
    build: (context) =>
      declaration.build(
        contextOf(name, parts, context, routes(context.domain, context.settings)) as unknown as Context<
          P,
          Key
        >,
      ),
  } satisfies System<Settings> as System;
}

function servicesOf(system: string, parts: readonly [string, Part][], all: Settings): ServiceSpec[] {
  const other = (wanted: string): ServiceSpec => {
    const [, part] = parts.find(([name]) => name === wanted) ?? [];
    const [spec] = part?.services?.(wanted, all[wanted], other) ?? [];
    if (spec === undefined) throw new Error(`${system} declares no service "${wanted}"`);
    return spec;
  };
  const jobs = parts.flatMap(([name, part]) => part.jobs?.(all[name]) ?? []);
  return parts.flatMap(([name, part]) =>
    (part.services?.(name, all[name], other) ?? []).map((spec) => {
      const own = jobs.filter(({ of }) => of === spec.name).map(({ memoryMebibytes }) => memoryMebibytes);
      return own.length === 0 ? spec : { ...spec, jobMemoryMebibytes: Math.max(...own) };
    }),
  );
}

function contextOf(
  system: string,
  parts: readonly [string, Part][],
  { environment, domain, host, edge, settings, secret, image, parent }: SystemContext<Settings>,
  routes: Readonly<Record<string, readonly Route[]>>,
) {
  const place: Place = { system, host, edge, environmentName: environment, domain, imageOf: image, parent };
  const about: Settings = {
    "berth:environment": environment,
    "berth:domain": domain,
    "berth:url": `https://${domain}`,
  };
  const services = parts.flatMap(([name, part]) => {
    if (!isService(part)) return [];
    const own = { ...about, ...(settings[name] as Settings) };
    const context: ServiceContext = {
      ...place,
      name: `${system}_${name}`,
      settings: settings[name],
      image: image(name),
      variables: mapValues(part.variables, (setting) => String(own[setting])),
      secrets: mapValues(part.secrets, secret),
      connection: part.connection,
      databaseTls: part.databaseTls,
      routes: routes[name] ?? [],
    };
    return [[name, context] as const];
  });
  return { ...place, settings, secret, services: Object.fromEntries(services) };
}

function isPart(part: Part | z.ZodType): part is Part {
  return !(part instanceof z.ZodType);
}

function isService(part: Part): part is ServicePart {
  return "connection" in part;
}

function mapValues<From, To>(
  record: Readonly<Record<string, From>>,
  change: (value: From) => To,
): Record<string, To> {
  return Object.fromEntries(Object.entries(record).map(([key, value]) => [key, change(value)]));
}
