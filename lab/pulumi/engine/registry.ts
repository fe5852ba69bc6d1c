import { randomUUID } from "node:crypto";
import type { LaunchedProvider } from "./configured-provider.ts";
import { providerUrn } from "./graph.ts";
import type { CheckResult, Diff, Target } from "./provider-answers.ts";
import { ProviderClient } from "./provider-client.ts";
import type { ResourceState } from "./resource-state.ts";
import { nameOf, packageOf, typeOf } from "./urn.ts";
import { containsUnknown, equal, type PropertyMap } from "./values.ts";

/** How the engine starts a provider: one process, server or object per configured instance. */
export type Launch = (packageName: string) => Promise<LaunchedProvider>;

/** The id of a provider that a preview would create. Pulumi's unknown string. */
const unknownProviderId = "04da6b54-80e4-46f7-96ec-b56ff0331ba9";
// Pulumi keeps its own settings of a provider (download URL and such) under this key; plugins never see it.
const internalKey = "__internal";

function withoutInternal(inputs: PropertyMap): PropertyMap {
  return Object.fromEntries(Object.entries(inputs).filter(([key]) => key !== internalKey));
}

/** The resource of a URN, as provider calls refer to it. */
export function targetOf(urn: string): Target {
  return { urn, type: typeOf(urn), name: nameOf(urn) };
}

/**
 * The provider instances of one run: one per provider resource, launched when the resource is checked or first needed.
 * It is itself the provider of provider resources: checking one launches an instance, creating one configures it.
 */
export class ProviderRegistry {
  readonly #launch: Launch;
  readonly #preview: boolean;
  readonly #instances = new Map<string, ProviderClient>();
  /** By URN: instances that a check has launched and that create, update or same will configure. */
  readonly #unconfigured = new Map<string, ProviderClient>();
  readonly #all = new Set<ProviderClient>();

  constructor(launch: Launch, preview: boolean) {
    this.#launch = launch;
    this.#preview = preview;
  }

  async #start(urn: string): Promise<ProviderClient> {
    const client = new ProviderClient(await this.#launch(packageOf(typeOf(urn))));
    this.#all.add(client);
    return client;
  }

  /** The instance behind a provider reference `<urn>::<id>`. */
  get(reference: string): ProviderClient | undefined {
    return this.#instances.get(reference);
  }

  /** The instance that manages a resource. Throws when the provider was neither registered nor loaded. */
  of(state: ResourceState): ProviderClient {
    const provider = this.get(state.provider);
    if (!provider) throw new Error(`unknown provider ${state.provider} for resource ${state.urn}`);
    return provider;
  }

  async check(urn: string, olds: PropertyMap, news: PropertyMap): Promise<CheckResult> {
    const client = await this.#start(urn);
    const { inputs, failures } = await client.checkConfig(
      targetOf(urn),
      withoutInternal(olds),
      withoutInternal(news),
    );
    if (failures.length > 0) return { inputs, failures };
    this.#unconfigured.set(urn, client);
    const kept: Record<string, PropertyMap[string]> = { ...inputs };
    for (const key of ["version", internalKey]) {
      const value = news[key];
      if (value !== undefined) kept[key] = value;
    }
    return { inputs: kept, failures };
  }

  async diff(urn: string, id: string, old: ResourceState, news: PropertyMap): Promise<Diff> {
    const client = this.#unconfigured.get(urn) ?? this.#instances.get(`${urn}::${id}`);
    const inputs = withoutInternal(news);
    const diff = await client?.diffConfig(targetOf(urn), withoutInternal(old.inputs), old.outputs, inputs);
    if (diff && diff.changes !== "unknown") return diff;
    const changes = equal(old.outputs, inputs) ? "none" : "some";
    return {
      changes,
      changedKeys: diff?.changedKeys ?? [],
      replaceKeys: diff?.replaceKeys ?? [],
      deleteBeforeReplace: diff?.deleteBeforeReplace ?? false,
      detailed: diff?.detailed,
    };
  }

  async #configured(urn: string, id: string, inputs: PropertyMap): Promise<PropertyMap> {
    const client = this.#unconfigured.get(urn) ?? (await this.#start(urn));
    this.#unconfigured.delete(urn);
    const plain = withoutInternal(inputs);
    const known = !Object.values(plain).some(containsUnknown);
    client.configure(targetOf(urn), packageOf(typeOf(urn)), id, plain, known);
    this.#instances.set(`${urn}::${id}`, client);
    return plain;
  }

  /** Configures the checked instance as a new provider resource. */
  async create(urn: string, inputs: PropertyMap): Promise<{ id: string; outputs: PropertyMap }> {
    const id = this.#preview ? unknownProviderId : randomUUID();
    return { id, outputs: await this.#configured(urn, id, inputs) };
  }

  /** Configures the checked instance in place of the previous instance of the provider resource. */
  update(urn: string, id: string, inputs: PropertyMap): Promise<PropertyMap> {
    return this.#configured(urn, id, inputs);
  }

  /** Configures the instance of an unchanged provider resource. */
  async same(state: ResourceState): Promise<void> {
    if (!this.#instances.has(`${state.urn}::${state.id}`)) {
      await this.#configured(state.urn, state.id, state.inputs);
    }
  }

  /** Launches and configures the provider of a recorded resource from the provider's own recorded state. Throws when that is missing. */
  async ensure(reference: string, recorded: readonly ResourceState[]): Promise<void> {
    if (reference === "" || this.#instances.has(reference)) return;
    const state = recorded.find((other) => `${other.urn}::${other.id}` === reference);
    if (!state) throw new Error(`the provider ${reference} is neither registered nor in the state`);
    const urn = providerUrn(reference);
    // The instance that a check of this run launched belongs to the provider's new configuration, not to the old one.
    const checked = this.#unconfigured.get(urn);
    this.#unconfigured.delete(urn);
    await this.same(state);
    if (checked) this.#unconfigured.set(urn, checked);
  }

  async delete(reference: string): Promise<void> {
    const client = this.#instances.get(reference);
    this.#instances.delete(reference);
    if (!client) return;
    this.#all.delete(client);
    await client.close();
  }

  /** Ends every instance. Errors while ending are ignored. */
  async close(): Promise<void> {
    await Promise.allSettled([...this.#all].map((client) => client.close()));
  }
}
