import { describe } from "vitest";
import { deployFaults } from "../scenarios/deploy-faults.ts";
import { hostFaults } from "../scenarios/host-faults.ts";
import { scenariosOf } from "../search.ts";
import { togatherSystem } from "../systems.ts";

/** Faults under togather. One kind of them: `npm run test:full -- togather/faults -t "of a deploy"`. */

scenariosOf(togatherSystem);
describe("of a host", hostFaults);
describe("of a deploy", deployFaults);
