import { hostFaults } from "../scenarios/host-faults.ts";
import { scenariosOf } from "../search.ts";
import { sertantaiSystem } from "../systems.ts";

/** Faults of the host under sertantai. */

scenariosOf(sertantaiSystem);
hostFaults();
