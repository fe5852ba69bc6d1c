import { pendingOperations } from "../../ops/deployment.ts";
import { recover, renderRecovery } from "../../ops/recover.ts";
import type { Progress } from "../progress.ts";
import type { StackConfiguration } from "../stack/check.ts";
import { type LabContext, stateFile } from "./context.ts";
import { engineRun, stateEngine } from "./engine.ts";
import { PulumiCli } from "./pulumi-cli.ts";
import { StateFileBackend } from "./state-file-backend.ts";

/**
 * Recovers from a killed run, of the engine that has the state, if it left a stale lock or an unfinished operation.
 * Prints what it found and did.
 * @throws when another deploy is running, or when the recovery was not complete.
 */
export async function recoverFirst(
  context: LabContext,
  stack: string,
  configuration: StackConfiguration,
  progress: Progress,
  print: (text: string) => void = (text) => console.log(text),
): Promise<void> {
  const backend =
    stateEngine(context.home, stack) === "pulumi"
      ? (await PulumiCli.open(context.home, engineRun(context, stack, configuration))).backend()
      : new StateFileBackend(stack, stateFile(context, stack));
  const lock = await backend.lock();
  if (lock === undefined && pendingOperations(await backend.read()).length === 0) {
    progress("nothing: no lock, no interrupted operation");
    return;
  }
  const { "hcloud:token": token = "", "hcloud:endpoint": endpoint = "" } = configuration.config;
  const report = await recover({ backend, cloud: { endpoint, token }, progress });
  print(`An earlier run was interrupted. What was found and done:\n${renderRecovery(report)}`);
  if (!report.ok) throw new Error("the recovery is not complete; see the table above");
}
