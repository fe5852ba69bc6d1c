import type { SameImage } from "../application.ts";

/** The official image of version 16 or later (the seed's L26). */
export const declaration: SameImage = { like: "postgres" };
