/**
 * The inputs of a resource type, as a table from which `check` and `diff` are derived, so that all providers report
 * the same errors.
 */

import { isProperties, sameValue } from "./property-values.ts";
import {
  type CheckFailure,
  type DiffResult,
  type Properties,
  type PropertyValue,
  type ResourceRef,
  unknownValue,
} from "./provider.ts";

/** The shape of an input. */
type InputKind = "string" | "number" | "boolean" | "strings" | "string map" | "list" | "anything";

/** One input of a resource type. */
export interface InputRule {
  readonly kind: InputKind;
  /** Whether `check` fails without it. */
  readonly required?: boolean;
  /** Whether a change of it replaces the resource. */
  readonly replaces?: boolean;
  /** The value when it is left out; `check` does not write it into the inputs. */
  readonly default?: PropertyValue;
  /** The allowed values. */
  readonly allowed?: readonly string[];
  /** The smallest allowed number. */
  readonly minimum?: number;
  /** Whether the order of a list has no meaning. */
  readonly unordered?: boolean;
  /** Whether leaving it out keeps the resource's present value. */
  readonly computed?: boolean;
  /** Why the lab does not support it, although the real provider does. */
  readonly refused?: string;
}

/** Every input of one resource type, by name. */
export type InputRules = Readonly<Record<string, InputRule>>;

/**
 * Checks `news` against the rules: every unknown, missing, wrongly typed or unsupported input is one failure that names
 * what is allowed and never contains a value that may be secret. Unknown values pass. Nulls are dropped.
 */
export function checkInputs(
  type: string,
  rules: InputRules,
  news: Properties,
): { inputs: Properties; failures: CheckFailure[] } {
  const inputs: Record<string, PropertyValue> = {};
  const failures: CheckFailure[] = [];
  for (const [property, value] of Object.entries(news)) {
    // Pulumi's bridge keeps metadata such as `__defaults` in its inputs.
    if (value === undefined || value === null || property.startsWith("__")) continue;
    const rule = rules[property];
    const reason =
      rule === undefined
        ? `"${property}" is not an input of ${type}; use one of: ${Object.keys(rules).sort().join(", ")}`
        : wrong(rule, value);
    if (reason !== undefined) failures.push({ property, reason });
    inputs[property] = value;
  }
  for (const [property, rule] of Object.entries(rules)) {
    if (rule.required && inputs[property] === undefined) {
      failures.push({ property, reason: `missing required property "${property}" of ${type}` });
    }
  }
  return { inputs, failures };
}

/** The inputs, with defaults for those that are left out. */
export function withDefaults(rules: InputRules, inputs: Properties): Properties {
  const defaults = Object.entries(rules).filter(([, rule]) => rule.default !== undefined);
  return { ...Object.fromEntries(defaults.map(([key, rule]) => [key, rule.default])), ...inputs };
}

/**
 * Compares the resource (its outputs where present, otherwise its old inputs) with the new inputs. `deleteBeforeReplace`
 * is set by the caller.
 */
export function diffInputs(
  rules: InputRules,
  oldInputs: Properties,
  oldOutputs: Properties,
  news: Properties,
): DiffResult {
  const olds = withDefaults(rules, { ...oldInputs, ...oldOutputs });
  const wanted = withDefaults(rules, news);
  const changes = Object.entries(rules).flatMap(([key, rule]) => {
    if (rule.computed && (news[key] ?? undefined) === undefined) return [];
    return sameInput(rule, olds[key], wanted[key]) ? [] : [key];
  });
  return { changes, replaces: changes.filter((key) => rules[key]?.replaces) };
}

/** The key under which Pulumi's bridge lists, in each object of its inputs, the values that it generated. */
const notesKey = "__defaults";

/** Whether the name was generated: the bridge deletes a resource with an explicit name before it creates the replacement. */
export function isAutoNamed(inputs: Properties | undefined): boolean {
  const notes = inputs?.[notesKey];
  return Array.isArray(notes) && notes.includes("name");
}

