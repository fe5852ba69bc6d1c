import { createHash } from "node:crypto";
import { type Crypter, newCrypter, openCrypter } from "../../../ops/passphrase.ts";
import type {
  CustomTimeouts,
  Deployment,
  HookNames,
  OperationType,
  ResourceState,
} from "./resource-state.ts";
import { isList, isMap, type PropertyMap, ResourceReference, Secret, type Value } from "./values.ts";
import { resourceSignature, secretSignature, signatureKey, valueFromWire } from "./wire.ts";

// The version that is written into the manifest. It identifies the writer, not a Pulumi release.
const manifestVersion = "v3.270.0";

// The feature that requires format version 4.
const hooksFeature = "hooks";

type Json = { [key: string]: unknown };

function valueToJson(value: Value, crypter: Crypter): unknown {
  if (value instanceof Secret) {
    const plaintext = JSON.stringify(valueToJson(value.element, crypter));
    return { [signatureKey]: secretSignature, ciphertext: encryptOnce(value, plaintext, crypter) };
  }
  if (value instanceof ResourceReference) {
    const reference: Json = { [signatureKey]: resourceSignature, urn: value.urn };
    if (value.id !== undefined) reference.id = valueToJson(value.id, crypter);
    if (value.packageVersion !== "") reference.packageVersion = value.packageVersion;
    return reference;
  }
  if (isList(value)) return value.map((element) => valueToJson(element, crypter));
  if (isMap(value)) return propertiesToJson(value, crypter);
  if (typeof value === "symbol") throw new Error("an unknown value cannot be recorded in the state");
  return value;
}

// An unchanged secret keeps its ciphertext, so that checkpoints differ only where something changed.
const ciphertexts = new WeakMap<Secret, { crypter: Crypter; ciphertext: string }>();

function encryptOnce(secret: Secret, plaintext: string, crypter: Crypter): string {
  const known = ciphertexts.get(secret);
  if (known?.crypter === crypter) return known.ciphertext;
  const ciphertext = crypter.encrypt(plaintext);
  ciphertexts.set(secret, { crypter, ciphertext });
  return ciphertext;
}

function propertiesToJson(map: PropertyMap, crypter: Crypter): Json {
  return Object.fromEntries(Object.entries(map).map(([key, value]) => [key, valueToJson(value, crypter)]));
}

function valueFromJson(raw: unknown, crypter: Crypter): Value {
  if (typeof raw !== "object" || raw === null) return valueFromWire(raw as string, { label: "state" });
  if (Array.isArray(raw)) return raw.map((element) => valueFromJson(element, crypter));
  const map = raw as Json;
  if (map[signatureKey] === secretSignature) {
    const ciphertext = String(map.ciphertext);
    const secret = new Secret(valueFromJson(JSON.parse(crypter.decrypt(ciphertext)), crypter));
    ciphertexts.set(secret, { crypter, ciphertext });
    return secret;
  }
  if (map[signatureKey] !== undefined) return valueFromWire(map, { label: "state" });
  return Object.fromEntries(Object.entries(map).map(([key, value]) => [key, valueFromJson(value, crypter)]));
}

function propertiesFromJson(raw: unknown, crypter: Crypter): PropertyMap {
  return Object.fromEntries(
    Object.entries((raw ?? {}) as Json).map(([key, value]) => [key, valueFromJson(value, crypter)]),
  );
}

function resourceToJson(state: ResourceState, crypter: Crypter): Json {
  const json: Json = { urn: state.urn, custom: state.custom };
  const put = (key: string, value: unknown, present: boolean) => {
    if (present) json[key] = value;
  };
  put("delete", true, state.delete);
  put("id", state.id, state.id !== "");
  put("importID", state.importId, state.importId !== "");
  json.type = state.type;
  put("inputs", propertiesToJson(state.inputs, crypter), Object.keys(state.inputs).length > 0);
  put("outputs", propertiesToJson(state.outputs, crypter), Object.keys(state.outputs).length > 0);
  for (const key of ["parent", "provider", "deletedWith", "created", "modified"] as const) {
    put(key, state[key], state[key] !== undefined && state[key] !== "");
  }
  for (const key of ["protect", "external", "pendingReplacement", "retainOnDelete"] as const) {
    put(key, true, state[key]);
  }
  for (const key of [
    "dependencies",
    "initErrors",
    "additionalSecretOutputs",
    "ignoreChanges",
    "replaceOnChanges",
  ] as const) {
    put(key, state[key], state[key].length > 0);
  }
  put("propertyDependencies", state.propertyDependencies, Object.keys(state.propertyDependencies).length > 0);
  put(
    "replacementTrigger",
    valueToJson(state.replacementTrigger, crypter),
    state.replacementTrigger !== null,
  );
  put("customTimeouts", state.customTimeouts, Object.keys(state.customTimeouts).length > 0);
  put("resourceHooks", state.hooks, Object.keys(state.hooks).length > 0);
  return json;
}

