import type { ProviderClient } from "./provider-client.ts";
import { targetOf } from "./registry.ts";
import type { ResourceState } from "./resource-state.ts";

/** What the option import of `next` takes over, as the provider reads it; the error that its step ends with when nothing is there. */
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
