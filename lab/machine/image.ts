import { createHash } from "node:crypto";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { execa } from "execa";
import { ensureTools, requireRoot, run } from "../docker/host.ts";
import { withLock } from "../docker/lock.ts";
import type { OuterDocker } from "../docker/outer-docker.ts";
import { finished } from "../docker/trial.ts";
import type { LabHome } from "../home.ts";
import type { Progress } from "../progress.ts";

const recipe = fileURLToPath(new URL("image", import.meta.url));
const recipeFiles = ["Dockerfile", "90-lab.cfg", "entry.sh", "metadata.py"] as const;

/** Debian's suite that is booted for an image of Hetzner's. */
const suites = { "debian-12": "bookworm", "debian-13": "trixie", "ubuntu-24.04": "trixie" } as const;
type Suite = (typeof suites)[keyof typeof suites];

function isKnown(image: string): image is keyof typeof suites {
  return image in suites;
}

/** @throws for an image that the lab has no suite for. */
function suiteOf(image: string): Suite {
  if (!isKnown(image)) {
    throw new Error(`the lab boots no ${image}; allowed: ${Object.keys(suites).join(", ")}`);
  }
  return suites[image];
}

/** Only a mirror that does not answer at all is waited for so long: a name that does not resolve fails at once. */
const pullSilenceSeconds = 15;
const buildSeconds = 600;

/**
 * Image of machines, built on first use (about 2 minutes from Debian's packages) and again when its recipe changes. Its
 * tag is the suite and the hash of the recipe; two commands at once build it once. Of Ubuntu there are no packages here: Debian 13 is
 * booted in its place, and `progress` says so. What differs (a listening ssh.socket, other versions) is then not rehearsed.
 *
 * @param hetznerImage `debian-13`
 * @returns the reference in the outer engine.
 * @throws the failing step's own words.
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
  const image = await machineImage(suite);
  if (await exists(docker, image)) return image;
  return withLock(join(home.cacheDir, "machine-image.lock"), 1200, async () => {
    if (await exists(docker, image)) return image;
    const base = await ensureBase(docker, home, suite, progress);
    progress(`building the image of machines from ${base}`);
    await build(docker, base, image);
    await removeOthers(docker, image);
    return image;
  });
}

/** The reference: changes whenever a file of the recipe does. */
async function machineImage(suite: Suite): Promise<string> {
  const hash = createHash("sha256");
  for (const file of recipeFiles) hash.update(file).update(await readFile(join(recipe, file)));
  return `berth/machine:${suite}-${hash.digest("hex").slice(0, 12)}`;
}

/** Images of earlier recipes, 700 MB each. What a machine still runs on stays. */
async function removeOthers(docker: OuterDocker, image: string): Promise<void> {
  const filters = { reference: ["berth/machine"] };
  for (const { RepoTags } of await docker.client.listImages({ filters })) {
    for (const tag of RepoTags ?? []) {
      // Another suite's image of this recipe is as good.
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

async function exists(docker: OuterDocker, image: string): Promise<boolean> {
  return docker.client
    .getImage(image)
    .inspect()
    .then(
      () => true,
      (error: { statusCode?: number }) => {
        if (error.statusCode === 404) return false;
        throw error;
      },
    );
}

async function ensureBase(
  docker: OuterDocker,
  home: LabHome,
  suite: Suite,
  progress: Progress,
): Promise<string> {
  const official = `debian:${suite}`;
  const bootstrapped = `berth/debian:${suite}`;
  for (const base of [official, bootstrapped]) if (await exists(docker, base)) return base;
  progress(`pulling ${official}`);
  const refusal = await pull(docker, official).then(
    () => undefined,
    (error: unknown) => (error instanceof Error ? error.message : String(error)),
  );
  if (refusal === undefined) return official;
  progress(`no registry in reach (${refusal}): building Debian ${suite} from its packages`);
  await bootstrap(docker, home, suite, progress);
  return bootstrapped;
}

async function pull(docker: OuterDocker, image: string): Promise<void> {
  const silence = new AbortController();
  let timer = setTimeout(() => silence.abort(), pullSilenceSeconds * 1000);
  try {
    const stream = await docker.client.pull(image, { abortSignal: silence.signal });
    await finished(docker.client, stream, () => {
      clearTimeout(timer);
      timer = setTimeout(() => silence.abort(), pullSilenceSeconds * 1000);
    });
  } catch (error) {
    if (silence.signal.aborted) throw new Error(`no answer for ${pullSilenceSeconds} s`);
    throw error;
  } finally {
    clearTimeout(timer);
  }
}

async function bootstrap(
  docker: OuterDocker,
  home: LabHome,
  suite: Suite,
  progress: Progress,
): Promise<void> {
  requireRoot("building Debian from its packages");
  await ensureTools(["debootstrap"], progress);
  const folder = await mkdtemp(join(home.cacheDir, "debootstrap-"));
  try {
    await run("debootstrap", ["--variant=minbase", "--include=ca-certificates", suite, folder], {
      timeoutSeconds: buildSeconds,
    });
    const archive = execa("tar", ["-C", folder, "--one-file-system", "-cf", "-", "."], { buffer: false });
    const stream = await docker.client.importImage(archive.stdout, { repo: "berth/debian", tag: suite });
    await finished(docker.client, stream);
    await archive;
  } finally {
    // A bootstrap that was interrupted leaves these mounted.
    await run("umount", ["--lazy", join(folder, "proc")]).catch(() => undefined);
    await run("umount", ["--lazy", join(folder, "sys")]).catch(() => undefined);
    await rm(folder, { recursive: true, force: true });
  }
}

async function build(docker: OuterDocker, base: string, image: string): Promise<void> {
  const said: string[] = [];
  try {
    const stream = await docker.client.buildImage(
      { context: recipe, src: [...recipeFiles] },
      // The outer engine's own network may not reach the packages.
      {
        t: image,
        buildargs: { BASE: base },
        networkmode: "host",
        forcerm: true,
        abortSignal: AbortSignal.timeout(buildSeconds * 1000),
      },
    );
    await finished(docker.client, stream, (line) => said.push(line));
  } catch (error) {
    throw new Error(`the image of machines could not be built: ${said.slice(-12).join("\n")}`, {
      cause: error,
    });
  }
}
