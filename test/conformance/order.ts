import type { ObservedStep, RecordedStep } from "./format.ts";

/** Names a step within a phase: the operation, the URN, and which of its kind it is. */
function keys(steps: readonly { readonly op: string; readonly urn: string }[]): string[] {
  const seen = new Map<string, number>();
  return steps.map(({ op, urn }) => {
    const count = (seen.get(`${op} ${urn}`) ?? 0) + 1;
    seen.set(`${op} ${urn}`, count);
    return count === 1 ? `${op} ${urn}` : `${op} ${urn} (${count})`;
  });
}

/**
 * True for steps in which the engine calls a provider or makes one. The others (the stack, components, the announcement
 * `replace`) are bookkeeping, whose place among the events is an engine's own affair: they have no order here.
 */
function isOrdered(step: { readonly op: string; readonly urn: string }): boolean {
  return step.op !== "replace" && !/[:$](pulumi:pulumi:Stack|testing:index:Component)::[^:]*$/.test(step.urn);
}

/**
 * The partial order that holds in every one of several runs: A comes before B when A had ended before B started each time.
 * What follows from other pairs is left out. Steps come in the order of the first run.
 *
 * @throws Error when the runs did not take the same steps.
 */
export function recordSteps(runs: readonly (readonly ObservedStep[])[]): RecordedStep[] {
  const [first, ...others] = runs;
  if (first === undefined) return [];
  const firstKeys = keys(first);
  const aligned = others.map((run) => {
    const runKeys = keys(run);
    const difference = describeDifference(firstKeys, runKeys);
    if (difference !== undefined) throw new Error(`two runs took different steps: ${difference}`);
    return firstKeys.map((key) => run[runKeys.indexOf(key)] as ObservedStep);
  });
  const all = [first, ...aligned];
  const precedes = (a: number, b: number): boolean =>
    all.every((run) => {
      const [earlier, later] = [run[a] as ObservedStep, run[b] as ObservedStep];
      return isOrdered(earlier) && isOrdered(later) && earlier.endedAt < later.startedAt;
    });
  return first.map((step, index) => {
    const before = first.map((_, other) => other).filter((other) => precedes(other, index));
    const direct = before.filter((a) => !before.some((b) => precedes(a, b)));
    const { op, urn, failed, found } = step;
    return {
      op,
      urn,
      ...(failed ? { failed: true as const } : {}),
      ...(found ? { found } : {}),
      after: direct,
    };
  });
}

/** Everything in which observed steps differ from recorded ones, one line each; empty when they conform. */
export function compareSteps(recorded: readonly RecordedStep[], observed: readonly ObservedStep[]): string[] {
  const recordedKeys = keys(recorded);
  const observedKeys = keys(observed);
  const difference = describeDifference(recordedKeys, observedKeys);
  if (difference !== undefined) return [difference];
  const at = (index: number) => observed[observedKeys.indexOf(recordedKeys[index] as string)] as ObservedStep;
  return recorded.flatMap((step, index) => {
    const problems: string[] = [];
    if (at(index).failed !== (step.failed ?? false)) {
      problems.push(
        `${recordedKeys[index]}: ${step.failed ? "should have failed" : "should not have failed"}`,
      );
    }
    for (const earlier of step.after) {
      if (at(earlier).endedAt >= at(index).startedAt) {
        problems.push(`${recordedKeys[index]} started before ${recordedKeys[earlier]} had ended`);
      }
    }
    return problems;
  });
}

function describeDifference(expected: readonly string[], actual: readonly string[]): string | undefined {
  const missing = expected.filter((key) => !actual.includes(key));
  const extra = actual.filter((key) => !expected.includes(key));
  if (missing.length === 0 && extra.length === 0) return undefined;
  return `missing: ${missing.join(", ") || "none"}; not expected: ${extra.join(", ") || "none"}`;
}
