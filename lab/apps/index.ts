/**
 * The stand-ins of the seeds' applications: small programs that keep each one's contract. The lab's registry answers for
 * each of these names at every version.
 */
import type { Application } from "./application.ts";
import { togather } from "./togather/image.ts";

export type { Application, ApplicationImage, ImageEntry } from "./application.ts";

/** By the name of the image. */
export const applications: Readonly<Record<string, Application>> = { "togather/app": togather };
