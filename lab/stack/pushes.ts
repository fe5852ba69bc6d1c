import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { registryOf } from "../../components/host/registries.ts";
import type { VersionToRecord } from "../../ops/record-version.ts";
import type { LabHome } from "../home.ts";
import { writePrivateFile } from "../write-file.ts";
import { isObject, type Json, objectAt } from "./stack-file.ts";

/** An image that a host of the lab has built and pushed to a registry of the stack. */
export interface PushedImage {
  readonly repository: string;
  readonly digest: string;
}

const pushesSchema = z.object({
  /** Setting to the version that was pushed last. */
  versions: z.record(z.string(), z.string()).default({}),
  /** Key in `berth:images` to version to what its registry has. */
  images: z
    .record(z.string(), z.record(z.string(), z.object({ repository: z.string(), digest: z.string() })))
    .default({}),
});
export type Pushes = z.infer<typeof pushesSchema>;

const pushesFile = (home: LabHome, stack: string) => join(home.stateDir, `pushes-${stack}.json`);

/** What was pushed in this lab: what production's stack file would name by now. The lab changes no file of the project. */
export function readPushes(home: LabHome, stack: string): Pushes {
  const path = pushesFile(home, stack);
  return pushesSchema.parse(existsSync(path) ? JSON.parse(readFileSync(path, "utf8")) : {});
}

/**
 * Has every later run of this lab deploy a version that was pushed.
 * @throws when the version was recorded with another digest: it does not move.
 */
export function recordPush(home: LabHome, stack: string, wanted: Required<VersionToRecord>): void {
  const { setting, image, version, digest, repository = "" } = wanted;
  const { versions, images } = readPushes(home, stack);
  const known = images[image]?.[version];
  if (known !== undefined && known.digest !== digest) {
    throw new Error(
      `${image} ${version} was pushed to this lab as ${known.digest}, and its registry has ${digest} under that version now; push a new commit`,
    );
  }
  const pushes: Pushes = {
    versions: { ...versions, [setting]: version },
    images: { ...images, [image]: { ...images[image], [version]: { repository, digest } } },
  };
  writePrivateFile(pushesFile(home, stack), JSON.stringify(pushes, undefined, 2));
}

/** The values with the versions that were pushed last. */
export function withPushes(
  values: Readonly<Record<string, Json>>,
  { versions }: Pushes,
): Readonly<Record<string, Json>> {
  const pushed = Object.entries(versions).flatMap(([setting, version]) => {
    const settings = values[setting];
    return isObject(settings) ? [[setting, { ...settings, version }]] : [];
  });
  return { ...values, ...Object.fromEntries(pushed) };
}

/** The repository that a build pushes to. */
export function pushesTo(values: Readonly<Record<string, Json>>, build: Json): string | undefined {
  const { image, repository = objectAt(objectAt(values["berth:images"])[String(image)]).repository } =
    objectAt(build);
  return typeof repository === "string" ? repository : undefined;
}

/**
 * The builds of a run, each with the repository that it pushes to, also while an image of the lab's registry stands for it. Only those
 * whose registry is one of these domains, which the stack serves: the lab's own takes no pushes.
 */
export function buildsOf(
  values: Readonly<Record<string, Json>>,
  served: readonly string[],
): Record<string, Json> {
  return Object.fromEntries(
    Object.entries(objectAt(values["berth:builds"])).flatMap(([name, build]) => {
      const repository = pushesTo(values, build);
      if (repository === undefined || !served.includes(registryOf(repository))) return [];
      return [[name, { ...objectAt(build), repository }] as const];
    }),
  );
}
