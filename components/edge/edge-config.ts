import { z } from "zod";
import { use } from "../schema.ts";
import { edgeKindNames, edgeNetworkCount } from "./kinds.ts";

/** The one edge of a host: `berth:hosts.<host>.edge`. */
export const edgeSchema = z.strictObject(
  {
    kind: z.enum(edgeKindNames),
    version: z.string().min(1),
    /** How long a WebSocket or a download lives on after a release or a new certificate, which each wait for it. */
    webSocketGraceSeconds: z.int().min(5).max(3600).default(30),
  },
  use('{ kind: nginx, version: "1.28.3" }'),
);

/** Headers of every answer of a system's domains: `berth:systems.<system>.headers`. */
export const headersSchema = z
  .strictObject({
    /** Browsers use HTTPS alone for a year, and with this for subdomains too, also for those that live elsewhere. */
    hstsIncludeSubDomains: z.boolean().default(true),
    /** Whose pages may show the system's in a frame. */
    frames: z.enum(["deny", "sameOrigin", "everybody"]).default("deny"),
  })
  .prefault({});
export type SiteHeaders = z.infer<typeof headersSchema>;

const networks = `is not an edge network; use a number from 1 to ${edgeNetworkCount}`;

/** Which of the host's edge networks is a system's, and of no other system of the host; another one is a new slot. */
export const edgeNetworkSchema = z.int().min(1, networks).max(edgeNetworkCount, networks).default(1);
