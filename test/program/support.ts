import { readFileSync } from "node:fs";
import { runtime } from "@pulumi/pulumi";
import type resourceProto from "@pulumi/pulumi/proto/resource_pb.js";
import { MockMonitor } from "@pulumi/pulumi/runtime/mocks.js";
import { vi } from "vitest";
import { parse } from "yaml";
import { leaveOut } from "../../lab/stack/plan.ts";
import type { Json } from "../../lab/stack/stack-file.ts";

/**
 * Runs the real program against Pulumi's mocks and records every registration. Mocks hide parent, protect and dependencies,
 * so the requests are read where the mock monitor takes them: an internal of the pinned SDK, used in this file alone and
 * checked by a test of its own.
 */
export interface Registration {
  readonly type: string;
  readonly name: string;
  /** Name of the parent, `(stack)` for the root. */
  readonly parent: string;
  /** By type and parents' types, which is what tells two resources of a stack apart. */
  readonly urn: string;
  /** What it was called before: `<name> in <parent>`. */
  readonly aliases: readonly string[];
  readonly custom: boolean;
  readonly protect: boolean;
  readonly dependsOn: readonly string[];
  readonly ignoreChanges: readonly string[];
  readonly replaceOnChanges: readonly string[];
  readonly additionalSecretOutputs: readonly string[];
  readonly deletedWith: string;
  readonly retainOnDelete: boolean;
  /** Id of what is taken over; empty for none. */
  readonly importId: string;
  /** Hooks that the engine calls before an update. */
  readonly beforeUpdate: readonly string[];
  /** Inputs as the engine would get them: secrets in their envelope. */
  readonly inputs: Readonly<Record<string, unknown>>;
}

export interface ProgramRun {
  /** What the program ended with, when it did not run to its end. */
  readonly error: unknown;
  readonly registrations: readonly Registration[];
  find(type: string, name: string): Registration;
}

/** What a person would have set, long enough to be recognised wherever it turns up. */
export const madeUpSecrets: Readonly<Record<string, string>> = {
  "togather:jwtSecret": Buffer.from("canary-jwt-secret-0123456789abcdef").toString("base64"),
  "togather:adminApiKey": Buffer.from("canary-admin-api-key-0123456789ab").toString("hex"),
  "mfa:airtableAccessToken": "canary-airtable-access-token",
  "mfa:airtableBaseId": "canary-airtable-base-id",
  "mfa:jwtSecret": Buffer.from("canary-mfa-jwt-secret-0123456789abcdef").toString("base64"),
  "mfa:openaiApiKey": "canary-openai-api-key",
  "mfa:smtpServer": "canary.mail.example",
  "mfa:smtpPort": "58765",
  "mfa:smtpUser": "canary-smtp-user",
  "mfa:smtpPassword": "canary-smtp-password",
  "mfa:smtpFrom": "canary@mail.example",
};

/** Versions of images that the stacks use, for all systems and for one. */
const versions: Readonly<Record<string, readonly string[]>> = {
  berth: ["1.28.3", "v1.0.0", "16"],
  mfa: ["3.6.12", "16-alpine", "7-alpine"],
};

/** A certificate that is given, in the place of the committed stacks' ACME. */
export const givenCertificate: Readonly<Record<string, string>> = {
  "berth:tls": JSON.stringify({
    kind: "certificate",
    certificatePem: "-----BEGIN CERTIFICATE-----\nexample\n-----END CERTIFICATE-----\n",
  }),
  "berth:tlsPrivateKeyPem":
    "-----BEGIN PRIVATE KEY-----\ncanary-tls-private-key\n-----END PRIVATE KEY-----\n",
};

/** A registry that asks for a login, and its password. */
export const givenLogin: Readonly<Record<string, string>> = {
  "berth:registries": JSON.stringify({ "ghcr.io": { user: "deploy" } }),
  "berth:registryPassword.ghcr.io": "canary-registry-password",
};

/** The systems of a stack's file. */
export function systemsOf(stack: string): string[] {
  const file: unknown = parse(readFileSync(new URL(`../../Pulumi.${stack}.yaml`, import.meta.url), "utf8"));
  return Object.keys((file as { config: { "berth:systems": object } }).config["berth:systems"]);
}

