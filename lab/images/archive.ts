import { createWriteStream } from "node:fs";
import {
  chmod,
  cp,
  mkdir,
  mkdtemp,
  open,
  readdir,
  readFile,
  realpath,
  rm,
  stat,
  writeFile,
} from "node:fs/promises";
import { dirname, join } from "node:path";
import { pipeline } from "node:stream/promises";
import { run } from "../docker/host.ts";
import type { OuterDocker } from "../docker/outer-docker.ts";
import { imageManifest, type Layer } from "./manifest.ts";
import type { Store } from "./store.ts";

/** For images of some GiB on a slow disk. */
const tarSeconds = 600;

/** An image of the outer engine, its layers in the store. */
export interface ExportedImage {
  /** The engine's configuration of the image, byte for byte. */
  readonly config: Buffer;
  readonly layers: readonly Layer[];
}

/**
 * Moves an image from the engine into the store. Layers stay as the engine saves them: uncompressed from a classic
 * image store, which is the fastest to pull over the lab's bridge.
 */
export async function exportImage(
  docker: OuterDocker,
  store: Store,
  reference: string,
): Promise<ExportedImage> {
  return withTemporaryFolder(store, async (scratch) => {
    const archive = join(scratch, "image.tar");
    await pipeline(await docker.client.getImage(reference).get(), createWriteStream(archive));
    await run("tar", ["-xf", archive, "-C", scratch], { timeoutSeconds: tarSeconds });
    const [entry] = JSON.parse(await readFile(join(scratch, "manifest.json"), "utf8")) as {
      Config: string;
      Layers: string[];
    }[];
    if (entry === undefined) throw new Error(`the engine saved no image for ${reference}`);
    const config = await readFile(join(scratch, entry.Config));
    const { rootfs } = JSON.parse(config.toString()) as { rootfs: { diff_ids: string[] } };
    const layers: Layer[] = [];
    for (const [index, name] of entry.Layers.entries()) {
      const diffId = rootfs.diff_ids[index];
      if (diffId === undefined)
        throw new Error(`${reference}: layer ${index} is missing from its configuration`);
      // Engines save a repeated layer as a link to the first one.
      const held = await store.find(diffId);
      if (held) {
        layers.push({ digest: diffId, diffId, sizeBytes: held.sizeBytes, compressed: false });
        continue;
      }
      const file = await realpath(join(scratch, name));
      const compressed = await isGzip(file);
      layers.push({ ...(await store.adopt(file)), diffId, compressed });
    }
    return { config, layers };
  });
}

/** Puts an image of the engine into the store. @returns the digest of its manifest. */
export async function publish(docker: OuterDocker, store: Store, reference: string): Promise<string> {
  const { config, layers } = await exportImage(docker, store, reference);
  return (await store.put(imageManifest(await store.put(config), layers))).digest;
}

/** One file or folder of a layer: a copy of something on this machine, or a text. Modes are octal, 0644 by default. */
type LayerEntry =
  | { readonly path: string; readonly from: string; readonly mode?: number }
  | { readonly path: string; readonly text: string; readonly mode?: number };

/**
 * Makes a layer of files owned by root. Equal content gives an equal digest: names are sorted, times are zero.
 */
export async function layerOf(store: Store, entries: readonly LayerEntry[]): Promise<Layer> {
  return withTemporaryFolder(store, async (scratch) => {
    const tree = join(scratch, "tree");
    await mkdir(tree, { mode: 0o755 });
    for (const entry of entries) {
      const target = join(tree, entry.path);
      await mkdir(dirname(target), { recursive: true, mode: 0o755 });
      if ("text" in entry) await writeFile(target, entry.text);
      else await cp(entry.from, target, { recursive: true, dereference: true });
      if (entry.mode !== undefined) await chmod(target, entry.mode);
      else if ((await stat(target)).isFile()) await chmod(target, 0o644);
    }
    const archive = join(scratch, "layer.tar");
    const words = ["--sort=name", "--owner=0", "--group=0", "--numeric-owner", "--mtime=@0", "--format=gnu"];
    // Modes must not depend on the umask of whoever built the layer.
    words.push("--mode=u+rwX,go+rX,go-w", "-C", tree, "-cf", archive, ".");
    await run("tar", words, { timeoutSeconds: tarSeconds });
    const blob = await store.adopt(archive);
    return { ...blob, diffId: blob.digest, compressed: false };
  });
}

/** Runs `work` with a temporary folder on the store's file system. */
export async function withTemporaryFolder<T>(store: Store, work: (folder: string) => Promise<T>): Promise<T> {
  const parent = join(store.root, "scratch");
  await mkdir(parent, { recursive: true });
  // Removes what a killed command left; no step takes an hour.
  for (const name of await readdir(parent)) {
    const left = join(parent, name);
    const { mtimeMs } = await stat(left).catch(() => ({ mtimeMs: Date.now() }));
    if (Date.now() - mtimeMs > 3_600_000) await rm(left, { recursive: true, force: true });
  }
  const folder = await mkdtemp(join(parent, "work-"));
  try {
    return await work(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function isGzip(path: string): Promise<boolean> {
  const file = await open(path);
  try {
    const { buffer } = await file.read(Buffer.alloc(2), 0, 2, 0);
    return buffer[0] === 0x1f && buffer[1] === 0x8b;
  } finally {
    await file.close();
  }
}
