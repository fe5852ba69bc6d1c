import type { SameImage } from "../application.ts";

/** The official image's Alpine variant (the seed's L160). */
export const declaration: SameImage = { like: "postgres" };
