import { hostFaults } from "../scenarios/host-faults.ts";
import { scenariosOf } from "../search.ts";
import { gadgetbotSystem } from "../systems.ts";

/** Faults of the host under gadgetbot. */

scenariosOf(gadgetbotSystem);
hostFaults();
