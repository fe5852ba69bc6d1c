/**
 * The lab's `hcloud` provider: the resources of pulumi-hcloud 1.41 that the program uses, over the API itself. It connects
 * only to a lab's cloud, never to Hetzner.
 */

import {
  autoName,
  checkInputs,
  diffInputs,
  isAutoNamed,
  notPartOfTheLab,
  withDefaults,
  withoutNotes,
} from "../inputs.ts";
import { isProperties, sameValue } from "../property-values.ts";
import {
  type DiffResult,
  type LabProvider,
  PartialFailure,
  type Properties,
  type PropertyValue,
  type ProviderPackage,
  type ResourceRef,
  unknownValue,
} from "../provider.ts";
import { createApi, type HcloudApi, HcloudError } from "./api.ts";
import type { ResourceKind } from "./kind.ts";
import { firewallKind, primaryIpKind, sshKeyKind } from "./network.ts";
import { serverKind } from "./server.ts";
import { volumeAttachmentKind, volumeKind } from "./volume.ts";
import { zoneKind, zoneRrsetKind } from "./zone.ts";

const kinds: readonly ResourceKind[] = [
  serverKind,
  primaryIpKind,
  firewallKind,
  sshKeyKind,
  volumeKind,
  volumeAttachmentKind,
  zoneKind,
  zoneRrsetKind,
];

/** Time limit of a read, a diff and a deletion, in seconds. */
const shortSeconds = 300;

function kindOf(type: string): ResourceKind {
  const kind = kinds.find((candidate) => candidate.type === type);
  if (!kind) {
    throw notPartOfTheLab(
      type,
      kinds.map((candidate) => candidate.type),
    );
  }
  return kind;
}

/** Sorts sets at every depth, so that two orders of one set are equal. */
function canonical(kind: ResourceKind, inputs: Properties): Properties {
  const sorted = (value: PropertyValue | undefined): PropertyValue | undefined => {
    if (!Array.isArray(value)) {
      return value;
    }
    const items = value.map((item) =>
      isProperties(item)
        ? (Object.fromEntries(
            Object.entries(item)
              .filter(([, inner]) => inner !== null && inner !== "" && inner !== undefined)
              .filter(([, inner]) => !(Array.isArray(inner) && inner.length === 0))
              .map(([key, inner]) => [key, sorted(inner)])
              .sort(([a], [b]) => (String(a) < String(b) ? -1 : 1)),
          ) as Properties)
        : item,
    );
    return items.includes(unknownValue)
      ? items
      : items.sort((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1));
  };
  const sets = [...(kind.sets ?? []), ...Object.keys(kind.rules).filter((key) => kind.rules[key]?.unordered)];
  return { ...inputs, ...Object.fromEntries(sets.map((key) => [key, sorted(inputs[key])])) };
}

function compare(kind: ResourceKind, olds: Properties, news: Properties): DiffResult {
  return diffInputs(kind.rules, canonical(kind, withoutNotes(olds)), {}, canonical(kind, withoutNotes(news)));
}

function pollMillisecondsOf(text: PropertyValue | undefined): number {
  const match = /^(\d+(?:\.\d+)?)(ms|s)$/.exec(typeof text === "string" && text !== "" ? text : "500ms");
  if (!match) {
    throw new Error(`hcloud:pollInterval: "${String(text)}" is not a duration; use 500ms, 1s and the like`);
  }
  return Number(match[1]) * (match[2] === "s" ? 1000 : 1);
}

function labEndpoint(text: PropertyValue | undefined): string {
  const url = typeof text === "string" && URL.canParse(text) ? new URL(text) : undefined;
  // Loopback and the networks that labs use: the lab must never connect to a real account.
  if (!url || !/^(127\.\d+\.\d+\.\d+|localhost|198\.1[89]\.\d+\.\d+)$/.test(url.hostname)) {
    throw new Error(
      `hcloud:endpoint: "${String(text ?? "")}" is not a lab's cloud (on loopback or in 198.18.0.0/15); the lab's provider speaks to nothing else`,
    );
  }
  return url.href.replace(/\/$/, "");
}

class HcloudProvider implements LabProvider {
  #settings: { endpoint: string; token: string; pollMilliseconds: number } | undefined;

