import { hostFaults } from "../scenarios/host-faults.ts";
import { scenariosOf } from "../search.ts";
import { mfaSystem } from "../systems.ts";

/** Faults of the host under mfa. */

scenariosOf(mfaSystem);
hostFaults();
