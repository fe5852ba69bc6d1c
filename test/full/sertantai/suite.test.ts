import { describe } from "vitest";
import { deploy } from "../scenarios/deploy.ts";
import { failedRelease } from "../scenarios/failed-release.ts";
import { goingBack } from "../scenarios/going-back.ts";
import { killed } from "../scenarios/killed.ts";
import { outages } from "../scenarios/outages.ts";
import { scenariosOf } from "../search.ts";
import { sertantaiSystem } from "../systems.ts";

/** Togather's scenarios on Sertantai: the backend is released, its neighbours stay. One of them: `npm run test:full -- sertantai/suite -t outages`. */

scenariosOf(sertantaiSystem);

const suite = { deploy, "failed release": failedRelease, "going back": goingBack, killed, outages };
for (const [name, define] of Object.entries(suite)) describe(name, define);
