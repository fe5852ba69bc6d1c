import { describe } from "vitest";
import { deployFaults } from "../scenarios/deploy-faults.ts";
import { hostFaults } from "../scenarios/host-faults.ts";
import { scenariosOf } from "../search.ts";
import { connectedRepoSystem } from "../systems.ts";

/** Faults under connected-repo. One kind of them: `npm run test:full -- connected-repo/faults -t "of a deploy"`. */

scenariosOf(connectedRepoSystem);
describe("of a host", hostFaults);
describe("of a deploy", deployFaults);
