import type { InputRules } from "../inputs.ts";
import type { CheckFailure, Properties, PropertyValue } from "../provider.ts";
import type { HcloudApi, Json } from "./api.ts";

/** One resource type of the provider. */
export interface ResourceKind {
  readonly type: string;
  readonly rules: InputRules;
  /** Whether Pulumi makes up a name when none is given. */
  readonly autoNamed: boolean;
  /** Lists whose order means nothing, beside those that the rules call unordered: their items are objects. */
  readonly sets?: readonly string[];
  /** What is wrong beyond the rules. */
  readonly check?: (inputs: Properties) => CheckFailure[];
  /** Splits the id of an import, where that holds more than the id; what `observe` needs beside it are inputs. */
  readonly importId?: (id: string) => { readonly id: string; readonly inputs: Properties };
  /** Calls `exists` as soon as there is something with an id, so that a later failure does not lose it. */
  create(api: HcloudApi, inputs: Properties, exists: (id: string) => void): Promise<void>;
  /** What the API says about it, in the names of its inputs and outputs; undefined when it is gone. */
  observe(api: HcloudApi, id: string, inputs: Properties): Promise<Properties | undefined>;
  /** Makes the named properties as `news` says. */
  update(
    api: HcloudApi,
    id: string,
    changes: readonly string[],
    olds: Properties,
    news: Properties,
  ): Promise<void>;
  remove(api: HcloudApi, id: string, inputs: Properties): Promise<void>;
}

/** Hetzner's location of an answer by its name. */
export function locationName(record: Json): string {
  return String((record.location as Json | undefined)?.name ?? "");
}

export function protection(record: Json): { delete: boolean; rebuild: boolean; change: boolean } {
  const flags = (record.protection ?? {}) as Record<string, boolean>;
  return {
    delete: flags.delete ?? false,
    rebuild: flags.rebuild ?? false,
    change: flags.change ?? false,
  };
}

export const labelsOf = (record: Json) => record.labels as Readonly<Record<string, string>>;

/** The inputs among `keys` that are set, under the API's names. */
export function fields(
  inputs: Properties,
  keys: Readonly<Record<string, string>>,
): Record<string, PropertyValue> {
  return Object.fromEntries(
    Object.entries(keys).flatMap(([input, field]) => {
      const value = inputs[input];
      return value === undefined || value === null ? [] : [[field, value]];
    }),
  );
}

/** A change of name and labels, which every named resource takes with PUT. */
export async function updateNameAndLabels(
  api: HcloudApi,
  path: string,
  changes: readonly string[],
  news: Properties,
): Promise<void> {
  const body: Record<string, PropertyValue | undefined> = {};
  if (changes.includes("name")) {
    body.name = news.name;
  }
  if (changes.includes("labels")) {
    body.labels = news.labels ?? {};
  }
  if (Object.keys(body).length > 0) {
    await api.send("PUT", path, body);
  }
}
