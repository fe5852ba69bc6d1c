/** Writes into a folder what ./up.ts runs with: a copy of a running lab's state, and its resources. The arguments are the stack and the folder. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { labContext, stateFile } from "../../commands/context.ts";
import { readState } from "../../pulumi/engine/index.ts";
import { writePrivateFile } from "../../write-file.ts";
import { plainResources } from "./resources.ts";

const [stack = "", folder = ""] = process.argv.slice(2);
const context = labContext();
const passphrase = readFileSync(join(context.home.stateDir, "passphrase"), "utf8");
const state = join(folder, "state.json");
writePrivateFile(state, readFileSync(stateFile(context, stack), "utf8"));
const { resources } = readState(state, passphrase);
writePrivateFile(join(folder, "resources.json"), JSON.stringify(plainResources(resources)));