  async configure(inputs: Properties): Promise<void> {
    const { token, endpoint, pollInterval } = inputs;
    if (token === unknownValue || endpoint === unknownValue) {
      return;
    }
    if (typeof token !== "string" || token.length !== 64) {
      throw new Error("hcloud:token: entered token is invalid (must be exactly 64 characters long)");
    }
    this.#settings = {
      token,
      endpoint: labEndpoint(endpoint),
      pollMilliseconds: pollMillisecondsOf(pollInterval),
    };
  }

  #api(timeoutSeconds: number): HcloudApi {
    if (!this.#settings) {
      throw new Error("hcloud: the provider's token or endpoint is not known yet");
    }
    return createApi({ ...this.#settings, deadline: Date.now() + timeoutSeconds * 1000 });
  }

  async check(ref: ResourceRef, news: Properties, olds: Properties | undefined, randomSeed: Buffer) {
    const kind = kindOf(ref.type);
    const { inputs, failures } = checkInputs(ref.type, kind.rules, news);
    failures.push(...(kind.check?.(inputs) ?? []));
    if (!kind.autoNamed || inputs.name !== undefined) {
      return { inputs, failures };
    }
    const name = autoName(ref, olds, randomSeed);
    return { inputs: { ...inputs, name, __defaults: ["name"] }, failures };
  }

  async diff(ref: ResourceRef, _id: string, oldInputs: Properties, _outputs: Properties, news: Properties) {
    const kind = kindOf(ref.type);
    const result = compare(kind, oldInputs, news);
    return result.replaces.length > 0 && kind.autoNamed && !isAutoNamed(news)
      ? { ...result, deleteBeforeReplace: true }
      : result;
  }

  async #outputs(
    kind: ResourceKind,
    api: HcloudApi,
    id: string,
    inputs: Properties,
  ): Promise<Properties | undefined> {
    const observed = await kind.observe(api, id, inputs);
    const { __defaults, ...plain } = inputs;
    return observed && { ...withDefaults(kind.rules, plain), ...observed };
  }

  async create(ref: ResourceRef, inputs: Properties, timeoutSeconds: number) {
    const kind = kindOf(ref.type);
    const api = this.#api(timeoutSeconds);
    let id: string | undefined;
    try {
      await kind.create(api, inputs, (made) => {
        id = made;
      });
      if (id === undefined) {
        throw new Error("the API named no id");
      }
      const outputs = await this.#outputs(kind, api, id, inputs);
      if (!outputs) {
        throw new Error("it was gone right after it was created");
      }
      return { id, outputs };
    } catch (error) {
      if (id === undefined) {
        throw error;
      }
      const outputs = await this.#outputs(kind, api, id, inputs).catch(() => undefined);
      throw new PartialFailure((error as Error).message, id, outputs ?? withDefaults(kind.rules, inputs));
    }
  }

  /** For the option import: every input has the value that is found. */
  async #import(kind: ResourceKind, text: string) {
    const { id, inputs: needed } = kind.importId?.(text) ?? { id: text, inputs: {} };
    const outputs = await this.#outputs(kind, this.#api(shortSeconds), id, needed);
    const inputs = Object.entries(outputs ?? {}).filter(
      ([key, value]) => kind.rules[key] !== undefined && !kind.rules[key].refused && value !== null,
    );
    return outputs && { id, inputs: Object.fromEntries(inputs), outputs };
  }

  async read(ref: ResourceRef, id: string, inputs: Properties, old: Properties) {
    const kind = kindOf(ref.type);
    if (Object.keys(inputs).length === 0 && Object.keys(old).length === 0) return this.#import(kind, id);
    const outputs = await this.#outputs(kind, this.#api(shortSeconds), id, inputs);
    if (!outputs) {
      return undefined;
    }
    // Inputs are set to the values that are found; inputs with an equivalent value stay as they were written.
    const written = canonical(kind, inputs);
    const found = canonical(kind, outputs);
    const refreshed = Object.fromEntries(
      Object.entries(inputs).map(([key, value]) => {
        const told = key in kind.rules && key !== "userData" && outputs[key] !== undefined;
        return [key, told && !sameValue(written[key], found[key]) ? outputs[key] : value];
      }),
    ) as Properties;
    return { id, inputs: refreshed, outputs };
  }

  async update(
    ref: ResourceRef,
    id: string,
    oldInputs: Properties,
    _oldOutputs: Properties,
    news: Properties,
    timeoutSeconds: number,
  ): Promise<Properties> {
    const kind = kindOf(ref.type);
    const api = this.#api(timeoutSeconds);
    await kind.update(api, id, compare(kind, oldInputs, news).changes, oldInputs, news);
    const outputs = await this.#outputs(kind, api, id, news);
    if (!outputs) {
      throw new Error(`${ref.type} ${id} is gone; "pulumi refresh" takes note of it`);
    }
    return outputs;
  }

  async delete(
    ref: ResourceRef,
    id: string,
    inputs: Properties,
    _outputs: Properties,
    timeoutSeconds: number,
  ) {
    try {
      await kindOf(ref.type).remove(this.#api(timeoutSeconds || shortSeconds), id, inputs);
    } catch (error) {
      if (!(error instanceof HcloudError && error.code === "not_found")) {
        throw error;
      }
    }
  }

  async invoke(token: string): Promise<Properties> {
    throw notPartOfTheLab(
      token,
      kinds.map((kind) => kind.type),
    );
  }
}

/** `hcloud`, as pulumi-hcloud 1.41.0 behaves. */
export const hcloudPackage: ProviderPackage = {
  name: "hcloud",
  version: "1.41.0",
  create: () => new HcloudProvider(),
};
