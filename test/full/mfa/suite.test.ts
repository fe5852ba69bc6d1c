import { suiteOf } from "../scenarios/suite.ts";
import { mfaSystem } from "../systems.ts";

/**
 * Togather's scenarios on MFA: an app and a worker in one release, on Traefik as its stack file has it, with a certificate that Pebble
 * issued.
 */

suiteOf(mfaSystem);
