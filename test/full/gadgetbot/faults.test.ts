import { describe } from "vitest";
import { deployFaults } from "../scenarios/deploy-faults.ts";
import { hostFaults } from "../scenarios/host-faults.ts";
import { scenariosOf } from "../search.ts";
import { gadgetbotSystem } from "../systems.ts";

/** Faults under gadgetbot. One kind of them: `npm run test:full -- gadgetbot/faults -t "of a deploy"`. */

scenariosOf(gadgetbotSystem);
describe("of a host", hostFaults);
describe("of a deploy", deployFaults);
