/**
 * Converts Pulumi's wire values (`google.protobuf.Struct` with signatures and sentinels) to and from plain {@link Properties}.
 */
import { createRequire } from "node:module";
import type * as structTypes from "google-protobuf/google/protobuf/struct_pb.js";
import { type Properties, type PropertyValue, unknownValue } from "./provider.ts";

/**
 * The messages must come from the copy of google-protobuf that Pulumi's stubs use, which may differ from the one at
 * the top of node_modules.
 */
export const pulumiRequire = createRequire(
  createRequire(import.meta.url).resolve("@pulumi/pulumi/package.json"),
);
const { Struct } = pulumiRequire("google-protobuf/google/protobuf/struct_pb.js") as typeof structTypes;

/** A message of `google.protobuf.Struct`. */
export type Struct = structTypes.Struct;

/** Marks an object as one of Pulumi's special values; from Pulumi's `resource.SigKey`. */
export const signatureKey = "4dabf18193072939515e22adb298388d";
/** The signatures of Pulumi's special values, from `@pulumi/pulumi/runtime/rpc`. */
export const signatures = {
  secret: "1b47061264138c4ac30d75fd1eb44270",
  output: "d0e6a833031e9bbcd3f4e8bde6ca49a4",
  resource: "5cf8f73096256a8f31e491e813e4eb8e",
  asset: "c44067f5952c0a294b673a41bacd8c17",
  archive: "0def7320c3a5731c473e5ecbe6d01bc7",
} as const;

/** The sentinel of an unknown string on the wire; other types have other sentinels. */
export const unknownString = "04da6b54-80e4-46f7-96ec-b56ff0331ba9";
const unknownSentinels: ReadonlySet<string> = new Set([
  unknownString,
  "1c4a061d-8072-4f0a-a4cb-0ff528b18fe7", // boolean
  "3eeb2bf0-c639-47a8-9e75-3b44932eb421", // number
  "6a19a0b0-7e62-4c92-b797-7f8e31da9cc2", // array
  "030794c1-ac77-496b-92df-f27374a8bd58", // asset
  "e48ece36-62e2-4504-bad9-02848725956a", // archive
  "dd056dcd-154b-4c76-9bd3-c8f88648b5ff", // object
]);

/** Whether `value` is a record of properties, not an array, null or unknown. */
export function isProperties(value: PropertyValue | undefined): value is Properties {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Whether `value` is or contains a value that is unknown in a preview. */
export function hasUnknown(value: PropertyValue | undefined): boolean {
  if (value === unknownValue) return true;
  if (Array.isArray(value)) return value.some(hasUnknown);
  return isProperties(value) && Object.values(value).some(hasUnknown);
}

/**
 * Decodes wire values: secrets and outputs are unwrapped, unknowns become {@link unknownValue}, a reference to a resource
 * becomes its id (its URN when it has none). Assets and archives stay plain objects.
 */
export function decodeProperties(message: Struct | undefined): Properties {
  if (message === undefined) return {};
  return decodeObject(message.toJavaScript() as Record<string, unknown>);
}

/** Encodes plain values; keys whose value is undefined are left out. Throws on numbers that JSON cannot carry. */
export function encodeProperties(properties: Properties): Struct {
  return structOf(encodeObject(properties));
}

/**
 * Like {@link encodeProperties}, but a value that equals the one in `original` is returned unchanged, so that secrets
 * in it stay wrapped. `others: "secret"` wraps every other value.
 */
export function encodeLike(
  properties: Properties,
  original: Struct | undefined,
  others: "plain" | "secret" = "plain",
): Struct {
  const wires = (original?.toJavaScript() ?? {}) as Record<string, unknown>;
  const encoded = Object.entries(encodeObject(properties)).map(([key, value]) => {
    if (key in wires && sameValue(decodeValue(wires[key]), properties[key])) return [key, wires[key]];
    return [key, others === "secret" ? { [signatureKey]: signatures.secret, value } : value];
  });
  return structOf(Object.fromEntries(encoded));
}

/** Whether anything in the message is wrapped as a secret. */
export function hasSecret(message: Struct | undefined): boolean {
  const secret = (value: unknown): boolean => {
    if (typeof value !== "object" || value === null) return false;
    if ((value as Record<string, unknown>)[signatureKey] === signatures.secret) return true;
    return Object.values(value).some(secret);
  };
  return secret(message?.toJavaScript());
}

function structOf(object: Record<string, unknown>): Struct {
  return Struct.fromJavaScript(object as Parameters<typeof structTypes.Struct.fromJavaScript>[0]);
}

function decodeObject(object: Record<string, unknown>): Properties {
  return Object.fromEntries(Object.entries(object).map(([key, value]) => [key, decodeValue(value)]));
}

function decodeValue(value: unknown): PropertyValue {
  if (value === null || value === undefined) return null;
  if (typeof value === "string") return unknownSentinels.has(value) ? unknownValue : value;
  if (typeof value === "boolean" || typeof value === "number") return value;
  if (Array.isArray(value)) return value.map(decodeValue);
  const object = value as Record<string, unknown>;
  switch (object[signatureKey]) {
    case undefined:
      return decodeObject(object);
    case signatures.secret:
      return decodeValue(object.value);
    case signatures.output:
      return "value" in object ? decodeValue(object.value) : unknownValue;
    case signatures.resource:
      return decodeValue(object.id ?? object.urn);
    case signatures.asset:
    case signatures.archive:
      return decodeObject(object);
    default:
      throw new Error(
        `a value carries the signature ${String(object[signatureKey])}, which is not supported`,
      );
  }
}

function encodeObject(object: Properties): Record<string, unknown> {
  const entries = Object.entries(object).filter(([, value]) => value !== undefined);
  return Object.fromEntries(entries.map(([key, value]) => [key, encodeValue(value as PropertyValue)]));
}

function encodeValue(value: PropertyValue): unknown {
  if (value === unknownValue) return unknownString;
  if (typeof value === "number" && !Number.isFinite(value)) {
    throw new Error(`a property is ${value}, which cannot be encoded`);
  }
  if (Array.isArray(value)) return value.map(encodeValue);
  return isProperties(value) ? encodeObject(value) : value;
}

/** Deep equality; an absent key equals an absent key only, and an unknown equals nothing, because it may be any value. */
export function sameValue(a: PropertyValue | undefined, b: PropertyValue | undefined): boolean {
  if (a === unknownValue || b === unknownValue) return false;
  if (Array.isArray(a) && Array.isArray(b)) {
    return a.length === b.length && a.every((item, index) => sameValue(item, b[index]));
  }
  if (isProperties(a) && isProperties(b)) return changedKeys(a, b).length === 0;
  return a === b;
}

/** The keys of either side whose values differ, sorted; null and absent count as the same. */
export function changedKeys(olds: Properties, news: Properties): string[] {
  const keys = [...new Set([...Object.keys(olds), ...Object.keys(news)])].sort();
  return keys.filter((key) => !sameValue(olds[key] ?? undefined, news[key] ?? undefined));
}

/**
 * A setting of a provider. Pulumi's SDKs send every setting that is not a string as JSON text (`"5432"`, `"true"`,
 * `"[\"-p\"]"`), so a setting that is expected to be anything else is decoded here; text that is no JSON stays text.
 */
export function configValue(inputs: Properties, key: string): PropertyValue | undefined {
  const value = inputs[key];
  if (typeof value !== "string") return value ?? undefined;
  try {
    return decodeValue(JSON.parse(value));
  } catch {
    return value;
  }
}
