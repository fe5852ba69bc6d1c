import { killed } from "../scenarios/killed.ts";
import { scenarios } from "../search.ts";

scenarios();
killed();
