import type { InputRules } from "../inputs.ts";
import type { CheckFailure, Properties, PropertyValue } from "../provider.ts";
import type { HcloudApi, Json } from "./api.ts";

/** One resource type of the provider. */
export interface ResourceKind {
  readonly type: string;
  readonly rules: InputRules;
  /** Whether the provider generates a name when none is given. */
  readonly autoNamed: boolean;
  /** Lists of objects whose order has no meaning, besides those that the rules mark as unordered. */
  readonly sets?: readonly string[];
  /** Problems that the rules cannot express. */
  readonly check?: (inputs: Properties) => CheckFailure[];
  /** Splits the id of an import that contains more than the id; `inputs` has what `observe` needs besides it. */
  readonly importId?: (id: string) => { readonly id: string; readonly inputs: Properties };
  /** Calls `exists` as soon as the object has an id, so that it is recorded even if a later step fails. */
  create(api: HcloudApi, inputs: Properties, exists: (id: string) => void): Promise<void>;
  /** Its properties as the API reports them, by input and output name; undefined when it does not exist. */
  observe(api: HcloudApi, id: string, inputs: Properties): Promise<Properties | undefined>;
  /** Changes the named properties to their values in `news`. */
  update(
    api: HcloudApi,
    id: string,
    changes: readonly string[],
    olds: Properties,
    news: Properties,
  ): Promise<void>;
  remove(api: HcloudApi, id: string, inputs: Properties): Promise<void>;
}

/** The name of the location in a response. */
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

/** The inputs among `keys` that are set, by their names in the API. */
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

/** Changes name and labels by PUT, which every named resource supports. */
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
