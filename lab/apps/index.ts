/**
 * The stand-ins of the systems' images, found by their folders: `lab/apps/<system>/<service>.ts` exports the `declaration` of
 * the image `<system>/<service>`, which the lab's registry serves at every version.
 */
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import type { LoadRequest } from "../load/client.ts";
import type { SameImage, StandIn } from "./application.ts";

export type { GoTool, SameImage, StandIn } from "./application.ts";
export { type ApplicationImage, applicationImage, type ImageEntry } from "./image.ts";

/** The folder with the program of all stand-ins; it is not a system. */
const serverFolder = "server";

async function findDeclarations(): Promise<Record<string, StandIn | SameImage>> {
  const found: Record<string, StandIn | SameImage> = {};
  const systems = readdirSync(import.meta.dirname, { withFileTypes: true })
    .filter((entry) => entry.isDirectory() && entry.name !== serverFolder)
    .map((entry) => entry.name);
  for (const system of systems.sort()) {
    const files = readdirSync(join(import.meta.dirname, system)).filter((file) => file.endsWith(".ts"));
    for (const file of files.sort()) {
      const path = join(import.meta.dirname, system, file);
      const module = (await import(pathToFileURL(path).href)) as { declaration?: StandIn | SameImage };
      if (module.declaration === undefined) throw new Error(`${path} exports no declaration of a stand-in`);
      found[`${system}/${file.slice(0, -".ts".length)}`] = module.declaration;
    }
  }
  return found;
}

/** By the name of the image. */
export const declarations: Readonly<Record<string, StandIn | SameImage>> = await findDeclarations();

/**
 * The requests that the load generator sends to a system's domain: those of its stand-ins, empty when none declares any.
 * @param service the one whose domain is asked, where it has its own
 */
export function loadMix(system: string, service?: string): readonly LoadRequest[] {
  return Object.entries(declarations).flatMap(([name, declaration]) => {
    if ("like" in declaration || !name.startsWith(`${system}/`)) return [];
    const asked = service === undefined ? !declaration.ownDomain : name === `${system}/${service}`;
    return asked ? (declaration.load ?? []) : [];
  });
}
