import { Reported, type RunContext } from "./context.ts";
import type { CheckResult } from "./provider-answers.ts";
import type { ProviderClient } from "./provider-client.ts";
import { targetOf } from "./registry.ts";
import type { ResourceState } from "./resource-state.ts";
import type { PropertyMap } from "./values.ts";

/**
 * A resource's inputs as its provider completes them; without a provider the resource is one itself. Throws {@link Reported}
 * when some are refused, all of them said.
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
