import { describe } from "vitest";
import { deployFaults } from "../scenarios/deploy-faults.ts";
import { hostFaults } from "../scenarios/host-faults.ts";
import { scenariosOf } from "../search.ts";
import { sertantaiSystem } from "../systems.ts";

/** Faults under sertantai. One kind of them: `npm run test:full -- sertantai/faults -t "of a deploy"`. */

scenariosOf(sertantaiSystem);
describe("of a host", hostFaults);
describe("of a deploy", deployFaults);
