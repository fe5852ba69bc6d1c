import { goingBack } from "../scenarios/going-back.ts";
import { scenarios } from "../search.ts";

scenarios();
goingBack();
