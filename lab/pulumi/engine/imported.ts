import type { ProviderClient } from "./provider-client.ts";
import { targetOf } from "./registry.ts";
import type { ResourceState } from "./resource-state.ts";

/** The existing resource that the option import of `next` names, as the provider reads it; an error when it does not exist. */
export async function readImported(
  next: ResourceState,
  provider: ProviderClient,
): Promise<ResourceState | Error> {
  try {
    const read = await provider.read(targetOf(next.urn), next.importId, {}, {});
    if (read.id === "") return new Error(`resource '${next.importId}' does not exist`);
    const now = new Date().toISOString();
    const { id, inputs = {}, outputs } = read;
    return { ...next, id, inputs, outputs, created: now, modified: now };
  } catch (error) {
    return error instanceof Error ? error : new Error(String(error));
  }
}
