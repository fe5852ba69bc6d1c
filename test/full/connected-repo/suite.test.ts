import { suiteOf } from "../scenarios/suite.ts";
import { connectedRepoSystem } from "../systems.ts";

/** Togather's scenarios on connected-repo, whose image migrates by itself too, with a certificate that Pebble issued. */

suiteOf(connectedRepoSystem);
