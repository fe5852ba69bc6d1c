import { failedRelease } from "../scenarios/failed-release.ts";
import { scenarios } from "../search.ts";

scenarios();
failedRelease();
