import { declarations } from "../apps/index.ts";
import { applicationRecipe, makeApplication } from "./applications.ts";
import { publish } from "./archive.ts";
import { baseRecipe } from "./base.ts";
import { type BuildContext, type Standin, standins } from "./standins.ts";
import { digestOf } from "./store.ts";

/** Where an image comes from. */
export interface ImageSource {
  /** Hash of everything that determines the image at a version; the cached image is used only if it is the same. */
  recipe(version: string): Promise<string>;
  make(context: BuildContext, version: string): Promise<{ digest: string; provenance: string }>;
  /** Built while a machine that pulls it waits; other images take minutes and are built in advance. */
  readonly whilePulled: boolean;
}

function built(name: string, standin: Standin): ImageSource {
  return {
    recipe: () => standin.recipe(),
    async make(context, version) {
      const { reference, provenance } = await standin.build(context, version);
      context.progress(`putting ${name} into the lab's registry`);
      return { digest: await publish(context.docker, context.store, reference), provenance };
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
    make: (context, version) => makeApplication(context, name, declaration, version),
    whilePulled: true,
  };
}

/** Every image of the registry, by name. */
export const imageSources: ReadonlyMap<string, ImageSource> = new Map(
  [...Object.keys(standins), ...Object.keys(declarations)].sort().map((name) => {
    const source = sourceOf(name);
    if (source === undefined) throw new Error(`the image ${name} is like one that the lab does not have`);
    return [name, source];
  }),
);