/** The committed configuration of a stack, completed with what a team adds to it; of its systems with these alone, and their hosts. */
export function completeConfig(
  stack: string,
  systems: readonly string[] = ["togather"],
): { values: Record<string, string>; secretKeys: string[] } {
  const file: unknown = parse(readFileSync(new URL(`../../Pulumi.${stack}.yaml`, import.meta.url), "utf8"));
  const committed = (file as { config: Record<string, Json> }).config;
  const others = systemsOf(stack).filter((name) => !systems.includes(name));
  leaveOut(committed, others);
  for (const key of Object.keys(committed))
    if (others.includes(key.split(":")[0] ?? "")) delete committed[key];
  // The others' domains lie there.
  if (others.length > 0) delete (committed["berth:dns"] as { otherZones?: unknown }).otherZones;
  const secrets = Object.fromEntries(
    Object.entries(madeUpSecrets).filter(([key]) => systems.includes(key.split(":")[0] ?? "")),
  );
  const digest = `sha256:${"ab".repeat(32)}`;
  const known = ["berth", ...systems].flatMap((name) => versions[name] ?? []);
  const images = Object.fromEntries(
    Object.entries(committed["berth:images"] as Record<string, { repository: string }>)
      .filter(([image]) => !others.includes(image.split("/")[0] ?? ""))
      .map(([image, entry]) => [
        image,
        { ...entry, digests: Object.fromEntries(known.map((version) => [version, digest])) },
      ]),
  );
  const added = {
    "berth:images": images,
    "berth:ssh": { authorizedKeys: ["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIexample deploy@example"] },
    ...secrets,
  };
  const values = Object.fromEntries(
    Object.entries({ ...committed, ...added }).map(([key, value]) => [
      key,
      typeof value === "string" ? value : JSON.stringify(value),
    ]),
  );
  return {
    values,
    secretKeys: [
      ...Object.keys(madeUpSecrets),
      "berth:tlsPrivateKeyPem",
      ...Object.keys(givenLogin).slice(1),
    ],
  };
}

/**
 * Runs the program with the configuration of a stack; `change` replaces keys, undefined takes one away; `secrets` are more keys of secrets;
 * `systems` those of the stack's file that run.
 */
export async function runProgram(
  stack: string,
  change: Readonly<Record<string, string | undefined>> = {},
  secrets: readonly string[] = [],
  systems?: readonly string[],
): Promise<ProgramRun> {
  const { values: complete, secretKeys: known } = completeConfig(stack, systems);
  const secretKeys = [...known, ...secrets];
  const values: Record<string, string> = {};
  for (const [key, value] of Object.entries({ ...complete, ...change })) {
    if (value !== undefined) values[key] = value;
  }
  process.env.PULUMI_CONFIG_SECRET_KEYS = JSON.stringify(secretKeys);
  runtime.setAllConfig(values, secretKeys);
  const registrations: Registration[] = [];
  const restore = record(registrations);
  await runtime.setMocks(
    {
      newResource: ({ type, name, inputs }) => ({
        id: idOf(type, name),
        state: { name: `${name}-1a2b3c4`, ...inputs },
      }),
      call: ({ token }) => {
        throw new Error(`the program calls ${token}, which the test does not know`);
      },
    },
    "berth",
    stack,
    true,
  );
  vi.resetModules();
  const error = await import("../../index.ts").then(
    () => undefined,
    (reason: unknown) => reason,
  );
  // Another internal: it resolves when every registration has been answered.
  await (runtime as unknown as { waitForRPCs(): Promise<void> }).waitForRPCs();
  restore();
  return {
    registrations,
    error,
    find(type, name) {
      const found = registrations.find(
        (registration) => registration.type === type && registration.name === name,
      );
      if (found === undefined) throw new Error(`the program registers no ${type} named ${name}`);
      return found;
    },
  };
}

/** Hetzner's ids are numbers. */
function idOf(type: string, name: string): string {
  return type.startsWith("hcloud:") ? "4711" : `${name}_id`;
}

type RegisterResource = (request: resourceProto.RegisterResourceRequest, callback: unknown) => unknown;

function record(registrations: Registration[]): () => void {
  const prototype = MockMonitor.prototype as unknown as {
    registerResource: RegisterResource;
    registerResourceHook?: (request: unknown, callback: (error: null, answer: object) => void) => void;
  };
  const original = prototype.registerResource;
  // The mocks say that they support hooks and do not take any.
  prototype.registerResourceHook = (_request, callback) => callback(null, {});
  prototype.registerResource = function registerResource(request, callback) {
    registrations.push({
      type: request.getType(),
      name: request.getName(),
      parent: nameOf(request.getParent()) || "(stack)",
      urn: `${request.getParent().split("::").slice(2, -1).join("::")}$${request.getType()}::${request.getName()}`,
      aliases: request.getAliasesList().map((alias) => {
        const spec = alias.getSpec();
        return spec === undefined ? alias.getUrn() : `${spec.getName()} in ${spec.getParenturn()}`;
      }),
      custom: request.getCustom(),
      protect: request.getProtect() ?? false,
      dependsOn: request.getDependenciesList().map(nameOf).toSorted(),
      ignoreChanges: request.getIgnorechangesList(),
      replaceOnChanges: request.getReplaceonchangesList(),
      additionalSecretOutputs: request.getAdditionalsecretoutputsList(),
      deletedWith: nameOf(request.getDeletedwith()),
      importId: request.getImportid(),
      retainOnDelete: request.getRetainondelete() ?? false,
      beforeUpdate: request.getHooks()?.getBeforeUpdateList() ?? [],
      inputs: (request.getObject()?.toJavaScript() ?? {}) as Record<string, unknown>,
    });
    return original.call(this, request, callback);
  };
  return () => {
    prototype.registerResource = original;
  };
}

function nameOf(urn: string): string {
  return urn.includes("pulumi:pulumi:Stack") ? "(stack)" : (urn.split("::").at(-1) ?? "");
}
