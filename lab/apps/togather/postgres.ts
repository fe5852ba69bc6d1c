import type { SameImage } from "../application.ts";

/** The seed's `Dockerfile.postgres`: PostgreSQL with PostGIS, pgvector and pg_trgm, which the lab's own image has. */
export const declaration: SameImage = { like: "postgres" };
