import { pendingOperations } from "../../ops/deployment.ts";
import { recover, renderRecovery } from "../../ops/recover.ts";
import type { Progress } from "../progress.ts";
import type { StackConfiguration } from "../stack/check.ts";
import { type LabContext, stateFile } from "./context.ts";
import { engineRun, stateKeeper } from "./engine.ts";
import { PulumiCli } from "./pulumi-cli.ts";
import { StateFileBackend } from "./state-file-backend.ts";

/**
 * Puts in order what a killed run left, of whichever engine keeps the state, when it left something: a stale lock or an
 * operation without an end. Prints what it found and did.
 * @throws when somebody else is deploying, or when something could not be put in order.
 */
export async function recoverFirst(
  context: LabContext,
  stack: string,
  configuration: StackConfiguration,
  progress: Progress,
  print: (text: string) => void = (text) => console.log(text),
): Promise<void> {
  const backend =
    stateKeeper(context.home, stack) === "pulumi"
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
  if (!report.ok) throw new Error("recovery could not put everything in order; see the table above");
}
