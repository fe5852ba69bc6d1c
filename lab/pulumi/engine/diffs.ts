import type { RunContext } from "./context.ts";
import { covers, ignoreChanges, parsePath } from "./paths.ts";
import type { Diff } from "./provider-answers.ts";
import type { ProviderClient } from "./provider-client.ts";
import { targetOf } from "./registry.ts";
import type { ResourceState } from "./resource-state.ts";
import { isProviderType } from "./urn.ts";
import { changedKeys, equal, type PropertyMap } from "./values.ts";

/** A difference that is found without asking the provider. */
export function plainDiff(changes: "none" | "some", replaceKeys: readonly string[] = []): Diff {
  return { changes, changedKeys: [], replaceKeys, deleteBeforeReplace: false, detailed: undefined };
}

/** True when a difference requires a replacement. */
export function replaces(diff: Diff): boolean {
  return diff.replaceKeys.length > 0 || [...(diff.detailed?.values() ?? [])].some((replacing) => replacing);
}

/** Property names for an event: those that cause a replacement, otherwise all changed ones. */
export function detailOf(diff: Diff): string[] {
  const detailed = [...(diff.detailed?.keys() ?? [])].map((path) => /^[^.[]+/.exec(path)?.[0] ?? path);
  return [...new Set([...diff.changedKeys, ...diff.replaceKeys, ...detailed])];
}

/**
 * Asks a provider for the difference between a recorded resource and new inputs. Undefined when its own configuration
 * is unknown in this preview.
 */
export async function askDiff(
  context: RunContext,
  provider: ProviderClient | undefined,
  old: ResourceState,
  urn: string,
  news: PropertyMap,
  ignored: readonly string[],
  keepUnknowns: boolean,
): Promise<Diff | undefined> {
  if (isProviderType(old.type)) return context.registry.diff(urn, old.id, old, news);
  if (!provider) return plainDiff(equal(old.inputs, news) ? "none" : "some");
  const diff = await provider.diff(
    targetOf(urn),
    old.id,
    old.inputs,
    old.outputs,
    news,
    ignored,
    keepUnknowns,
  );
  if (diff?.changes !== "unknown") return diff;
  const changed = changedKeys(old.inputs, ignoreChanges(news, old.inputs, ignored).inputs);
  return { ...diff, changes: changed.length > 0 ? "some" : "none", changedKeys: changed };
}

// A path that replaceOnChanges can name to replace a resource whose initialization has failed.
const initErrorKey = "#initerror";

/** The difference with the program's `replaceOnChanges` applied. */
export function applyReplaceOnChanges(diff: Diff, paths: readonly string[], hasInitErrors: boolean): Diff {
  if (paths.length === 0 || (diff.changes !== "some" && !hasInitErrors)) return diff;
  const wanted = paths.map(parsePath);
  const matches = (key: string) => {
    const path = key === initErrorKey ? [initErrorKey] : parsePath(key);
    return wanted.some((candidate) => covers(candidate, path));
  };
  const replaceKeys = new Set([...diff.replaceKeys, ...diff.changedKeys.filter(matches)]);
  const detailed =
    diff.detailed &&
    new Map([...diff.detailed].map(([key, replacing]) => [key, replacing || matches(key)] as const));
  const initFailed = hasInitErrors && matches(initErrorKey);
  if (initFailed) replaceKeys.add(initErrorKey);
  return {
    ...diff,
    changes: initFailed ? "some" : diff.changes,
    replaceKeys: [...replaceKeys],
    detailed,
  };
}
