import type { SameImage } from "../application.ts";

/** The official image of version 16 (the seed's "Context"). */
export const declaration: SameImage = { like: "postgres" };
