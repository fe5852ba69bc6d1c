/**
 * The schema of nested inputs as a tree, with the rules of the Terraform provider that pulumi-docker bridges: defaults,
 * computed values, unordered lists, changes that replace. Check and diff are derived from it.
 */

import { hasUnknown, isProperties, sameValue } from "../property-values.ts";
import { type CheckFailure, type Properties, type PropertyValue, unknownValue } from "../provider.ts";

interface Common {
  readonly required?: boolean;
  /** When left out, the value that Docker reports is kept. */
  readonly computed?: boolean;
  /** A change of it replaces the resource. */
  readonly replaces?: boolean;
}

export interface ValueNode extends Common {
  readonly kind: "string" | "number" | "boolean" | "map";
  readonly default?: string | number | boolean;
  readonly pattern?: RegExp;
  /** A Go duration, 0 or more. */
  readonly duration?: boolean;
  /** A text that is compared as a number. */
  readonly ratio?: boolean;
  readonly minimum?: number;
}

export interface ListNode extends Common {
  readonly kind: "list" | "set";
  readonly of: Node;
}

export interface BlockNode extends Common {
  readonly kind: "block";
  readonly fields: Readonly<Record<string, Node>>;
}

export type Node = ValueNode | ListNode | BlockNode;

export const string: ValueNode = { kind: "string" };
export const number: ValueNode = { kind: "number", minimum: 0 };
export const boolean: ValueNode = { kind: "boolean" };
export const map: ValueNode = { kind: "map" };
export const duration: ValueNode = { kind: "string", duration: true };
export const list = (of: Node): ListNode => ({ kind: "list", of });
export const set = (of: Node): ListNode => ({ kind: "set", of });
export const block = (fields: Readonly<Record<string, Node>>, rest: Common = {}): BlockNode => ({
  kind: "block",
  fields,
  ...rest,
});

const goDuration = /^\+?(?:0|(?:\d+(?:\.\d*)?|\.\d+)(?:ns|us|µs|ms|s|m|h))+$/;
const unitNanoseconds: Readonly<Record<string, number>> = {
  ns: 1,
  us: 1e3,
  µs: 1e3,
  ms: 1e6,
  s: 1e9,
  m: 60e9,
  h: 3600e9,
};

/** A Go duration in nanoseconds; 0 for text that is not a duration, as in the provider. */
export function nanoseconds(text: PropertyValue | undefined): number {
  let sum = 0;
  for (const [, amount = "0", unit = "s"] of String(text ?? "").matchAll(/([\d.]+)(ns|us|µs|ms|s|m|h)/g)) {
    sum += Number(amount) * (unitNanoseconds[unit] ?? 0);
  }
  return Math.round(sum);
}

/** Nanoseconds as the provider writes them: `2s`, `1m`, `1h30m`, `500ms`. */
export function durationText(value: number): string {
  if (value === 0) {
    return "0s";
  }
  if (value < 1e9) {
    const [unit, size] = value < 1e3 ? ["ns", 1] : value < 1e6 ? ["µs", 1e3] : ["ms", 1e6];
    return `${value / Number(size)}${unit}`;
  }
  const seconds = value / 1e9;
  const hours = Math.floor(seconds / 3600);
  const minutes = Math.floor((seconds % 3600) / 60);
  const text = `${hours ? `${hours}h` : ""}${hours || minutes ? `${minutes}m` : ""}${Number((seconds % 60).toFixed(9))}s`;
  return text.replace(/m0s$/, "m").replace(/h0m$/, "h");
}

const absent = (value: PropertyValue | undefined): value is undefined | null =>
  value === undefined || value === null;

/** Whether Terraform's schemas cannot tell a value from one that was left out. */
export function isZero(value: PropertyValue | undefined): boolean {
  return (
    absent(value) ||
    value === "" ||
    value === 0 ||
    value === false ||
    (Array.isArray(value) && value.length === 0) ||
    (isProperties(value) && Object.values(value).every(isZero))
  );
}

/** Every problem of a value; messages never contain the value, which may be secret. */
export function check(node: Node, value: PropertyValue | undefined, path: string): CheckFailure[] {
  const fail = (reason: string): CheckFailure[] => [{ property: path, reason }];
  if (absent(value)) {
    return node.required ? fail("is required") : [];
  }
  if (value === unknownValue) {
    return [];
  }
  switch (node.kind) {
    case "block": {
      if (!isProperties(value)) {
        return fail("must be an object");
      }
      const unknown = Object.keys(value).filter((key) => !(key in node.fields));
      return [
        ...unknown.map((key) => ({
          property: `${path}.${key}`,
          reason: `is not supported by the lab; use one of: ${Object.keys(node.fields).sort().join(", ")}`,
        })),
        ...Object.entries(node.fields).flatMap(([key, field]) => check(field, value[key], `${path}.${key}`)),
      ];
    }
    case "list":
    case "set":
      return Array.isArray(value)
        ? value.flatMap((item, index) => check(node.of, item, `${path}[${index}]`))
        : fail("must be a list");
    case "map":
      return isProperties(value) &&
        Object.values(value).every((item) => typeof item === "string" || item === unknownValue)
        ? []
        : fail("must be a map of texts");
    default:
      return typeof value === node.kind
        ? checkText(node, value as string | number, fail)
        : fail(`must be a ${node.kind}`);
  }
}

