import { declarations } from "../apps/index.ts";
import { applicationRecipe, makeApplication } from "./applications.ts";
import { publish } from "./archive.ts";
import { baseRecipe } from "./base.ts";
import { type Standin, standins, type Workshop } from "./standins.ts";
import { digestOf } from "./store.ts";

/** Where an image comes from. */
export interface ImageSource {
  /** Hash of what decides the image at a version: another one makes what the cache holds stale. */
  recipe(version: string): Promise<string>;
  make(workshop: Workshop, version: string): Promise<{ digest: string; provenance: string }>;
  /** Made while a machine that pulls it waits; the others take minutes and are made before. */
  readonly whilePulled: boolean;
}

function built(name: string, standin: Standin): ImageSource {
  return {
    recipe: () => standin.recipe(),
    async make(workshop, version) {
      const { reference, provenance } = await standin.build(workshop, version);
      workshop.progress(`putting ${name} into the lab's registry`);
      return { digest: await publish(workshop.docker, workshop.store, reference), provenance };
    },
    whilePulled: false,
  };
}

function sourceOf(name: string): ImageSource | undefined {
  const declaration = declarations[name];
  const standin = standins[declaration !== undefined && "like" in declaration ? declaration.like : name];
  if (standin !== undefined) return built(name, standin);
  if (declaration === undefined || "like" in declaration) return undefined;
  return {
    recipe: async (version) =>
      digestOf(`${await baseRecipe()} ${await applicationRecipe(name, declaration, version)}`).slice(7, 19),
    make: (workshop, version) => makeApplication(workshop, name, declaration, version),
    whilePulled: true,
  };
}

/** Every image that the registry answers for, by name. */
export const imageSources: ReadonlyMap<string, ImageSource> = new Map(
  [...Object.keys(standins), ...Object.keys(declarations)].sort().map((name) => {
    const source = sourceOf(name);
    if (source === undefined) throw new Error(`the image ${name} is like one that the lab does not have`);
    return [name, source];
  }),
);
