/** Makes the provider calls of a case, on the real plugin or the lab's provider. */
import { randomBytes } from "node:crypto";
import type { ProviderClient } from "../../lab/pulumi/engine/provider-client.ts";
import { isList, isMap, type PropertyMap, Secret, type Value } from "../../lab/pulumi/engine/values.ts";
import { thingNames } from "./backends.ts";
import {
  type CaseAnswer,
  type ChangeAnswer,
  type CheckAnswer,
  type ContractCase,
  type DiffAnswer,
  type Done,
  isRefused,
  succeeded,
  type Things,
  type TypeCases,
} from "./format.ts";

/** The engine's seed, from which a provider makes names: another one at each call, as an engine's is. */
const newSeed = () => randomBytes(32);
const operationSeconds = 60;

/** The resource of a case. */
export function targetOf(type: string, { name }: ContractCase) {
  const resource = name.replaceAll(/[^a-z0-9]+/g, "-");
  return { urn: `urn:pulumi:dev::berth::${type}::${resource}`, type, name: resource };
}

type Target = ReturnType<typeof targetOf>;

async function check(
  client: ProviderClient,
  target: Target,
  olds: PropertyMap,
  news: PropertyMap,
): Promise<CheckAnswer> {
  const answer = await attempt(() => client.check(target, olds, news, false, newSeed()));
  return succeeded(answer) ? answer : { inputs: {}, failures: [], ...answer };
}

async function diff(
  client: ProviderClient,
  target: Target,
  id: string,
  inputs: PropertyMap,
  outputs: PropertyMap,
  news: PropertyMap,
): Promise<Done<DiffAnswer>> {
  return attempt(async () => {
    const answer = await client.diff(target, id, inputs, outputs, news, [], false);
    if (answer === undefined) throw new Error(`${target.type}: the provider is not configured`);
    const { detailed, ...rest } = answer;
    return {
      ...rest,
      changedKeys: [...rest.changedKeys].sort(),
      replaceKeys: [...rest.replaceKeys].sort(),
      ...(detailed === undefined ? {} : { detailed: Object.fromEntries([...detailed].sort()) }),
    };
  });
}

async function attempt<T extends object>(work: () => Promise<T>): Promise<Done<T>> {
  try {
    return await work();
  } catch (error) {
    return { error: (error as Error).message };
  }
}

/** Old inputs and outputs, from which a change starts. */
export interface Start {
  readonly id: string;
  readonly inputs: PropertyMap;
  readonly outputs: PropertyMap;
}

/** What each change of a case would mean, and what the same inputs again would; nothing is changed. */
export async function askAbout(
  client: ProviderClient,
  type: string,
  contract: ContractCase,
  things: Things,
  start: Start,
) {
  const target = targetOf(type, contract);
  const written = contract.inputs(things);
  const about = async (news: PropertyMap) => {
    const checked = await check(client, target, start.inputs, news);
    if (isRefused(checked)) return { check: checked };
    return {
      check: checked,
      diff: await diff(client, target, start.id, start.inputs, start.outputs, checked.inputs),
    };
  };
  const changes: Record<string, ChangeAnswer> = {};
  for (const [name, change] of Object.entries(contract.changes ?? {}))
    changes[name] = await about(change(written));
  const { diff: unchanged } = await about(written);
  return { ...(unchanged === undefined ? {} : { unchanged }), changes };
}

/** The whole life of a case: checked, created, asked about, read, updated and deleted. */
export async function askAll(
  client: ProviderClient,
  type: string,
  contract: ContractCase,
  things: Things,
): Promise<CaseAnswer> {
  const target = targetOf(type, contract);
  const checked = await check(client, target, {}, contract.inputs(things));
  if (isRefused(checked)) return { check: checked, changes: {} };
  const created = await attempt(() => client.create(target, checked.inputs, operationSeconds, false));
  if (!succeeded(created)) return { check: checked, created, changes: {} };
  const { id } = created;
  let { inputs, outputs } = { inputs: checked.inputs, outputs: created.outputs };
  const about = await askAbout(client, type, contract, things, { id, inputs, outputs });
  const read = await attempt(async () => {
    const found = await client.read(target, id, inputs, outputs);
    return { ...found, inputs: found.inputs ?? {} };
  });
  const again = succeeded(read)
    ? await diff(client, target, id, read.inputs, read.outputs, checked.inputs)
    : undefined;
  const changes: Record<string, ChangeAnswer> = { ...about.changes };
  for (const name of contract.carriedOut ?? []) {
    const news = (changes[name] as ChangeAnswer).check.inputs;
    const updated = await attempt(async () => ({
      outputs: await client.update(target, id, inputs, outputs, news, operationSeconds, [], false),
    }));
    changes[name] = { ...(changes[name] as ChangeAnswer), updated };
    if (succeeded(updated)) [inputs, outputs] = [news, updated.outputs];
  }
  const deleted = await attempt(async () => {
    await client.delete(target, id, inputs, outputs, operationSeconds);
    return {};
  });
  return {
    check: checked,
    created,
    ...about,
    read,
    ...(again === undefined ? {} : { unchangedAfterRead: again }),
    changes,
    deleted,
  };
}

/** What stands in a recording where every time is another. */
const varying = "(varies)";
const madeUp = "<made-up>";

/**
 * The answer without what differs from one time to the next: ids of things by their names, what {@link TypeCases} says varies by
 * a word, sets in order.
 */
export function steady(
  answer: CaseAnswer,
  { plugin, varies = [], sets = [] }: TypeCases,
  things: Things,
): CaseAnswer {
  const named = thingNames[plugin] ?? [];
  const id = succeeded(answer.created) ? answer.created.id : "";
  const texts = named.map((name) => [String(things[name]), `<${name}>`] as const);
  const suffix = /(?<=^[a-z0-9-]+-)[0-9a-f]{7}$/;
  // Short ones are numbers of the cloud, which are the same each time; some are the name.
  if (id.length > 12 && !suffix.test(id)) texts.unshift([id, "<id>"]);
  const walk = (value: Value, key = ""): Value => {
    if (varies.includes(key) && typeof value === "string" && value !== "") return varying;
    if (value instanceof Secret) return new Secret(walk(value.element, key));
    if (isList(value)) {
      const items = value.map((item) => walk(item));
      return sets.includes(key) ? items.sort() : items;
    }
    if (isMap(value)) return Object.fromEntries(Object.entries(value).map(([k, item]) => [k, walk(item, k)]));
    if (typeof value !== "string") return value;
    // A name that the provider made up: the resource's own and seven digits.
    return texts.reduce((text, [found, name]) => text.replaceAll(found, name), value).replace(suffix, madeUp);
  };
  return walk(answer as unknown as Value) as unknown as CaseAnswer;
}

/** The things under their names, where {@link steady} puts these. */
export function steadyThings({ plugin }: TypeCases, things: Things): Things {
  const named = thingNames[plugin] ?? [];
  return { ...things, ...Object.fromEntries(named.map((name) => [name, `<${name}>`])) };
}
