import { readFileSync } from "node:fs";
import type { StandIn } from "../application.ts";

/** The declaration in the image, as JSON. */
export interface NamedStandIn extends StandIn {
  /** `<system>/<service>` */
  readonly name: string;
}

export function readDeclaration(): NamedStandIn {
  const file = new URL("../declaration.json", import.meta.url);
  return JSON.parse(readFileSync(file, "utf8")) as NamedStandIn;
}
