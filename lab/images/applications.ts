import { readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { applicationImage, type GoTool, type ImageEntry, type StandIn } from "../apps/index.ts";
import { deliberateFailure } from "../apps/server/version.ts";
import { writePrivateFile } from "../write-file.ts";
import { exportImage, layerOf, publish } from "./archive.ts";
import { imageConfig, imageManifest, type Layer } from "./manifest.ts";
import { tryPull } from "./outer.ts";
import { recipeOf } from "./recipe.ts";
import type { BuildContext } from "./standins.ts";
import { digestOf } from "./store.ts";
import { goBinary, nodeBinary } from "./tools.ts";

/**
 * An application's image at one version: the real one if it is published and a registry answers; otherwise its stand-in,
 * assembled from the Debian base, Node, the declared tools and layers, and a configuration with the version. Nothing is built per version.
 *
 * @returns the manifest's digest.
 */
export async function makeApplication(
  context: BuildContext,
  name: string,
  declaration: StandIn,
  version: string,
): Promise<{ digest: string; provenance: string }> {
  const { docker, store, progress } = context;
  const real = `${declaration.published}:${version}`;
  // Versions that fail on purpose are never published.
  if (declaration.published !== undefined && deliberateFailure(version) === undefined) {
    if (await tryPull(docker, real, progress)) {
      return { digest: await publish(docker, store, real), provenance: `the image ${real}` };
    }
  }
  const image = applicationImage(name, declaration, version);
  const base = await applicationBase(context, declaration.tools ?? []);
  const layers = [...base.layers];
  for (const entries of image.layers) layers.push(await layerOf(store, entries));
  const PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
  const config = imageConfig({ ...image, environment: { PATH, ...image.environment } }, layers);
  const manifest = await store.put(imageManifest(await store.put(config), layers));
  return {
    digest: manifest.digest,
    provenance: `a stand-in of ${declaration.standsInFor}, written for Node, ${base.provenance}`,
  };
}

/** Hash of everything that determines an application's image at a version, including the content of files. */
export async function applicationRecipe(
  name: string,
  declaration: StandIn,
  version: string,
): Promise<string> {
  const image = applicationImage(name, declaration, version);
  const layers: ImageEntry[][] = [];
  for (const entries of image.layers) {
    const contents = entries.map(async (entry) =>
      "text" in entry ? entry : { ...entry, from: await contentOf(entry.from) },
    );
    layers.push(await Promise.all(contents));
  }
  return digestOf(JSON.stringify({ ...image, layers, node: nodeBinary().version }));
}

async function contentOf(path: string): Promise<string> {
  return (await stat(path)).isDirectory() ? recipeOf(path) : digestOf(await readFile(path));
}

interface ApplicationBase {
  readonly layers: readonly Layer[];
  readonly provenance: string;
}

/** The layers that applications share: Debian, Node, then a layer for each tool. */
async function applicationBase(context: BuildContext, tools: readonly GoTool[]): Promise<ApplicationBase> {
  const { store, home, docker, progress } = context;
  const node = nodeBinary();
  const base = await context.base();
  const debian = await cachedLayers(context, base.reference, async () => {
    progress("assembling the base of applications");
    return (await exportImage(docker, store, base.reference)).layers;
  });
  const command = (name: string, version: string, find: () => Promise<string>) =>
    cachedLayers(context, `${name} ${version}`, async () => [
      await layerOf(store, [{ path: `usr/local/bin/${name}`, from: await find(), mode: 0o755 }]),
    ]);
  const layers = [...debian, ...(await command("node", node.version, async () => node.path))];
  for (const tool of tools) {
    layers.push(...(await command(tool.command, tool.version, () => goBinary(home, tool, progress))));
  }
  const toolNames = [`Node ${node.version}`, ...tools.map((tool) => `${tool.command} ${tool.version}`)];
  return { layers, provenance: `on ${base.provenance} with ${toolNames.join(" and ")}` };
}

/** Layers recorded in the store, so that they are built only once. */
async function cachedLayers(
  { store }: BuildContext,
  of: string,
  make: () => Promise<readonly Layer[]>,
): Promise<readonly Layer[]> {
  const note = join(store.root, "bases", `${digestOf(of).slice(7, 19)}.json`);
  const text = await readFile(note, "utf8").catch(() => undefined);
  if (text !== undefined) {
    const layers = JSON.parse(text) as readonly Layer[];
    const held = await Promise.all(layers.map((layer) => store.find(layer.digest)));
    if (!held.includes(undefined)) return layers;
  }
  const layers = await make();
  writePrivateFile(note, `${JSON.stringify(layers)}\n`);
  return layers;
}
