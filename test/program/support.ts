import { runtime } from "@pulumi/pulumi";
import type resourceProto from "@pulumi/pulumi/proto/resource_pb.js";
import { MockMonitor } from "@pulumi/pulumi/runtime/mocks.js";
import { completeConfig } from "./committed-config.ts";

/**
 * Runs the real program against Pulumi's mocks and records every registration. Mocks hide parent, protect and dependencies,
 * so the requests are read in the mock monitor: an internal of the pinned SDK, used in this file alone and
 * checked by a test of its own.
 */
export interface Registration {
  readonly type: string;
  readonly name: string;
  /** Name of the parent, `(stack)` for the root. */
  readonly parent: string;
  /** Without stack and project: types of the parents, type and name. */
  readonly urn: string;
  /** Former names: `<name> in <parent>`. */
  readonly aliases: readonly string[];
  readonly custom: boolean;
  readonly protect: boolean;
  readonly dependsOn: readonly string[];
  readonly ignoreChanges: readonly string[];
  readonly replaceOnChanges: readonly string[];
  readonly additionalSecretOutputs: readonly string[];
  readonly deletedWith: string;
  readonly retainOnDelete: boolean;
  /** Id of the imported resource; empty for none. */
  readonly importId: string;
  /** Hooks that the engine calls before an update. */
  readonly beforeUpdate: readonly string[];
  /** Inputs as sent to the engine: secrets in their envelope. */
  readonly inputs: Readonly<Record<string, unknown>>;
}

export interface ProgramRun {
  /** The error of a program that did not run to its end. */
  readonly error: unknown;
  readonly registrations: readonly Registration[];
  find(type: string, name: string): Registration;
}

let runs = 0;

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
  runs += 1;
  // The SDK takes a stack trace for each promise and resource, and Vitest maps each through source maps: a third of the time of a run.
  const { prepareStackTrace } = Error;
  Reflect.deleteProperty(Error, "prepareStackTrace");
  // The query makes it another module, which is evaluated again; those that it imports are not.
  const error = await import(/* @vite-ignore */ `../../index.ts?run=${runs}`).then(
    () => undefined,
    (reason: unknown) => reason,
  );
  // Another internal function: it resolves when every registration has been answered.
  await (runtime as unknown as { waitForRPCs(): Promise<void> }).waitForRPCs();
  restore();
  Error.prepareStackTrace = prepareStackTrace;
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
  // The mocks announce support for hooks but do not implement it.
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
