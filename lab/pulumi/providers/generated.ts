import { checkInputs, diffInputs, type InputRules, notPartOfTheLab } from "./inputs.ts";
import type { CheckFailure, LabProvider, Properties, ProviderPackage, ResourceRef } from "./provider.ts";

/** A resource that a provider generates: a password, a key, a certificate. It exists only in the state. */
export interface GeneratedKind {
  readonly rules: InputRules;
  /** Normalizes inputs before a diff and completes them before a create. */
  readonly complete: (inputs: Properties) => Properties;
  /** Problems of inputs that are valid one by one. */
  readonly failures: (inputs: Properties) => readonly CheckFailure[];
  readonly generate: (inputs: Properties) => Promise<{ id: string; generated: Properties }>;
  /** Whether the resource is replaced because of its age, and the property that the diff then contains; when left out it never is. */
  readonly due?: (outputs: Properties, inputs: Properties) => string | undefined;
}

/** A provider of generated resources only: reading, updating and deleting change only the state. */
export function generatedPackage(
  name: string,
  version: string,
  kinds: Readonly<Record<string, GeneratedKind>>,
): ProviderPackage {
  return { name, version, create: () => new GeneratedProvider(kinds) };
}

class GeneratedProvider implements LabProvider {
  readonly #kinds: Readonly<Record<string, GeneratedKind>>;

  constructor(kinds: Readonly<Record<string, GeneratedKind>>) {
    this.#kinds = kinds;
  }

  async configure(): Promise<void> {}

  async check(ref: ResourceRef, news: Properties) {
    const kind = this.#kindOf(ref);
    const { inputs, failures } = checkInputs(ref.type, kind.rules, news);
    return { inputs, failures: failures.length > 0 ? failures : kind.failures(inputs) };
  }

  async diff(ref: ResourceRef, _id: string, oldInputs: Properties, outputs: Properties, news: Properties) {
    const { rules, complete, due } = this.#kindOf(ref);
    const diff = diffInputs(rules, complete(oldInputs), {}, complete(news));
    const property = due?.(outputs, news);
    if (property === undefined) return diff;
    return { ...diff, changes: [...diff.changes, property], replaces: [...(diff.replaces ?? []), property] };
  }

  async create(ref: ResourceRef, inputs: Properties) {
    const kind = this.#kindOf(ref);
    const complete = kind.complete(inputs);
    const { id, generated } = await kind.generate(complete);
    return { id, outputs: { ...complete, ...generated } };
  }

  async read(ref: ResourceRef, id: string, inputs: Properties, outputs: Properties) {
    this.#kindOf(ref);
    return { id, inputs, outputs };
  }

  async update(
    ref: ResourceRef,
    _id: string,
    _oldInputs: Properties,
    oldOutputs: Properties,
    news: Properties,
  ): Promise<Properties> {
    return { ...oldOutputs, ...this.#kindOf(ref).complete(news) };
  }

  async delete(ref: ResourceRef): Promise<void> {
    this.#kindOf(ref);
  }

  async invoke(token: string): Promise<Properties> {
    throw notPartOfTheLab(token, Object.keys(this.#kinds));
  }

  #kindOf({ type }: ResourceRef): GeneratedKind {
    const kind = this.#kinds[type];
    if (kind === undefined) throw notPartOfTheLab(type, Object.keys(this.#kinds));
    return kind;
  }
}
