import { describe } from "vitest";
import { scenariosOf } from "../search.ts";
import type { TestedSystem } from "../systems.ts";
import { deploy } from "./deploy.ts";
import { failedRelease } from "./failed-release.ts";
import { goingBack } from "./going-back.ts";
import { killed } from "./killed.ts";
import { outages } from "./outages.ts";

/** All scenarios of this folder on a system. One of them: `npm run test:full -- mfa/suite -t outages`. */
export function suiteOf(system: TestedSystem): void {
  scenariosOf(system);
  const suite = { deploy, "failed release": failedRelease, "going back": goingBack, killed, outages };
  for (const [name, define] of Object.entries(suite)) describe(name, define);
}
