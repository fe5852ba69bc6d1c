import type { SameImage } from "../application.ts";

/** The official image's Alpine variant (the seed's L161). */
export const declaration: SameImage = { like: "redis" };
