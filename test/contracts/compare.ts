/** Finds differences between the lab's provider and the recording of the real plugin. */
import { isDeepStrictEqual } from "node:util";
import {
  isList,
  isMap,
  type PropertyMap,
  reveal,
  Secret,
  type Value,
} from "../../lab/pulumi/engine/values.ts";
import {
  type CaseAnswer,
  type ChangeAnswer,
  type CheckAnswer,
  type DiffAnswer,
  type Done,
  isRefused,
  succeeded,
} from "./format.ts";

/** One difference: where, and both sides. */
export interface Difference {
  readonly where: string;
  readonly real: string;
  readonly lab: string;
}

/** Pulumi's bridge keeps notes of its own in inputs and outputs; a program never sees them. */
const isNote = (key: string) => key.startsWith("__");

const isEmpty = (value: Value) =>
  value === null ||
  value === "" ||
  value === 0 ||
  value === false ||
  (isList(value) && value.length === 0) ||
  (isMap(value) && Object.keys(value).length === 0);

/**
 * What was written, without what the plugin filled in by itself: the bridge writes Terraform's defaults into the inputs and notes
 * their names. A name that it makes up stays.
 */
export function written(value: Value): Value {
  if (value instanceof Secret) return new Secret(written(value.element));
  if (isList(value)) return value.map(written);
  if (!isMap(value)) return value;
  const filled = isList(value.__defaults) ? value.__defaults : [];
  return Object.fromEntries(
    Object.entries(value)
      .filter(([key, inner]) => !isNote(key) && inner !== null && (key === "name" || !filled.includes(key)))
      .map(([key, inner]) => [key, written(inner)]),
  );
}

const shown = (value: unknown) => JSON.stringify(value) ?? "absent";

const inOrder = (items: readonly Value[]) =>
  items.some(isMap) ? [...items].sort((a, b) => (shown(a) < shown(b) ? -1 : 1)) : items;

/**
 * Without notes, secret marks and what is empty: `false`, 0 and a missing property are one to Terraform's schemas. Lists of objects
 * are sets there, nearly all, and come in any order.
 */
function plain(value: Value): Value {
  if (value instanceof Secret) return plain(value.element);
  if (isList(value)) return inOrder(value.map(plain));
  if (!isMap(value)) return value;
  return Object.fromEntries(
    Object.entries(value)
      .filter(([key]) => !isNote(key))
      .map(([key, inner]) => [key, plain(inner)] as const)
      .filter(([, inner]) => !isEmpty(inner))
      .sort(([a], [b]) => (a < b ? -1 : 1)),
  );
}

const topLevel = (path: string) => /^[^.[]+/.exec(path)?.[0] ?? path;
const tops = (paths: readonly string[]) => [...new Set(paths.map(topLevel))].sort();

/**
 * A diff in the words that an engine acts on. Some plugins name what they compute as well, since that is unknown until the change
 * is made; what counts is what was written, in `inputs`.
 */
function meaning(
  { changes, changedKeys, replaceKeys, detailed = {}, deleteBeforeReplace }: DiffAnswer,
  inputs: readonly string[],
): string {
  if (changes === "none") return "no change";
  const paths = Object.keys(detailed);
  const changed = tops([...changedKeys, ...paths]).filter((key) => inputs.includes(key));
  const named = tops([...replaceKeys, ...paths.filter((path) => detailed[path])]);
  // Where the bridge names nothing but its notes (`__meta`), all of the change replaces.
  const replacing = named.length > 0 && named.every(isNote) ? changed : named;
  const order = replacing.length > 0 && deleteBeforeReplace ? ", the old one deleted first" : "";
  return `${changes} changes: ${changed.join(", ") || "unnamed"}; replacing: ${replacing.join(", ") || "none"}${order}`;
}

/** Compares the answers of one case, as far as both have them. */
export function compareCase(real: CaseAnswer, lab: Partial<CaseAnswer>): Difference[] {
  const differences: Difference[] = [];
  const note = (where: string, expected: unknown, got: unknown) => {
    if (isDeepStrictEqual(expected, got)) return;
    const text = (value: unknown) => (typeof value === "string" ? value : shown(value));
    differences.push({ where, real: text(expected), lab: text(got) });
  };
  const noteMap = (where: string, expected: PropertyMap, got: PropertyMap) => {
    for (const key of [...new Set([...Object.keys(expected), ...Object.keys(got)])].sort())
      note(`${where}.${key}`, expected[key], got[key]);
  };
  const noteCheck = (where: string, expected: CheckAnswer, got: CheckAnswer) => {
    note(where, isRefused(expected) ? "refused" : "taken", isRefused(got) ? "refused" : "taken");
    if (!isRefused(expected) && !isRefused(got))
      noteMap(
        where,
        written(reveal(expected.inputs)) as PropertyMap,
        written(reveal(got.inputs)) as PropertyMap,
      );
  };
  const noteDiff = (
    where: string,
    expected: Done<DiffAnswer> | undefined,
    got: Done<DiffAnswer> | undefined,
    news: PropertyMap = {},
  ) => {
    if (expected === undefined || got === undefined) return;
    const inputs = Object.keys({ ...real.check.inputs, ...news });
    const say = (answer: Done<DiffAnswer>) =>
      succeeded<DiffAnswer>(answer) ? meaning(answer, inputs) : "fails";
    note(where, say(expected), say(got));
  };
  const noteOutputs = (
    where: string,
    expected: Done<{ outputs: PropertyMap }> | undefined,
    got: Done<{ outputs: PropertyMap }> | undefined,
  ) => {
    if (expected === undefined || got === undefined) return;
    note(where, succeeded(expected) ? "succeeds" : "fails", succeeded(got) ? "succeeds" : "fails");
    if (!succeeded(expected) || !succeeded(got)) return;
    const { id, ...outputs } = plain(expected.outputs) as PropertyMap;
    const { id: _, ...others } = plain(got.outputs) as PropertyMap;
    noteMap(where, outputs, others);
  };
  noteCheck("check", real.check, lab.check ?? real.check);
  noteOutputs("create", real.created, lab.created);
  noteDiff("the same again", real.unchanged, lab.unchanged);
  noteOutputs("read", real.read, lab.read);
  noteDiff("the same again after a read", real.unchangedAfterRead, lab.unchangedAfterRead);
  for (const [name, change] of Object.entries(real.changes)) {
    const other: ChangeAnswer | undefined = lab.changes?.[name];
    if (other === undefined) continue;
    noteCheck(`${name}: check`, change.check, other.check);
    noteDiff(`${name}: diff`, change.diff, other.diff, change.check.inputs);
    noteOutputs(`${name}: update`, change.updated, other.updated);
  }
  if (real.deleted !== undefined && lab.deleted !== undefined)
    note(
      "delete",
      succeeded(real.deleted) ? "succeeds" : "fails",
      succeeded(lab.deleted) ? "succeeds" : "fails",
    );
  return differences;
}
