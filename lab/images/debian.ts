import { spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { join } from "node:path";
import { ensureTools, requireRoot, run, succeeds } from "../docker/host.ts";
import { withLock } from "../docker/lock.ts";
import type { OuterDocker } from "../docker/outer-docker.ts";
import type { LabHome } from "../home.ts";
import type { Progress } from "../progress.ts";
import { hasImage, importRoot, tryPull } from "./outer.ts";

/** Debian's suites that the lab builds images on, and their versions. */
export const debianVersions = { bookworm: 12, trixie: 13 } as const;
export type Suite = keyof typeof debianVersions;

const bootstrapSeconds = 600;

/** Debian's base system as an image of the outer engine. */
export interface Debian {
  readonly reference: string;
  /** The official image, otherwise built from Debian's packages. */
  readonly official: boolean;
}

/**
 * Debian's base system: the official image if a registry answers, otherwise built once from Debian's packages (about 50 s).
 * @param official the image's reference: `debian:trixie-slim`
 */
export async function ensureDebian(
  docker: OuterDocker,
  home: LabHome,
  suite: Suite,
  official: string,
  progress: Progress,
): Promise<Debian> {
  const made = `berth/debian:${suite}`;
  const present = async () => {
    for (const reference of [official, made]) {
      if (await hasImage(docker, reference)) return { reference, official: reference === official };
    }
    return undefined;
  };
  return (
    (await present()) ??
    withLock(join(home.cacheDir, `debian-${suite}.lock`), bootstrapSeconds + 300, async () => {
      const raced = await present();
      if (raced !== undefined) return raced;
      if (await tryPull(docker, official, progress)) return { reference: official, official: true };
      await bootstrap(docker, home, suite, progress);
      return { reference: made, official: false };
    })
  );
}

async function bootstrap(
  docker: OuterDocker,
  home: LabHome,
  suite: Suite,
  progress: Progress,
): Promise<void> {
  requireRoot("building Debian from its packages (no image registry can be reached)");
  await ensureTools(["debootstrap"], progress);
  const root = await mkdtemp(join(home.cacheDir, "debootstrap-"));
  try {
    progress(`making Debian ${debianVersions[suite]}'s base system with debootstrap (about 50 s)`);
    await run("debootstrap", ["--variant=minbase", "--include=ca-certificates", suite, root], {
      timeoutSeconds: bootstrapSeconds,
    });
    const tar = spawn("tar", [
      ...["-C", root, "--numeric-owner", "--sort=name", "-c"],
      ...["proc", "sys", "dev", "var/cache/apt", "var/lib/apt/lists", "var/log"].map(
        (path) => `--exclude=./${path}/*`,
      ),
      ...["doc", "man", "locale", "info", "lintian"].map((path) => `--exclude=./usr/share/${path}/*`),
      ".",
    ]);
    tar.stderr.resume();
    await importRoot(docker, tar.stdout, { repository: "berth/debian", tag: suite }, progress);
  } finally {
    // An interrupted bootstrap leaves these mounted; mounted folders must not be removed.
    for (const mount of ["proc", "sys"]) await succeeds("umount", ["--lazy", join(root, mount)]);
    await rm(root, { recursive: true, force: true });
  }
}