function resourceFromJson(json: Json, crypter: Crypter): ResourceState {
  const text = (key: string) => String(json[key] ?? "");
  const texts = (key: string) => ((json[key] ?? []) as unknown[]).map(String);
  for (const key of ["viewOf", "replaceWith", "taint", "extensionRef"]) {
    if (json[key]) throw new Error(`${text("urn")}: the lab's engine does not support "${key}" in the state`);
  }
  return {
    urn: text("urn"),
    type: text("type"),
    custom: json.custom === true,
    id: text("id"),
    importId: text("importID"),
    inputs: propertiesFromJson(json.inputs, crypter),
    outputs: propertiesFromJson(json.outputs, crypter),
    parent: text("parent"),
    protect: json.protect === true,
    delete: json.delete === true,
    pendingReplacement: json.pendingReplacement === true,
    external: json.external === true,
    retainOnDelete: json.retainOnDelete === true,
    deletedWith: text("deletedWith"),
    provider: text("provider"),
    dependencies: texts("dependencies"),
    propertyDependencies: { ...((json.propertyDependencies ?? {}) as Record<string, string[]>) },
    initErrors: texts("initErrors"),
    additionalSecretOutputs: texts("additionalSecretOutputs"),
    aliases: texts("aliases"),
    ignoreChanges: texts("ignoreChanges"),
    replaceOnChanges: texts("replaceOnChanges"),
    replacementTrigger: valueFromJson(json.replacementTrigger ?? null, crypter),
    customTimeouts: { ...((json.customTimeouts ?? {}) as CustomTimeouts) },
    hooks: { ...((json.resourceHooks ?? {}) as HookNames) },
    created: json.created === undefined ? undefined : text("created"),
    modified: json.modified === undefined ? undefined : text("modified"),
  };
}

/** The deployment as JSON text in Pulumi's format (version 3; 4 where it has hooks), which `pulumi stack import` accepts. */
export function encodeDeployment(deployment: Deployment): string {
  const { crypter } = deployment;
  const body: Json = {
    manifest: {
      time: new Date().toISOString(),
      magic: createHash("sha256").update(manifestVersion).digest("hex"),
      version: manifestVersion,
    },
    secrets_providers: { type: "passphrase", state: { salt: crypter.salt } },
    resources: deployment.resources.map((state) => resourceToJson(state, crypter)),
  };
  if (deployment.pendingOperations.length > 0) {
    body.pending_operations = deployment.pendingOperations.map((operation) => ({
      resource: resourceToJson(operation.resource, crypter),
      type: operation.type,
    }));
  }
  const hooked = deployment.resources.some((state) => Object.keys(state.hooks).length > 0);
  const format = hooked ? { version: 4, features: [hooksFeature] } : { version: 3 };
  return `${JSON.stringify({ ...format, deployment: body }, null, 2)}\n`;
}

/** The salt of a deployment's secrets; undefined where the text has none, is none, or is not one of JSON. */
export function saltOf(text: string): string | undefined {
  try {
    return JSON.parse(text).deployment.secrets_providers.state.salt;
  } catch {
    return undefined;
  }
}

/** Reads what {@link encodeDeployment} or `pulumi stack export` wrote. Throws when the passphrase is wrong. */
export function decodeDeployment(text: string, passphrase: string): Deployment {
  const outer = JSON.parse(text) as Json;
  const features = (outer.features ?? []) as string[];
  if (![3, 4].includes(Number(outer.version)) || features.some((feature) => feature !== hooksFeature)) {
    throw new Error(
      `format version ${JSON.stringify(outer.version)} with the features [${features}]; ` +
        `the lab's engine reads versions 3 and 4 with no feature but "${hooksFeature}"`,
    );
  }
  const body = (outer.deployment ?? {}) as Json;
  const provider = body.secrets_providers as { type?: string; state?: { salt?: string } } | undefined;
  if (provider?.type !== undefined && provider.type !== "passphrase") {
    throw new Error(
      `the state's secrets provider is "${provider.type}"; the lab's engine reads "passphrase"`,
    );
  }
  const salt = provider?.state?.salt;
  const crypter = salt === undefined ? newCrypter(passphrase) : openCrypter(passphrase, salt);
  const resources = ((body.resources ?? []) as Json[]).map((json) => resourceFromJson(json, crypter));
  const pending = (body.pending_operations ?? []) as { type: OperationType; resource: Json }[];
  return {
    crypter,
    resources,
    pendingOperations: pending.map(({ type, resource }) => ({
      type,
      resource: resourceFromJson(resource, crypter),
    })),
  };
}
