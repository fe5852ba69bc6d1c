import { suiteOf } from "../scenarios/suite.ts";
import { gadgetbotSystem } from "../systems.ts";

/** Togather's scenarios on GadgetBot: the app is released, Zitadel and its login stay. Both outlive what happens to their host. */

suiteOf(gadgetbotSystem);
