import { hostFaults } from "../scenarios/host-faults.ts";
import { scenariosOf } from "../search.ts";
import { togatherSystem } from "../systems.ts";

/** Faults of the host under togather. */

scenariosOf(togatherSystem);
hostFaults();
