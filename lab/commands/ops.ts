import { opsProgram } from "../../ops/program.ts";
import { addPushCommand } from "../../ops/push.ts";
import { cloudEndpoint, cloudToken } from "../stack/cloud-access.ts";
import { type LabContext, stateFile } from "./context.ts";
import { pushCommand } from "./push.ts";
import { withRunOptions } from "./run-options.ts";
import { StateFileBackend } from "./state-file-backend.ts";

/** `npm run lab -- ops …`: the operator's commands for the systems in the lab. */
export async function opsCommand(context: LabContext, args: readonly string[]): Promise<void> {
  const { home } = context;
  const program = opsProgram({
    name: "npm run lab -- ops",
    target: async ({ stack }) => ({
      backend: new StateFileBackend(stack, stateFile(context, stack)),
      cloud: { endpoint: cloudEndpoint(home), token: cloudToken(home) },
    }),
  });
  withRunOptions(addPushCommand(program)).action(async (name: string, options) => {
    process.exitCode = await pushCommand(context, name, options);
  });
  await program.parseAsync(args, { from: "user" });
}
