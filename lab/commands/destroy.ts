import { ensureDaemon } from "../daemon/client.ts";
import type { EngineResult } from "../pulumi/engine/run.ts";
import { runPhases } from "../render/phases.ts";
import { diagnosticLines, StepProgress, stepCounts, stepLines } from "../render/steps.ts";
import { cloudEndpoint, cloudToken } from "../stack/cloud-access.ts";
import { type LabContext, planRun, type StackOptions } from "./context.ts";
import {
  type EngineChoice,
  engineNamed,
  engineRun,
  handOver,
  recordStateEngine,
  requireOk,
} from "./engine.ts";
import { preparation, requireMachine } from "./prepare.ts";
import { writeSelection } from "./selection.ts";
import { withTunnels } from "./tunnels.ts";
import { configured } from "./up.ts";

type Operation = "refresh" | "destroy";

const cloudSeconds = 10;

/**
 * Updates the state to what exists (`refresh`) or deletes all resources of the stack (`destroy`); the lab keeps
 * running. `destroy` removes Pulumi's and the cloud's protection, which only the lab does.
 * @throws when a step failed.
 */
export async function operateCommand(
  operation: Operation,
  context: LabContext,
  options: StackOptions & EngineChoice,
): Promise<void> {
  const { stack } = options;
  const planned = planRun(context, options, []);
  await requireMachine();
  const engine = engineNamed(options, context);
  const { phases, prepared } = preparation(context, planned, {});
  let result: EngineResult | undefined;
  await runPhases([
    ...phases,
    {
      title: `${operation === "refresh" ? "Refresh" : "Destroy"} ${stack}`,
      async run(progress) {
        if (operation === "destroy") await unprotect(context);
        const run = engineRun(context, stack, configured(prepared), {
          ignoreProtect: operation === "destroy",
          onEvent: new StepProgress(progress).onEvent,
        });
        await handOver(context, run, options.engine);
        recordStateEngine(context.home, stack, options.engine);
        // Neither runs the program, which otherwise opens the tunnels to the databases.
        result = await withTunnels(context, stack, () => engine[operation](run));
        requireOk(result, operation);
        if (operation === "destroy") {
          writeSelection(context.home, stack, []);
          recordStateEngine(context.home, stack, undefined);
        }
      },
    },
  ]);
  if (result === undefined) return;
  const notes = diagnosticLines(result);
  if (notes !== "") console.log(notes);
  if (result.steps.length > 0) console.log(stepLines(result.steps));
  console.log(`${operation}: ${stepCounts(result.steps)}`);
  if (operation === "destroy") console.log("The lab itself still runs; end it: npm run lab -- down");
}

/** Resources that the cloud protects from deletion, and the action that removes the protection. */
const protectedKinds = ["servers", "volumes", "primary_ips", "zones"] as const;

async function unprotect(context: LabContext): Promise<void> {
  await ensureDaemon(context.home, () => undefined);
  for (const kind of protectedKinds) {
    const answer = (await callCloud(context, "GET", `/${kind}?per_page=50`)) as Record<
      string,
      { id: number; protection: { delete: boolean } }[]
    >;
    for (const { id, protection } of answer[kind] ?? []) {
      if (!protection.delete) continue;
      const body = kind === "servers" ? { delete: false, rebuild: false } : { delete: false };
      await callCloud(context, "POST", `/${kind}/${id}/actions/change_protection`, body);
    }
  }
}

async function callCloud(
  context: LabContext,
  method: string,
  path: string,
  body?: unknown,
): Promise<unknown> {
  const response = await fetch(`${cloudEndpoint(context.home)}${path}`, {
    method,
    headers: { Authorization: `Bearer ${cloudToken(context.home)}`, "Content-Type": "application/json" },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    signal: AbortSignal.timeout(cloudSeconds * 1000),
  });
  if (!response.ok)
    throw new Error(`the lab's cloud: ${method} ${path}: ${response.status} ${await response.text()}`);
  return response.json();
}
