import { deploy } from "../scenarios/deploy.ts";
import { scenarios } from "../search.ts";

scenarios();
deploy();
