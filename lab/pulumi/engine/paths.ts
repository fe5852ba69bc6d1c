import { isList, isMap, type PropertyMap, Secret, type Value } from "./values.ts";

/** A parsed property path: names, indexes and the wildcard `*`. */
type PropertyPath = readonly (string | number)[];

/**
 * Parses Pulumi's property paths: `root.nested`, `list[0].name`, `map["a key"]`, `list[*]`, `*`.
 * Throws when the path is malformed.
 */
export function parsePath(text: string): PropertyPath {
  const parts: (string | number)[] = [];
  let rest = text;
  const fail = (): never => {
    throw new Error(`"${text}" is not a property path; examples: a.b, list[0], map["key"], list[*].name`);
  };
  while (rest.length > 0) {
    const quoted = /^\["((?:[^"\\]|\\.)*)"\]/.exec(rest);
    const indexed = /^\[(\d+|\*)\]/.exec(rest);
    const named = parts.length === 0 ? /^([^.[\]]+)/.exec(rest) : /^\.([^.[\]]+)/.exec(rest);
    const match = quoted ?? indexed ?? named ?? fail();
    const word = match[1] ?? "";
    if (quoted) parts.push(word.replace(/\\(.)/g, "$1"));
    else if (indexed && word !== "*") parts.push(Number(word));
    else parts.push(word);
    rest = rest.slice(match[0].length);
  }
  if (parts.length === 0) fail();
  return parts;
}

/** True when `other` is `path` or lies below it. */
export function covers(path: PropertyPath, other: PropertyPath): boolean {
  return (
    path.length <= other.length && path.every((part, i) => part === "*" || String(part) === String(other[i]))
  );
}

const inner = (value: Value | undefined): Value | undefined =>
  value instanceof Secret ? value.element : value;

/** Undefined when the path exists in only one of the two, so that no old value can be restored. */
function restore(path: PropertyPath, old: Value, now: Value): Value | undefined {
  const [part, ...rest] = path;
  if (part === undefined) return old;
  const before = inner(old);
  const after = inner(now);
  const wrap = (value: Value): Value => (now instanceof Secret ? new Secret(value) : value);
  if (isList(before) && isList(after)) {
    if (part === "*" ? before.length !== after.length : typeof part !== "number") return undefined;
    const result: Value[] = [...after];
    for (const i of part === "*" ? after.keys() : [Number(part)]) {
      const was = before[i];
      const is = after[i];
      const restored = was === undefined || is === undefined ? undefined : restore(rest, was, is);
      if (restored === undefined) return undefined;
      result[i] = restored;
    }
    return wrap(result);
  }
  if (!isMap(before) || !isMap(after)) return undefined;
  const result: Record<string, Value> = { ...after };
  const keys = part === "*" ? [...new Set([...Object.keys(before), ...Object.keys(after)])] : [String(part)];
  for (const key of keys) {
    const was = before[key];
    const is = after[key];
    if (rest.length === 0 && part !== "*") {
      if (was === undefined) delete result[key];
      else result[key] = was;
    } else {
      if (was === undefined && is === undefined) continue;
      const restored = was === undefined || is === undefined ? undefined : restore(rest, was, is);
      if (restored === undefined) return undefined;
      result[key] = restored;
    }
  }
  return wrap(result);
}

/**
 * The new inputs with the old values at the paths of `ignoreChanges`. `invalid` names the paths that exist in
 * only one of the two (elements added or removed), which Pulumi reports and does not change.
 */
export function ignoreChanges(
  news: PropertyMap,
  olds: PropertyMap,
  paths: readonly string[],
): { inputs: PropertyMap; invalid: string[] } {
  let inputs = news;
  const invalid: string[] = [];
  for (const text of paths) {
    const restored = restore(parsePath(text), olds, inputs);
    if (isMap(restored)) inputs = restored;
    else invalid.push(text);
  }
  return { inputs, invalid };
}