/**
 * The inputs without nulls and without the bridge's metadata, which a state written by the real plugins has in every object.
 */
export function withoutNotes(inputs: Properties): Properties {
  const inner = (value: PropertyValue): PropertyValue => {
    if (Array.isArray(value)) return value.map(inner);
    if (!isProperties(value)) return value;
    const kept = Object.entries(value).filter(([key]) => key !== notesKey);
    return Object.fromEntries(kept.map(([key, each]) => [key, each === undefined ? undefined : inner(each)]));
  };
  return Object.fromEntries(
    Object.entries(inputs)
      .filter(([key, value]) => !key.startsWith("__") && value !== null && value !== undefined)
      .map(([key, value]) => [key, inner(value ?? null)]),
  );
}

/** The error for a type or function that the real provider has and the lab does not. */
export function notPartOfTheLab(token: string, has: readonly string[]): Error {
  return new Error(`${token} is not supported by the lab; its providers have: ${[...has].sort().join(", ")}`);
}

/**
 * The name of a resource that has none in its inputs: its previous name, otherwise the resource's name, a dash and seven hex
 * digits from the engine's seed, as in Pulumi's bridged providers.
 */
export function autoName(ref: ResourceRef, olds: Properties | undefined, randomSeed: Buffer): string {
  if (typeof olds?.name === "string") return olds.name;
  return `${ref.name}-${randomSeed.toString("hex").padEnd(7, "0").slice(0, 7)}`;
}

/** A string input; undefined when it is absent or unknown. */
export function text(properties: Properties, key: string): string | undefined {
  const value = properties[key];
  return typeof value === "string" ? value : undefined;
}

/** A list of strings; empty when it is absent. */
export function texts(properties: Properties, key: string): readonly string[] {
  const value = properties[key];
  return Array.isArray(value) ? value.filter((item) => typeof item === "string") : [];
}

function sameInput(
  rule: InputRule,
  olds: PropertyValue | undefined,
  news: PropertyValue | undefined,
): boolean {
  if (rule.unordered && Array.isArray(olds) && Array.isArray(news)) {
    return sameValue([...olds].sort(), [...news].sort());
  }
  // The real providers treat an empty list or map as absent.
  return sameValue(emptyAsAbsent(olds), emptyAsAbsent(news));
}

function emptyAsAbsent(value: PropertyValue | undefined): PropertyValue | undefined {
  if (value === null || (Array.isArray(value) && value.length === 0)) return undefined;
  return isProperties(value) && Object.keys(value).length === 0 ? undefined : value;
}

function wrong(rule: InputRule, value: PropertyValue): string | undefined {
  if (rule.refused !== undefined) return `is not supported by the lab: ${rule.refused}`;
  if (value === unknownValue) return undefined;
  if (!hasKind(rule.kind, value)) return `must be a ${rule.kind}, not a ${kindOf(value)}`;
  if (rule.allowed !== undefined && !rule.allowed.includes(String(value))) {
    return `must be one of ${rule.allowed.join(", ")}, not "${String(value)}"`;
  }
  if (rule.minimum !== undefined && typeof value === "number" && value < rule.minimum) {
    return `must be at least ${rule.minimum}, not ${value}`;
  }
  return undefined;
}

function hasKind(kind: InputKind, value: PropertyValue): boolean {
  const isText = (item: PropertyValue | undefined) => typeof item === "string" || item === unknownValue;
  switch (kind) {
    case "string":
    case "number":
    case "boolean":
      return typeof value === kind;
    case "strings":
      return Array.isArray(value) && value.every(isText);
    case "string map":
      return isProperties(value) && Object.values(value).every(isText);
    case "list":
      return Array.isArray(value);
    case "anything":
      return true;
  }
}

function kindOf(value: PropertyValue): string {
  if (Array.isArray(value)) return "list";
  return typeof value === "object" ? "map" : typeof value;
}
