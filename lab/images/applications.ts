import { readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import type { Application, ImageEntry } from "../apps/application.ts";
import { type ExportedImage, exportImage, layerOf } from "./archive.ts";
import { imageConfig, imageManifest, type Layer } from "./manifest.ts";
import { recipeOf } from "./recipe.ts";
import type { Workshop } from "./standins.ts";
import { digestOf, writeAtomically } from "./store.ts";
import { migrateBinary, migrateVersion, nodeBinary } from "./tools.ts";

/**
 * Puts together an application's image at one version: the Debian base, Node and golang-migrate, the application's own
 * layers, and a configuration that carries the version. Nothing is built per version.
 *
 * @returns the manifest's digest.
 */
export async function applicationImage(
  workshop: Workshop,
  application: Application,
  version: string,
): Promise<{ digest: string; provenance: string }> {
  const { store } = workshop;
  const image = await application.image(version);
  const base = await applicationBase(workshop);
  const layers = [...base.layers];
  for (const entries of image.layers) layers.push(await layerOf(store, entries));
  const config = await store.put(
    imageConfig(
      {
        ...image,
        environment: {
          PATH: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
          ...image.environment,
        },
      },
      layers,
    ),
  );
  const manifest = await store.put(imageManifest(config, layers));
  return { digest: manifest.digest, provenance: `${application.description}, ${base.provenance}` };
}

/** Hash of what decides an application's image at a version, files by content. */
export async function applicationRecipe(application: Application, version: string): Promise<string> {
  const image = await application.image(version);
  const layers: ImageEntry[][] = [];
  for (const entries of image.layers) {
    const contents = entries.map(async (entry) =>
      "text" in entry ? entry : { ...entry, from: await contentOf(entry.from) },
    );
    layers.push(await Promise.all(contents));
  }
  return digestOf(JSON.stringify({ ...image, layers, node: nodeBinary().version, migrateVersion })).slice(
    7,
    19,
  );
}

async function contentOf(path: string): Promise<string> {
  return (await stat(path)).isDirectory() ? recipeOf(path) : digestOf(await readFile(path));
}

interface ApplicationBase {
  readonly layers: readonly Layer[];
  readonly provenance: string;
}

/** The layers that all applications share, remembered in the store so that a warm start makes none of them. */
async function applicationBase(workshop: Workshop): Promise<ApplicationBase> {
  const { store, home, progress } = workshop;
  const node = nodeBinary();
  const base = await workshop.base();
  const key = digestOf(`${base.reference} ${node.version} ${migrateVersion}`).slice(7, 19);
  const note = join(store.root, "bases", `${key}.json`);
  const known = await readFile(note, "utf8").catch(() => undefined);
  if (known !== undefined) {
    const remembered = JSON.parse(known) as ApplicationBase;
    const held = await Promise.all(remembered.layers.map((layer) => store.find(layer.digest)));
    if (!held.includes(undefined)) return remembered;
  }

  progress("putting together the base of applications");
  const [debian, migrate]: [ExportedImage, string] = await Promise.all([
    exportImage(workshop.docker, store, base.reference),
    migrateBinary(home, progress),
  ]);
  const made: ApplicationBase = {
    layers: [
      ...debian.layers,
      await layerOf(store, [{ path: "usr/local/bin/node", from: node.path, mode: 0o755 }]),
      await layerOf(store, [{ path: "usr/local/bin/migrate", from: migrate, mode: 0o755 }]),
    ],
    provenance: `on ${base.provenance} with Node ${node.version} and golang-migrate ${migrateVersion}`,
  };
  await writeAtomically(note, `${JSON.stringify(made)}\n`);
  return made;
}
