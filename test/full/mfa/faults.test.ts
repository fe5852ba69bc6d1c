import { describe } from "vitest";
import { deployFaults } from "../scenarios/deploy-faults.ts";
import { hostFaults } from "../scenarios/host-faults.ts";
import { scenariosOf } from "../search.ts";
import { mfaSystem } from "../systems.ts";

/** Faults under mfa. One kind of them: `npm run test:full -- mfa/faults -t "of a deploy"`. */

scenariosOf(mfaSystem);
describe("of a host", hostFaults);
describe("of a deploy", deployFaults);
