import type { RecordedResource, RecordedStep, Recording } from "./format.ts";

/**
 * The steps of a recorded phase, `after` reduced to what has a cause. A recording says what came before what in every run; between
 * things that have nothing to do with each other that may still be chance (one chain is longer than another), or an engine's
 * own way of working (Pulumi deletes in layers). What counts:
 *
 * - one of the two resources depends on the other, is below it, or is managed by it, directly or not;
 * - deletes at the end come after everything that is not a delete;
 * - nothing in a preview, which does no work, and nothing among refreshes, which only read.
 */
export function stepsWithCause(recording: Recording, phaseIndex: number): RecordedStep[] {
  const phase = recording.phases[phaseIndex];
  if (phase === undefined) return [];
  if (phase.run === "preview") return phase.steps.map((step) => ({ ...step, after: [] }));
  const before = recording.phases
    .slice(0, phaseIndex)
    .findLast((earlier) => earlier.deployment !== undefined);
  const reaches = reachability([
    ...(before?.deployment?.resources ?? []),
    ...(phase.deployment?.resources ?? []),
  ]);
  const precedes = closure(phase.steps);
  const caused = (earlier: number, later: number): boolean => {
    const [a, b] = [phase.steps[earlier], phase.steps[later]];
    if (a?.op === "refresh" || b?.op === "refresh") return false;
    if (a === undefined || b === undefined || precedes[later]?.has(earlier) !== true) return false;
    return (!isDelete(a) && isDelete(b)) || reaches(a.urn, b.urn) || reaches(b.urn, a.urn);
  };
  const indices = phase.steps.map((_, index) => index);
  return phase.steps.map((step, later) => ({
    ...step,
    after: indices.filter((earlier) => caused(earlier, later)),
  }));
}

function isDelete(step: RecordedStep): boolean {
  return step.op === "delete" || step.op === "delete-replaced";
}

/** For each step, all that came before it. Steps come in an order in which `after` points backwards only. */
function closure(steps: readonly RecordedStep[]): Set<number>[] {
  const all: Set<number>[] = [];
  for (const step of steps) {
    all.push(new Set(step.after.flatMap((earlier) => [earlier, ...(all[earlier] ?? [])])));
  }
  return all;
}

function reachability(resources: readonly RecordedResource[]): (from: string, to: string) => boolean {
  const next = new Map<string, Set<string>>();
  for (const resource of resources) {
    const targets = next.get(resource.urn) ?? new Set<string>();
    const of = [resource.parent, resource.provider, resource.deletedWith, ...(resource.dependencies ?? [])];
    for (const urn of of) if (urn !== undefined) targets.add(urn);
    next.set(resource.urn, targets);
  }
  const from = (urn: string): Set<string> => {
    const seen = new Set([urn]);
    for (const at of seen) for (const target of next.get(at) ?? []) seen.add(target);
    return seen;
  };
  return (start, end) => from(start).has(end);
}
