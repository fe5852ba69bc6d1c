import { outages } from "../scenarios/outages.ts";
import { scenarios } from "../search.ts";

scenarios();
outages();
