/**
 * An `up` with nothing to do, as `lab up` runs it, of a program that declares the resources of a state one by one: what the same resources
 * cost without Berth's program. The arguments are the stack, the folder that ./prepare.ts has filled, and
 * settings as for `lab up --set`.
 * @throws when it changes anything: it is not the same program then
 */
import { join } from "node:path";
import { labContext, planRun } from "../../commands/context.ts";
import { engineNamed, engineRun, requireOk } from "../../commands/engine.ts";
import { preparation } from "../../commands/prepare.ts";
import { configured } from "../../commands/up.ts";
import { runPhases } from "../../render/phases.ts";

const [stack = "", folder = "", ...set] = process.argv.slice(2);
const context = labContext();
const { phases, prepared } = preparation(context, planRun(context, { stack, set }, []), {});
await runPhases(phases);
const result = await engineNamed({ engine: "lab", providers: "lab" }, context).up({
  ...engineRun(context, stack, configured(prepared)),
  projectDir: join(import.meta.dirname, "program"),
  stateFile: join(folder, "state.json"),
  env: { BENCH_RESOURCES: join(folder, "resources.json") },
});
requireOk(result, "up");
const changes = result.steps.map(({ op, urn }) => `${op} ${urn}`);
if (changes.length > 0) throw new Error(`the program is not the same: ${changes.join(", ")}`);
