import type { SameImage } from "../application.ts";

/** The official image of version 17 (the seed's L40). */
export const declaration: SameImage = { like: "postgres" };
