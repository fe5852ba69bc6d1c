import { appendFileSync, existsSync, readFileSync, writeFileSync } from "node:fs";
import { writePrivateFile } from "../../lab/write-file.ts";
import type { Mutation, ProviderCall, WorldChange } from "./format.ts";

/** A thing that exists. JSON values only. */
export interface WorldThing {
  readonly name: string;
  readonly inputs: Readonly<Record<string, unknown>>;
  readonly outputs: Readonly<Record<string, unknown>>;
}

interface WorldFile {
  /** Creations so far, by logical name: makes serial numbers independent of what runs in parallel. */
  readonly created: Record<string, number>;
  readonly things: Record<string, WorldThing>;
  readonly faults: { readonly op: Mutation; readonly thing: string; readonly message: string }[];
  readonly hang?: { readonly during: Mutation; readonly thing: string; readonly when: "before" | "after" };
}

/**
 * The objects that exist outside of the engine: a JSON file, which is kept when an engine or provider is killed, and a journal of calls
 * beside it (`<file>.calls`, one JSON object a line).
 */
export class World {
  readonly path: string;

  constructor(path: string) {
    this.path = path;
  }

  read(): WorldFile {
    return existsSync(this.path)
      ? (JSON.parse(readFileSync(this.path, "utf8")) as WorldFile)
      : { created: {}, things: {}, faults: [] };
  }

  private write(world: WorldFile): void {
    writePrivateFile(this.path, JSON.stringify(world, undefined, 1));
  }

  /** The number of the next thing of that logical name, from 1. */
  nextSerial(name: string): number {
    const world = this.read();
    const serial = (world.created[name] ?? 0) + 1;
    this.write({ ...world, created: { ...world.created, [name]: serial } });
    return serial;
  }

  put(id: string, thing: WorldThing): void {
    const world = this.read();
    this.write({ ...world, things: { ...world.things, [id]: thing } });
  }

  remove(id: string): void {
    const world = this.read();
    const { [id]: _gone, ...things } = world.things;
    this.write({ ...world, things });
  }

  fault(op: Mutation, thing: string): string | undefined {
    return this.read().faults.find((fault) => fault.op === op && fault.thing === thing)?.message;
  }

  /** From now on that call never returns; undefined lifts it. */
  setHang(hang: WorldFile["hang"]): void {
    const { hang: _old, ...world } = this.read();
    this.write(hang === undefined ? world : { ...world, hang });
  }

  hangs(during: Mutation, thing: string, when: "before" | "after"): boolean {
    const hang = this.read().hang;
    return hang?.during === during && hang.thing === thing && hang.when === when;
  }

  apply(change: WorldChange): void {
    const world = this.read();
    const of = (name: string) => Object.entries(world.things).filter(([, thing]) => thing.name === name);
    if ("remove" in change) {
      for (const [id] of of(change.remove)) this.remove(id);
    } else if ("set" in change) {
      for (const [id, thing] of of(change.set)) {
        this.put(id, { ...thing, outputs: { ...thing.outputs, ...change.outputs } });
      }
    } else {
      const op = "failing" in change ? change.failing : change.healed;
      const faults = world.faults.filter((fault) => fault.op !== op || fault.thing !== change.thing);
      if ("failing" in change) faults.push({ op, thing: change.thing, message: change.message });
      this.write({ ...world, faults });
    }
  }

  journal(entry: ProviderCall | { readonly hanging: string }): void {
    appendFileSync(`${this.path}.calls`, `${JSON.stringify(entry)}\n`);
  }

  /** Every call since the last {@link clearJournal}. */
  calls(): ProviderCall[] {
    return this.lines().filter((entry): entry is ProviderCall => "call" in entry);
  }

  /** True once the call that {@link setHang} named has been reached. */
  hanging(): boolean {
    return this.lines().some((entry) => "hanging" in entry);
  }

  clearJournal(): void {
    writeFileSync(`${this.path}.calls`, "");
  }

  private lines(): (ProviderCall | { hanging: string })[] {
    if (!existsSync(`${this.path}.calls`)) return [];
    return readFileSync(`${this.path}.calls`, "utf8")
      .split("\n")
      .filter((line) => line.endsWith("}"))
      .map((line) => JSON.parse(line) as ProviderCall | { hanging: string });
  }

  /** Logical names to the ids that exist, both sorted. */
  summary(): Record<string, string[]> {
    const summary: Record<string, string[]> = {};
    for (const [id, thing] of Object.entries(this.read().things).sort(([a], [b]) => (a < b ? -1 : 1))) {
      summary[thing.name] = [...(summary[thing.name] ?? []), id];
    }
    return Object.fromEntries(Object.entries(summary).sort(([a], [b]) => (a < b ? -1 : 1)));
  }
}
