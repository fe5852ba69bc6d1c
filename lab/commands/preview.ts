import type { EngineResult } from "../pulumi/engine/run.ts";
import { runPhases } from "../render/phases.ts";
import { diagnosticLines, StepProgress, stepCounts, stepLines } from "../render/steps.ts";
import { type LabContext, planRun, type RunOptions } from "./context.ts";
import { engineNamed, engineRun, handOver, requireOk } from "./engine.ts";
import { preparation, requireMachine } from "./prepare.ts";
import { withTunnels } from "./tunnels.ts";
import { configured } from "./up.ts";

/** Options of `lab preview`. */
interface PreviewOptions extends RunOptions {
  /** Compare with what exists; the state stays as it is. */
  readonly refresh?: boolean;
  readonly expectNoChanges?: boolean;
  readonly json?: boolean;
}

/**
 * Prints what `up` would do.
 * @throws when the preview fails, or when there are changes although none are expected.
 */
export async function previewCommand(
  context: LabContext,
  names: readonly string[],
  options: PreviewOptions,
): Promise<void> {
  const planned = planRun(context, options, names);
  await requireMachine();
  const engine = engineNamed(options, context);
  const { phases, prepared } = preparation(context, planned, options);
  let result: EngineResult | undefined;
  let differences: ReadonlyMap<string, readonly string[]> = new Map();
  await runPhases([
    ...phases,
    {
      title: `Preview ${planned.systems.join(", ")} (${options.stack})`,
      async run(progress) {
        const steps = new StepProgress(progress);
        const { onEvent } = steps;
        differences = steps.differences;
        const { refresh = false } = options;
        const run = engineRun(context, options.stack, configured(prepared), { onEvent, refresh });
        await handOver(context, run, options.engine);
        const preview = () => engine.preview(run);
        // What is read of a database is read before the program runs.
        result = await (refresh ? withTunnels(context, options.stack, preview) : preview());
        if (!result.ok && !options.json) console.log(stepLines(result.steps, differences));
        requireOk(result, "preview");
      },
    },
  ]);
  if (result === undefined) return;
  const changes = result.steps.map(({ op, urn }) => ({ op, urn }));
  if (options.json) console.log(JSON.stringify({ changes }));
  else {
    const notes = diagnosticLines(result);
    if (notes !== "") console.log(notes);
    if (changes.length > 0) console.log(stepLines(result.steps, differences));
    console.log(`Preview: ${stepCounts(result.steps)}`);
  }
  if (options.expectNoChanges && changes.length > 0) {
    throw new Error(
      `no changes were expected, but up would do: ${stepCounts(result.steps)}\n${stepLines(result.steps, differences)}`,
    );
  }
}
