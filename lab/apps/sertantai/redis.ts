import type { SameImage } from "../application.ts";

/** The official image; the seed's first principle names Redis as a part of the shared infrastructure. */
export const declaration: SameImage = { like: "redis" };
