/** The program that the engine under test runs: the scenario named by `conformance:scenario`, at `conformance:variant`. */
import * as pulumi from "@pulumi/pulumi";
import { scenarioNamed } from "../scenarios/index.ts";

const config = new pulumi.Config();
const outputs = scenarioNamed(config.require("scenario")).program(config.require("variant")) ?? {};

export { outputs };
