import { Reported, type RunContext } from "./context.ts";
import type { CheckResult } from "./provider-answers.ts";
import type { ProviderClient } from "./provider-client.ts";
import { targetOf } from "./registry.ts";
import type { ResourceState } from "./resource-state.ts";
import type { PropertyMap } from "./values.ts";

/**
 * A resource's inputs after its provider has checked them and filled in defaults. A provider resource is checked by its own plugin.
 * Throws {@link Reported} when inputs are invalid, after reporting all of them.
 */
export async function checkInputs(
  context: RunContext,
  provider: ProviderClient | undefined,
  next: ResourceState,
  olds: PropertyMap,
  news: PropertyMap,
  seed: Buffer,
): Promise<PropertyMap> {
  const { registry, options, reporter } = context;
  const target = targetOf(next.urn);
  const { inputs, failures }: CheckResult = provider
    ? await provider.check(target, olds, news, options.preview, seed)
    : await registry.check(next.urn, olds, news);
  if (failures.length === 0) return inputs;
  for (const { property, reason } of failures) {
    const about = property === "" ? "" : ` property ${property}:`;
    reporter.say("error", `${next.type} resource "${target.name}":${about} ${reason}`, next.urn);
  }
  throw new Reported(`resource ${next.urn} is invalid`);
}
