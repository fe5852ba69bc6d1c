import { cp, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ensureDocker, run } from "../../lab/docker/index.ts";
import { createRegistry } from "../../lab/images/index.ts";
import { build } from "../../lab/images/outer.ts";
import { openStore } from "../../lab/images/store.ts";
import { home } from "./support.ts";

/** Images that somebody has built, for `lab up --image`: a stand-in with something changed. */
export interface OwnImages {
  /** `uid:gid` that the stand-in runs as. */
  readonly user: string;
  /** Builds `FROM` the stand-in and answers the image's name. */
  build(name: string, dockerfile: string, files?: Readonly<Record<string, string>>): Promise<string>;
  /** The stand-in as if it were built for another architecture. */
  forArchitecture(architecture: string): Promise<string>;
  close(): Promise<void>;
}

/**
 * Puts the stand-in of a version into the lab's engine, from where a person's builds begin.
 * @param of its name: `togather/app`
 */
export async function ownImages(version: string, of = "togather/app"): Promise<OwnImages> {
  const docker = await ensureDocker(home, () => undefined);
  const engine = `unix://${docker.socketPath}`;
  const folder = await mkdtemp(join(tmpdir(), "berth-own-images-"));
  const store = openStore(join(home.cacheDir, "registry"));
  const registry = await createRegistry(docker, home, () => undefined);
  const { digest } = await registry.resolve(of, version);
  const blob = async (wanted: string) => {
    const found = await store.find(wanted);
    if (found === undefined) throw new Error(`the lab's registry has no ${wanted}`);
    return found.path;
  };
  const manifest = JSON.parse(await readFile(await blob(digest), "utf8")) as {
    config: { digest: string };
    layers: { digest: string }[];
  };
  const { config, layers } = manifest;
  const own = JSON.parse(await readFile(await blob(config.digest), "utf8")) as { config: { User: string } };
  /** Loads it as `docker save` writes an image, with another configuration. */
  const load = async (tag: string, change: Readonly<Record<string, string>>) => {
    const archive = await mkdtemp(join(folder, "archive-"));
    const files = layers.map((_, index) => `${index}.tar`);
    for (const [index, layer] of layers.entries())
      await cp(await blob(layer.digest), join(archive, `${index}.tar`));
    await writeFile(join(archive, "config.json"), JSON.stringify({ ...own, ...change }));
    await writeFile(
      join(archive, "manifest.json"),
      JSON.stringify([{ Config: "config.json", RepoTags: [tag], Layers: files }]),
    );
    await run("sh", ["-c", 'tar -C "$1" -c . | docker -H "$0" load', engine, archive]);
    await rm(archive, { recursive: true });
    names.push(tag);
    return tag;
  };
  const names: string[] = [];
  const repository = `berth-test/${of}`;
  const base = await load(`${repository}:base`, {});

  return {
    user: own.config.User,
    async build(name, dockerfile, files = {}) {
      const context = await mkdtemp(join(folder, "build-"));
      await writeFile(join(context, "Dockerfile"), `FROM ${base}\n${dockerfile}\n`);
      for (const [file, command] of Object.entries(files))
        await run("sh", ["-c", `${command} >"$0"`, join(context, file)]);
      const tag = `${repository}:${name}`;
      await build(
        docker,
        { folder: context, tag, args: {}, what: name, deadlineSeconds: 300 },
        () => undefined,
      );
      await rm(context, { recursive: true });
      names.push(tag);
      return tag;
    },
    forArchitecture: (architecture) => load(`${repository}:${architecture}`, { architecture }),
    async close() {
      for (const name of names) await docker.client.getImage(name).remove({ force: true });
      await rm(folder, { recursive: true });
    },
  };
}
