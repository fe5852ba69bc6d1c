import { unknownValue } from "../providers/provider.ts";

/** A property value marked as secret. Its element is never printed and is encrypted in the state. */
export class Secret {
  readonly element: Value;
  constructor(element: Value) {
    this.element = element;
  }
}

/** A reference to another resource, as programs pass whole resources as properties. */
export class ResourceReference {
  readonly urn: string;
  /** Undefined for components; {@link unknownValue} in previews. */
  readonly id: Value | undefined;
  readonly packageVersion: string;
  constructor(urn: string, id: Value | undefined, packageVersion: string) {
    this.urn = urn;
    this.id = id;
    this.packageVersion = packageVersion;
  }
}

/** A property value inside the engine. */
export type Value =
  | null
  | boolean
  | number
  | string
  | typeof unknownValue
  | Secret
  | ResourceReference
  | readonly Value[]
  | PropertyMap;
/** Property names to values. Never holds undefined. */
export type PropertyMap = { readonly [key: string]: Value };

/** True for objects that are plain maps of properties. */
export function isMap(value: Value | undefined): value is PropertyMap {
  return (
    typeof value === "object" &&
    value !== null &&
    !Array.isArray(value) &&
    !(value instanceof Secret) &&
    !(value instanceof ResourceReference)
  );
}

/** True for arrays (a narrowing that TypeScript's own check does not give for readonly arrays). */
export function isList(value: Value | undefined): value is readonly Value[] {
  return Array.isArray(value);
}

function some(value: Value, test: (value: Value) => boolean): boolean {
  if (test(value)) return true;
  if (value instanceof Secret) return some(value.element, test);
  if (value instanceof ResourceReference) return value.id !== undefined && some(value.id, test);
  if (isList(value)) return value.some((element) => some(element, test));
  if (isMap(value)) return Object.values(value).some((element) => some(element, test));
  return false;
}

/** True when the value is, or contains, something that this preview does not know. */
export function containsUnknown(value: Value): boolean {
  return some(value, (part) => part === unknownValue);
}

/** True when the value is, or contains, a secret. */
export function containsSecret(value: Value): boolean {
  return some(value, (part) => part instanceof Secret);
}

/** The value without its secret marks. */
export function reveal(value: Value): Value {
  if (value instanceof Secret) return reveal(value.element);
  if (isList(value)) return value.map(reveal);
  if (isMap(value)) return revealMap(value);
  return value;
}

/** {@link reveal} for all properties of a map. */
function revealMap(map: PropertyMap): PropertyMap {
  return Object.fromEntries(Object.entries(map).map(([key, value]) => [key, reveal(value)]));
}

/** Deep equality; a secret equals only a secret. */
export function equal(a: Value | undefined, b: Value | undefined): boolean {
  if (a === b) return true;
  if (a === undefined || b === undefined) return false;
  if (a instanceof Secret || b instanceof Secret) {
    return a instanceof Secret && b instanceof Secret && equal(a.element, b.element);
  }
  if (a instanceof ResourceReference || b instanceof ResourceReference) {
    return (
      a instanceof ResourceReference && b instanceof ResourceReference && a.urn === b.urn && equal(a.id, b.id)
    );
  }
  if (isList(a) || isList(b)) {
    return isList(a) && isList(b) && a.length === b.length && a.every((element, i) => equal(element, b[i]));
  }
  if (isMap(a) && isMap(b)) {
    const keys = Object.keys(a);
    return keys.length === Object.keys(b).length && keys.every((key) => equal(a[key], b[key]));
  }
  return false;
}

/** Names of the top-level properties that differ, secret marks aside. */
export function changedKeys(olds: PropertyMap, news: PropertyMap): string[] {
  const keys = new Set([...Object.keys(olds), ...Object.keys(news)]);
  const plain = (value: Value | undefined) => (value === undefined ? undefined : reveal(value));
  return [...keys].filter((key) => !equal(plain(olds[key]), plain(news[key]))).sort();
}

/**
 * Copies secret marks from a provider's inputs to its outputs, for providers that do not support secrets. Objects
 * are compared property by property; anything else that contained a secret makes the whole answer secret, because
 * providers treat arrays as sets, so that a value may have another position.
 */
export function markEchoedSecrets(answer: PropertyMap, given: PropertyMap): PropertyMap {
  const marked: Record<string, Value> = { ...answer };
  for (const [key, value] of Object.entries(given)) {
    const echoed = marked[key];
    if (echoed === undefined || echoed instanceof Secret) continue;
    if (isMap(echoed) && isMap(value)) marked[key] = markEchoedSecrets(echoed, value);
    else if (containsSecret(value)) marked[key] = new Secret(echoed);
  }
  return marked;
}

/** Calls `found` with every string inside a secret, so that it can be masked in output. */
export function collectSecrets(value: Value, found: (text: string) => void, inside = false): void {
  if (value instanceof Secret) collectSecrets(value.element, found, true);
  else if (isList(value)) for (const element of value) collectSecrets(element, found, inside);
  else if (isMap(value)) for (const element of Object.values(value)) collectSecrets(element, found, inside);
  else if (inside && typeof value === "string") found(value);
}
