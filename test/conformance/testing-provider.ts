import { setTimeout as sleep } from "node:timers/promises";
import { isDeepStrictEqual } from "node:util";
import type {
  DiffResult,
  LabProvider,
  Properties,
  PropertyValue,
  ProviderPackage,
  ResourceRef,
} from "../../lab/pulumi/providers/provider.ts";
import { PartialFailure, unknownValue } from "../../lab/pulumi/providers/provider.ts";
import type { Mutation, ProviderCall } from "./format.ts";
import { World } from "./world.ts";

export interface TestingProviderOptions {
  /** The world's JSON file. Default: the environment variable `TESTING_WORLD`. */
  readonly worldFile?: string;
  /** How long each create, update and delete of a thing takes, beside its own `delayMilliseconds`. Default: no time. */
  readonly jitterMilliseconds?: (name: string) => number;
}

/**
 * The provider `testing`. Its one resource type, `testing:index:Thing`, echoes every input as an output, adds `serial` (which
 * thing of that logical name it is, from 1) and `label` (`name-serial`, also its id), and obeys these inputs:
 *
 * - `replaceKeys`: inputs that can only change by replacement; `deleteBeforeReplace`: true when the old one must go first;
 * - `failCheck`, `failCreate`, `failUpdate`, `failDelete`: messages to fail with; `failPartially`: exists, but is not right;
 * - `delayMilliseconds`: how long create, update and delete take.
 *
 * Its invoke, `testing:index:lookup` (`name`), answers `found` and the newest such thing's `label`; `failLookup` makes it fail.
 *
 * @throws Error when no world's file is given.
 */
export function testingProvider(options: TestingProviderOptions = {}): ProviderPackage {
  const file = options.worldFile ?? process.env.TESTING_WORLD;
  if (file === undefined) {
    throw new Error("the provider testing needs a file for its world: set TESTING_WORLD=/path/to/world.json");
  }
  const world = new World(file);
  return {
    name: "testing",
    version: "1.0.0",
    create: () => new TestingProvider(world, options.jitterMilliseconds ?? (() => 0)),
  };
}

class TestingProvider implements LabProvider {
  private readonly world: World;
  private readonly jitterMilliseconds: (name: string) => number;

  constructor(world: World, jitterMilliseconds: (name: string) => number) {
    this.world = world;
    this.jitterMilliseconds = jitterMilliseconds;
  }

  async configure(): Promise<void> {}

  async check(ref: ResourceRef, news: Properties) {
    this.note("check", ref.name, news);
    const reason = text(news.failCheck);
    return reason === undefined
      ? { inputs: news }
      : { inputs: news, failures: [{ property: "failCheck", reason }] };
  }

  async diff(
    ref: ResourceRef,
    _id: string,
    oldInputs: Properties,
    _oldOutputs: Properties,
    news: Properties,
  ): Promise<DiffResult> {
    this.note("diff", ref.name, news);
    const changes = [...new Set([...Object.keys(oldInputs), ...Object.keys(news)])]
      .filter((key) => !isDeepStrictEqual(oldInputs[key], news[key]))
      .sort();
    const replaceKeys = Array.isArray(news.replaceKeys) ? news.replaceKeys : [];
    return {
      changes,
      replaces: changes.filter((key) => replaceKeys.includes(key)),
      deleteBeforeReplace: news.deleteBeforeReplace === true,
    };
  }

  async create(ref: ResourceRef, inputs: Properties): Promise<{ id: string; outputs: Properties }> {
    const created = await this.mutate("create", ref, inputs, text(inputs.failCreate), () => {
      const serial = this.world.nextSerial(ref.name);
      const id = `${ref.name}-${serial}`;
      const outputs: Properties = { ...inputs, serial, label: id };
      this.world.put(id, { name: ref.name, inputs, outputs });
      return { id, outputs };
    });
    const partial = text(inputs.failPartially);
    if (partial !== undefined) throw new PartialFailure(partial, created.id, created.outputs);
    return created;
  }

  async read(
    ref: ResourceRef,
    id: string,
    inputs: Properties,
  ): Promise<{ id: string; inputs: Properties; outputs: Properties } | undefined> {
    this.note("read", ref.name, id);
    const thing = this.world.read().things[id];
    if (thing === undefined) return undefined;
    const outputs = thing.outputs as Properties;
    // Like most providers: what was given is read back, so that drift shows as a changed input.
    const current: Properties = Object.fromEntries(Object.keys(inputs).map((key) => [key, outputs[key]]));
    return { id, inputs: current, outputs };
  }

  async update(
    ref: ResourceRef,
    id: string,
    _oldInputs: Properties,
    oldOutputs: Properties,
    news: Properties,
  ): Promise<Properties> {
    const outputs: Properties = { ...news, serial: oldOutputs.serial, label: oldOutputs.label };
    await this.mutate("update", ref, news, text(news.failUpdate), () =>
      this.world.put(id, { name: ref.name, inputs: news, outputs }),
    );
    const partial = text(news.failPartially);
    if (partial !== undefined) throw new PartialFailure(partial, id, outputs);
    return outputs;
  }

  async delete(ref: ResourceRef, id: string, inputs: Properties): Promise<void> {
    await this.mutate("delete", ref, inputs, text(inputs.failDelete), () => this.world.remove(id), id);
  }

  async invoke(token: string, args: Properties): Promise<Properties> {
    this.note("invoke", text(args.name) ?? "", args);
    if (token !== "testing:index:lookup") throw new Error(`unknown function "${token}"`);
    const failure = text(args.failLookup);
    if (failure !== undefined) throw new Error(failure);
    const found = Object.entries(this.world.read().things).filter(([, thing]) => thing.name === args.name);
    return { found: found.length > 0, label: found.at(-1)?.[0] ?? "" };
  }

  private async mutate<T>(
    op: Mutation,
    ref: ResourceRef,
    inputs: Properties,
    failure: string | undefined,
    change: () => T,
    journal: unknown = inputs,
  ): Promise<T> {
    this.note(op, ref.name, journal);
    const delay = typeof inputs.delayMilliseconds === "number" ? inputs.delayMilliseconds : 0;
    await sleep(delay + this.jitterMilliseconds(ref.name));
    const message = failure ?? this.world.fault(op, ref.name);
    if (message !== undefined) throw new Error(message);
    await this.hangIfAsked(op, ref.name, "before");
    const result = change();
    await this.hangIfAsked(op, ref.name, "after");
    return result;
  }

  private async hangIfAsked(op: Mutation, name: string, when: "before" | "after"): Promise<void> {
    if (!this.world.hangs(op, name, when)) return;
    this.world.journal({ hanging: name });
    // Whoever set the hang kills the engine now; nobody waits for this call any more once it is lifted.
    while (this.world.hangs(op, name, when)) await sleep(20);
    await new Promise(() => {});
  }

  private note(call: ProviderCall["call"], thing: string, inputs: unknown): void {
    this.world.journal({ call, thing, inputs: readable(inputs) });
  }
}

function text(value: PropertyValue | undefined): string | undefined {
  return typeof value === "string" ? value : undefined;
}

function readable(value: unknown): unknown {
  if (value === unknownValue) return "[unknown]";
  if (Array.isArray(value)) return value.map(readable);
  if (typeof value === "object" && value !== null) {
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, readable(item)]));
  }
  return value;
}
