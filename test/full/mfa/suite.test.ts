import { describe } from "vitest";
import { deploy } from "../scenarios/deploy.ts";
import { failedRelease } from "../scenarios/failed-release.ts";
import { goingBack } from "../scenarios/going-back.ts";
import { killed } from "../scenarios/killed.ts";
import { outages } from "../scenarios/outages.ts";
import { scenariosOf } from "../search.ts";
import { mfaSystem } from "../systems.ts";

/**
 * Togather's scenarios on MFA: an app and a worker in one release, on Traefik as its stack file has it, with a certificate that Pebble
 * issued. One of them: `npm run test:full -- mfa/suite -t outages`.
 */

scenariosOf(mfaSystem);

const suite = { deploy, "failed release": failedRelease, "going back": goingBack, killed, outages };
for (const [name, define] of Object.entries(suite)) describe(name, define);
