import { hostFaults } from "../scenarios/host-faults.ts";
import { scenariosOf } from "../search.ts";
import { connectedRepoSystem } from "../systems.ts";

/** Faults of the host under connected-repo. */

scenariosOf(connectedRepoSystem);
hostFaults();
