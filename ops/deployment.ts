/**
 * A stack's deployment as `pulumi stack export` writes it, read without decrypting: secrets stay ciphertext. Version
 * 3, or 4, which has a list of additional features: `hooks` are the names of the program's resource hooks.
 */

export type Json =
  | null
  | boolean
  | number
  | string
  | readonly Json[]
  | { readonly [key: string]: Json | undefined };
export type JsonObject = { readonly [key: string]: Json | undefined };

export interface StateResource extends JsonObject {
  readonly urn: string;
  readonly type: string;
  readonly custom?: boolean;
  readonly id?: string;
  /** Replaced, still there, to be deleted by the next run without errors. */
  readonly delete?: boolean;
  readonly inputs?: JsonObject;
  readonly outputs?: JsonObject;
  readonly provider?: string;
}

export interface PendingOperation extends JsonObject {
  readonly type: "creating" | "updating" | "deleting" | "reading" | "importing";
  readonly resource: StateResource;
}

export interface Deployment extends JsonObject {
  readonly version: number;
  readonly deployment: JsonObject & {
    readonly resources?: readonly StateResource[];
    readonly pending_operations?: readonly PendingOperation[];
  };
}

/** Marks a secret in the state; the value is Pulumi's constant. */
const signatureKey = "4dabf18193072939515e22adb298388d";

/**
 * Reads an exported deployment.
 * @throws when it is not one, or of an unknown version
 */
export function parseDeployment(text: string): Deployment {
  const parsed = JSON.parse(text) as Json;
  const outer = isObject(parsed) ? parsed : {};
  const features = Array.isArray(outer.features) ? outer.features : [];
  const known = outer.version === 3 || (outer.version === 4 && features.every((each) => each === "hooks"));
  if (!known || !isObject(outer.deployment)) {
    throw new Error(
      `this is no exported deployment of version 3, or of version 4 with hooks (version: ${JSON.stringify(outer.version) ?? "none"}, features: ${JSON.stringify(features)})`,
    );
  }
  return parsed as Deployment;
}

export function resources(deployment: Deployment): readonly StateResource[] {
  return deployment.deployment.resources ?? [];
}

export function pendingOperations(deployment: Deployment): readonly PendingOperation[] {
  return deployment.deployment.pending_operations ?? [];
}

/** `urn:pulumi:production::berth::docker:index/service:Service::togather_app` is `togather_app`. */
export function resourceName(urn: string): string {
  return urn.slice(urn.lastIndexOf("::") + 2);
}

/** The URN in a reference to a provider, `<urn>::<id>`. */
export function providerUrn(reference: string | undefined): string {
  return reference === undefined ? "" : reference.slice(0, Math.max(0, reference.lastIndexOf("::")));
}

export function isObject(value: Json | undefined): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

export function isSecret(value: Json | undefined): boolean {
  return isObject(value) && value[signatureKey] !== undefined;
}

/** A property as text: undefined when it is missing, secret or no single value. */
export function textOf(properties: JsonObject | undefined, key: string): string | undefined {
  const value = properties?.[key];
  return typeof value === "string" || typeof value === "number" ? String(value) : undefined;
}

/** A list of texts; the state of a provider resource keeps lists as JSON text. */
export function textsOf(properties: JsonObject | undefined, key: string): readonly string[] | undefined {
  const value = properties?.[key];
  const list = typeof value === "string" ? (JSON.parse(value) as Json) : value;
  return Array.isArray(list) && list.every((item) => typeof item === "string")
    ? (list as readonly string[])
    : undefined;
}
