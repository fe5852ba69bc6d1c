import { Reported, type RunContext } from "./context.ts";
import { askDiff } from "./diffs.ts";
import { InitFailed } from "./provider-answers.ts";
import { targetOf } from "./registry.ts";
import { markSecretOutputs, type ResourceState } from "./resource-state.ts";
import type { StepOp } from "./run.ts";
import { isProviderType } from "./urn.ts";
import { equal } from "./values.ts";

/**
 * Reads every recorded resource and updates the state; resources that no longer exist are removed from it. An error
 * for one resource does not stop the others. Returns true when there was no error.
 */
export async function refreshAll(context: RunContext): Promise<boolean> {
  const { previous, registry, snapshot, options } = context;
  const replaced = new Map<ResourceState, ResourceState | undefined>();
  let ok = true;
  const queue = [...previous];
  const work = async () => {
    for (let state = queue.shift(); state; state = queue.shift()) {
      // Components, providers and resources that were deleted before their replacement cannot be read.
      if (!state.custom || isProviderType(state.type) || state.pendingReplacement) {
        context.reporter.step("refresh", state.urn, [])(false, "same");
        continue;
      }
      try {
        const old = state;
        await registry.ensure(old.provider, previous);
        replaced.set(old, await refreshOne(context, old));
      } catch (error) {
        ok = false;
        if (error instanceof Reported) continue;
        context.reporter.say("error", error instanceof Error ? error.message : String(error), state.urn);
      }
    }
  };
  await Promise.all(Array.from({ length: options.parallel }, work));
  // All at once and in the old order: a checkpoint must never list a resource before what it depends on.
  for (const old of previous) {
    snapshot.drop(old);
    const now = replaced.has(old) ? replaced.get(old) : old;
    if (now) snapshot.add(now === old ? { ...old } : now);
  }
  snapshot.prune();
  return ok;
}

async function refreshOne(context: RunContext, old: ResourceState): Promise<ResourceState | undefined> {
  const report = context.reporter.step("refresh", old.urn, []);
  try {
    const { op, state } = await readAnew(context, old);
    report(false, op);
    return state;
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    context.reporter.say("error", `refreshing ${old.urn}: ${message}`, old.urn);
    report(true);
    throw new Reported(message);
  }
}

async function readAnew(
  context: RunContext,
  old: ResourceState,
): Promise<{ op: StepOp; state: ResourceState | undefined }> {
  const provider = context.registry.of(old);
  let initErrors: string[] = [];
  const read = await provider
    .read(targetOf(old.urn), old.id, old.inputs, old.outputs)
    .catch((error: unknown) => {
      if (!(error instanceof InitFailed)) throw error;
      initErrors = [...error.reasons];
      const reasons = initErrors.map((reason) => `\n* ${reason}`).join("");
      context.reporter.say("warning", `Refreshed resource is in an unhealthy state:${reasons}`, old.urn);
      return { id: error.id, inputs: error.inputs, outputs: error.properties };
    });
  if (read.id === "") return { op: "delete", state: undefined };
  const state: ResourceState = {
    ...old,
    id: read.id,
    inputs: read.inputs ?? old.inputs,
    outputs: read.outputs,
    initErrors,
  };
  markSecretOutputs(state);
  context.reporter.addSecretsOf(state.outputs);
  if (!equal(state.inputs, old.inputs) || !equal(state.outputs, old.outputs)) {
    state.modified = new Date().toISOString();
  }
  // The reverse diff: what an up without changes would do to the resource as it was found.
  const diff = await askDiff(context, provider, state, state.urn, old.inputs, old.ignoreChanges, false);
  return { op: diff?.changes === "some" ? "update" : "same", state };
}
