import { join } from "node:path";
import { withLock } from "../docker/lock.ts";
import type { OuterDocker } from "../docker/outer-docker.ts";
import type { LabHome } from "../home.ts";
import { ensureDebian, type Suite } from "../images/debian.ts";
import { build, hasImage } from "../images/outer.ts";
import { recipeOf } from "../images/recipe.ts";
import type { Progress } from "../progress.ts";

const recipe = join(import.meta.dirname, "image");

/** The Debian suite that is booted for an image of Hetzner. */
const suites = {
  "debian-12": "bookworm",
  "debian-13": "trixie",
  "ubuntu-24.04": "trixie",
} as const satisfies Readonly<Record<string, Suite>>;

function isKnown(image: string): image is keyof typeof suites {
  return image in suites;
}

/** @throws for an image without a suite. */
function suiteOf(image: string): Suite {
  if (!isKnown(image)) {
    throw new Error(`the lab cannot boot ${image}; use one of: ${Object.keys(suites).join(", ")}`);
  }
  return suites[image];
}

/**
 * The machine image, built on first use (about 2 minutes from Debian's packages) and again when its recipe changes. Its
 * tag is the suite and the hash of the recipe; when two commands need it at once, it is built once. There are no Ubuntu packages here:
 * Debian 13 is booted instead, and `progress` reports it. The differences (a listening ssh.socket, other versions) are then not rehearsed.
 *
 * @param hetznerImage `debian-13`
 * @returns the reference in the outer engine.
 * @throws with the output of the failing step.
 */
export async function ensureMachineImage(
  docker: OuterDocker,
  home: LabHome,
  hetznerImage: string,
  progress: Progress,
): Promise<string> {
  const suite = suiteOf(hetznerImage);
  if (hetznerImage.startsWith("ubuntu")) {
    progress(`${hetznerImage}: the lab boots Debian 13 in its place, because it has no packages of Ubuntu`);
  }
  const image = `berth/machine:${suite}-${await recipeOf(recipe)}`;
  if (await hasImage(docker, image)) return image;
  return withLock(join(home.cacheDir, "machine-image.lock"), 1200, async () => {
    if (await hasImage(docker, image)) return image;
    const base = await ensureDebian(docker, home, suite, `debian:${suite}`, progress);
    const what = `building the image of machines from ${base.reference}`;
    const args = { BASE: base.reference };
    await build(docker, { folder: recipe, tag: image, args, what, deadlineSeconds: 600 }, progress);
    await removeOthers(docker, image);
    return image;
  });
}

/** Removes images of earlier recipes, 700 MB each, unless a machine still uses them. */
async function removeOthers(docker: OuterDocker, image: string): Promise<void> {
  const filters = { reference: ["berth/machine"] };
  for (const { RepoTags } of await docker.client.listImages({ filters })) {
    for (const tag of RepoTags ?? []) {
      // Images of this recipe for other suites are kept.
      if (tag.split("-").at(-1) === image.split("-").at(-1)) continue;
      await docker.client
        .getImage(tag)
        .remove()
        .catch((error: { statusCode?: number }) => {
          if (error.statusCode !== 409 && error.statusCode !== 404) throw error;
        });
    }
  }
}
