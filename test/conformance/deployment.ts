import type { RecordedDeployment, RecordedResource } from "./format.ts";

/** Pulumi's key for values with a meaning of their own, and its value for secrets. */
const signatureKey = "4dabf18193072939515e22adb298388d";
const secretSignature = "1b47061264138c4ac30d75fd1eb44270";

/** The parts of Pulumi's deployment format (version 3) that are compared. */
export interface Deployment {
  readonly resources?: readonly Readonly<Record<string, unknown>>[];
  readonly pending_operations?: readonly {
    readonly resource: { readonly urn: string };
    readonly type: string;
  }[];
}

/**
 * Reduces a deployment to what two engines must agree on: no times, no order, nothing empty. Secrets must have been
 * decrypted to `plaintext` before (`pulumi stack export --show-secrets`).
 */
export function recordedDeployment(deployment: Deployment): RecordedDeployment {
  // A provider is referred to as urn::id, its id is random: the name of its resource says it all.
  const providerIds = new Map(
    (deployment.resources ?? [])
      .filter((resource) => String(resource.type).startsWith("pulumi:providers:"))
      .map((resource) => [String(resource.id), String(resource.urn).split("::").at(-1)]),
  );
  const provider = (reference: unknown): string | undefined => {
    if (typeof reference !== "string" || reference === "") return undefined;
    const parts = reference.split("::");
    return `${parts.slice(0, -1).join("::")}`;
  };
  const resources = (deployment.resources ?? []).map((resource): RecordedResource => {
    const id = resource.id === undefined ? undefined : String(resource.id);
    return compact({
      urn: String(resource.urn),
      id: id === undefined ? undefined : providerIds.has(id) ? "[provider]" : id,
      inputs: readableSecrets(resource.inputs ?? {}),
      outputs: readableSecrets(resource.outputs ?? {}),
      parent: resource.parent,
      provider: provider(resource.provider),
      dependencies: sorted(resource.dependencies),
      propertyDependencies: compactDependencies(resource.propertyDependencies),
      delete: resource.delete,
      protect: resource.protect,
      pendingReplacement: resource.pendingReplacement,
      retainOnDelete: resource.retainOnDelete,
      deletedWith: resource.deletedWith,
      aliases: sorted(resource.aliases),
      resourceHooks: resource.resourceHooks,
      additionalSecretOutputs: sorted(resource.additionalSecretOutputs),
      initErrors: sorted(resource.initErrors),
    }) as unknown as RecordedResource;
  });
  const key = (resource: RecordedResource) => `${resource.urn} ${resource.delete ?? ""} ${resource.id ?? ""}`;
  return {
    resources: resources.sort((a, b) => (key(a) < key(b) ? -1 : 1)),
    pendingOperations: (deployment.pending_operations ?? [])
      .map((operation) => `${operation.type} ${operation.resource.urn}`)
      .sort(),
  };
}

function readableSecrets(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(readableSecrets);
  if (typeof value !== "object" || value === null) return value;
  const object = value as Record<string, unknown>;
  if (object[signatureKey] === secretSignature) {
    const text = object.plaintext;
    return {
      "[secret]":
        typeof text === "string" ? readableSecrets(JSON.parse(text)) : readableSecrets(object.value),
    };
  }
  return Object.fromEntries(
    Object.entries(object)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([name, item]) => [name, readableSecrets(item)]),
  );
}

function sorted(value: unknown): readonly string[] | undefined {
  return Array.isArray(value) && value.length > 0 ? value.map(String).sort() : undefined;
}

function compactDependencies(value: unknown): unknown {
  if (typeof value !== "object" || value === null) return undefined;
  const entries = Object.entries(value)
    .map(([property, urns]) => [property, sorted(urns)] as const)
    .filter(([, urns]) => urns !== undefined)
    .sort(([a], [b]) => (a < b ? -1 : 1));
  return entries.length > 0 ? Object.fromEntries(entries) : undefined;
}

function compact(object: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(object).filter(([, value]) => value !== undefined && value !== false),
  );
}
