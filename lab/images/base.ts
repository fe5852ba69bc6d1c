import { join } from "node:path";
import type { OuterDocker } from "../docker/outer-docker.ts";
import type { LabHome } from "../home.ts";
import type { Progress } from "../progress.ts";
import { ensureDebian } from "./debian.ts";
import { build, hasImage } from "./outer.ts";
import { recipeOf } from "./recipe.ts";

/** The image that stand-ins are built from. */
export interface Base {
  /** Tag in the outer engine. */
  readonly reference: string;
  /** "Debian 13 made with debootstrap" or "the image debian:trixie-slim". */
  readonly provenance: string;
}

const folder = join(import.meta.dirname, "base");
const realReference = "debian:trixie-slim";

/** Content hash of the base's recipe, part of the recipe of every image that is built on it. */
export function baseRecipe(): Promise<string> {
  return recipeOf(folder);
}

/** Builds the base in the outer engine unless it exists. */
export async function ensureBase(docker: OuterDocker, home: LabHome, progress: Progress): Promise<Base> {
  const recipe = await baseRecipe();
  const made = { reference: `berth-lab/base:made-${recipe}`, provenance: "Debian 13 made with debootstrap" };
  const pulled = { reference: `berth-lab/base:pulled-${recipe}`, provenance: `the image ${realReference}` };
  for (const base of [pulled, made]) if (await hasImage(docker, base.reference)) return base;

  const debian = await ensureDebian(docker, home, "trixie", realReference, progress);
  const base = debian.official ? pulled : made;
  await build(
    docker,
    {
      folder,
      tag: base.reference,
      args: { BASE: debian.reference },
      what: "building the stand-ins' base",
      deadlineSeconds: 300,
    },
    progress,
  );
  return base;
}
