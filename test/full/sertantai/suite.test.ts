import { suiteOf } from "../scenarios/suite.ts";
import { sertantaiSystem } from "../systems.ts";

/** Togather's scenarios on Sertantai: the backend is released, its neighbours stay. */

suiteOf(sertantaiSystem);