function checkText(
  node: ValueNode,
  value: string | number,
  fail: (reason: string) => CheckFailure[],
): CheckFailure[] {
  if (node.duration && !goDuration.test(String(value))) {
    return fail("must be a duration such as 500ms, 2s or 1m");
  }
  if (node.pattern && !node.pattern.test(String(value))) {
    return fail(`must match ${node.pattern.source}`);
  }
  if (node.minimum !== undefined && typeof value === "number" && value < node.minimum) {
    return fail(`must be at least ${node.minimum}`);
  }
  return [];
}

/** The value with defaults for nested fields that are left out. */
export function complete(node: Node, value: PropertyValue | undefined): PropertyValue | undefined {
  if (absent(value)) {
    return "default" in node ? node.default : undefined;
  }
  if (node.kind === "block" && isProperties(value)) {
    const fields = Object.entries(node.fields).map(([key, field]) => [key, complete(field, value[key])]);
    return Object.fromEntries(fields.filter(([, inner]) => inner !== undefined)) as Properties;
  }
  if ((node.kind === "list" || node.kind === "set") && Array.isArray(value)) {
    return value.map((item) => complete(node.of, item) ?? null);
  }
  return value;
}

/** Without zero values and with sets in a fixed order, so that equivalent values are equal. */
function canonical(node: Node, value: PropertyValue | undefined): PropertyValue {
  if (absent(value) || value === unknownValue) {
    return value ?? null;
  }
  if (node.kind === "block" && isProperties(value)) {
    const fields = Object.keys(node.fields)
      .sort()
      .filter((key) => !isZero(value[key]))
      .map((key) => [key, canonical(node.fields[key] as Node, value[key])]);
    return Object.fromEntries(fields) as Properties;
  }
  if ((node.kind === "list" || node.kind === "set") && Array.isArray(value)) {
    const items = value.map((item) => canonical(node.of, item));
    return node.kind === "list" || hasUnknown(items)
      ? items
      : items.sort((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1));
  }
  return node.kind === "string" && node.ratio ? Number(value) : value;
}

function anyReplaces(node: Node): boolean {
  if (node.replaces) {
    return true;
  }
  if (node.kind === "block") {
    return Object.values(node.fields).some(anyReplaces);
  }
  return (node.kind === "list" || node.kind === "set") && anyReplaces(node.of);
}

/** Whether a value contains a non-empty field whose change replaces. */
function containsReplacing(node: Node, value: PropertyValue | undefined): boolean {
  if (absent(value) || isZero(value)) return false;
  if (node.replaces) return true;
  if (node.kind === "block") {
    return (
      isProperties(value) &&
      Object.entries(node.fields).some(([key, field]) => containsReplacing(field, value[key]))
    );
  }
  return (
    (node.kind === "list" || node.kind === "set") &&
    asList(value).some((item) => containsReplacing(node.of, item))
  );
}

const asList = (value: PropertyValue): readonly PropertyValue[] => (Array.isArray(value) ? value : []);

/** The items of a list that another list does not contain. */
const without = (list: readonly PropertyValue[], other: readonly PropertyValue[]) =>
  list.filter((item) => !other.some((each) => sameValue(each, item)));

/** The kind of difference: none, one that is updated in place, or one that replaces. */
type Difference = "same" | "update" | "replace";

/** Compares the properties that Docker reports (`state`) with the inputs (with defaults filled in). */
export function compare(
  node: Node,
  state: PropertyValue | undefined,
  wanted: PropertyValue | undefined,
): Difference {
  const differs = (replaces: boolean | undefined): Difference => (replaces ? "replace" : "update");
  if (absent(wanted)) {
    return node.computed || isZero(state) ? "same" : differs(anyReplaces(node));
  }
  if (wanted === unknownValue) {
    return differs(anyReplaces(node));
  }
  if (node.kind === "block") {
    const [before, after] = [isProperties(state) ? state : {}, isProperties(wanted) ? wanted : {}];
    const parts = Object.entries(node.fields).map(([key, field]) => compare(field, before[key], after[key]));
    if (node.replaces && absent(state)) {
      return "replace";
    }
    return parts.includes("replace") ? "replace" : parts.includes("update") ? "update" : "same";
  }
  if (node.kind === "set") {
    // An empty computed set keeps the existing value, like one that is left out.
    if (node.computed && isZero(wanted)) {
      return "same";
    }
    const before = canonical(node, state ?? []);
    const after = canonical(node, wanted);
    if (sameValue(before, after)) return "same";
    if (hasUnknown(after)) return differs(anyReplaces(node));
    // As in the real plugin: an item that is added or removed replaces only when it sets a field whose change replaces. A mount
    // without volume options is added in place, although a change of the labels of volume options replaces.
    const [had, has] = [asList(before), asList(after)];
    const changed = [...without(had, has), ...without(has, had)];
    return differs(node.replaces || changed.some((item) => containsReplacing(node.of, item)));
  }
  if (node.kind === "list") {
    const before: readonly PropertyValue[] = Array.isArray(state) ? state : [];
    const after: readonly PropertyValue[] = Array.isArray(wanted) ? wanted : [];
    const parts = Array.from({ length: Math.max(before.length, after.length) }, (_, index) =>
      index < after.length ? compare(node.of, before[index], after[index]) : differs(anyReplaces(node)),
    );
    return parts.includes("replace") ? "replace" : parts.includes("update") ? "update" : "same";
  }
  const before = canonical(node, state);
  const after = canonical(node, wanted);
  return sameValue(before, after) || (isZero(before) && isZero(after)) ? "same" : differs(node.replaces);
}
