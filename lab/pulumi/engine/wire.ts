import type { JavaScriptValue, Struct } from "google-protobuf/google/protobuf/struct_pb.js";
import { unknownValue } from "../providers/provider.ts";
import { struct } from "./proto.ts";
import { isList, isMap, type PropertyMap, ResourceReference, Secret, type Value } from "./values.ts";

// Pulumi's signatures, from sdk/nodejs/runtime/rpc.ts of @pulumi/pulumi 3.270.0.
/** The property name that marks an object as something other than a plain map. */
export const signatureKey = "4dabf18193072939515e22adb298388d";
/** The signature of secrets, on the wire and in the state. */
export const secretSignature = "1b47061264138c4ac30d75fd1eb44270";
/** The signature of resource references. */
export const resourceSignature = "5cf8f73096256a8f31e491e813e4eb8e";
const outputSignature = "d0e6a833031e9bbcd3f4e8bde6ca49a4";
const assetSignature = "c44067f5952c0a294b673a41bacd8c17";
const archiveSignature = "0def7320c3a5731c473e5ecbe6d01bc7";

/** The placeholders for unknown values on the wire: Pulumi has one per type and treats them alike. */
const unknownSentinels: ReadonlySet<string> = new Set([
  "04da6b54-80e4-46f7-96ec-b56ff0331ba9", // string; this one is sent
  "1c4a061d-8072-4f0a-a4cb-0ff528b18fe7", // bool
  "3eeb2bf0-c639-47a8-9e75-3b44932eb421", // number
  "6a19a0b0-7e62-4c92-b797-7f8e31da9cc2", // array
  "030794c1-ac77-496b-92df-f27374a8bd58", // asset
  "e48ece36-62e2-4504-bad9-02848725956a", // archive
  "dd056dcd-154b-4c76-9bd3-c8f88648b5ff", // object
]);
const unknownSentinel = "04da6b54-80e4-46f7-96ec-b56ff0331ba9";

/** Options of {@link fromWire}. */
interface FromWire {
  /** Called with the URNs that an output value depends on. */
  readonly dependency?: (urn: string) => void;
  /** Description of the value, for errors. */
  readonly label: string;
}

/** Reads one value as JavaScript from the wire. Throws for assets and archives. */
export function valueFromWire(raw: JavaScriptValue | undefined, options: FromWire): Value {
  if (raw === undefined || raw === null) return null;
  if (typeof raw === "string") return unknownSentinels.has(raw) ? unknownValue : raw;
  if (typeof raw !== "object") return raw;
  if (Array.isArray(raw)) return raw.map((element) => valueFromWire(element, options));
  const map = raw as { [key: string]: JavaScriptValue };
  const signature = map[signatureKey];
  if (signature === undefined) return mapFromWire(map, options);
  switch (signature) {
    case secretSignature:
      return asSecret(valueFromWire(map.value, options));
    case resourceSignature: {
      const id =
        map.id === undefined ? undefined : map.id === "" ? unknownValue : valueFromWire(map.id, options);
      return new ResourceReference(String(map.urn ?? ""), id, String(map.packageVersion ?? ""));
    }
    case outputSignature: {
      if (Array.isArray(map.dependencies))
        for (const urn of map.dependencies) options.dependency?.(String(urn));
      const element = "value" in map ? valueFromWire(map.value, options) : unknownValue;
      return map.secret === true ? asSecret(element) : element;
    }
    case assetSignature:
    case archiveSignature:
      throw new Error(`${options.label}: the lab's engine does not support assets and archives`);
    default:
      throw new Error(
        `${options.label}: unrecognized signature ${JSON.stringify(signature)} in a property value`,
      );
  }
}

function asSecret(element: Value): Secret {
  return element instanceof Secret ? element : new Secret(element);
}

function mapFromWire(map: { [key: string]: JavaScriptValue }, options: FromWire): PropertyMap {
  const result: Record<string, Value> = {};
  for (const [key, value] of Object.entries(map)) result[key] = valueFromWire(value, options);
  return result;
}

/** Reads a property map from a protobuf struct; absent structs are empty maps. */
export function fromWire(message: Struct | undefined, options: FromWire): PropertyMap {
  return message === undefined ? {} : mapFromWire(message.toJavaScript(), options);
}

/** Options of {@link toWire}. */
export interface ToWire {
  /** False drops unknown properties, as Pulumi does outside of previews. */
  readonly keepUnknowns: boolean;
  readonly keepSecrets: boolean;
  readonly keepResources: boolean;
}

function valueToWire(value: Value, options: ToWire): JavaScriptValue | undefined {
  if (value === unknownValue) return options.keepUnknowns ? unknownSentinel : undefined;
  if (value instanceof Secret) {
    const element = valueToWire(value.element, options);
    if (!options.keepSecrets || element === undefined) return element;
    return { [signatureKey]: secretSignature, value: element };
  }
  if (value instanceof ResourceReference) {
    const id = value.id === unknownValue ? "" : value.id;
    if (!options.keepResources) {
      // Receivers that do not support references get the id, or the URN of a component, as in Pulumi.
      if (value.id === undefined) return value.urn;
      return valueToWire(value.id, { ...options, keepUnknowns: true });
    }
    const reference: { [key: string]: JavaScriptValue } = {
      [signatureKey]: resourceSignature,
      urn: value.urn,
    };
    if (typeof id === "string") reference.id = id;
    if (value.packageVersion !== "") reference.packageVersion = value.packageVersion;
    return reference;
  }
  if (isList(value)) return value.map((element) => valueToWire(element, options) ?? null);
  if (isMap(value)) return mapToWire(value, options);
  return value;
}

function mapToWire(map: PropertyMap, options: ToWire): { [key: string]: JavaScriptValue } {
  const result: { [key: string]: JavaScriptValue } = {};
  for (const [key, value] of Object.entries(map)) {
    const raw = valueToWire(value, options);
    if (raw !== undefined) result[key] = raw;
  }
  return result;
}

/** Writes a property map as a protobuf struct. */
export function toWire(map: PropertyMap, options: ToWire): Struct {
  return struct.Struct.fromJavaScript(mapToWire(map, options));
}
