import type { SameImage } from "../application.ts";

/** A cache, as Redis' own image is. */
export const declaration: SameImage = { like: "redis" };
