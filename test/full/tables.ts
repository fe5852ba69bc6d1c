import { renderTable } from "../../components/table.ts";
import { releaseStep } from "../../lab/bench/step-watch.ts";
import type { LabRun } from "./support.ts";

/** Prints the seconds of each step of a deploy. */
export function printSteps(title: string, run: LabRun): void {
  const rows = run.steps.map((step) => {
    const seconds =
      step.endedMs === undefined ? "killed" : ((step.endedMs - step.startedMs) / 1000).toFixed(2);
    return [releaseStep(step) ?? step.operation, `${step.type.split(":").at(-1)} ${step.name}`, seconds];
  });
  printTable(`${title}: ${run.seconds.toFixed(1)} s in all`, ["step", "resource", "seconds"], rows);
}

export function printTable(
  title: string,
  head: readonly string[],
  rows: readonly (readonly (string | number)[])[],
) {
  const cells = rows.map((row) => row.map(String));
  const table = head.length === 0 ? cells.map((row) => row.join("  ")).join("\n") : renderTable(head, cells);
  process.stdout.write(`\n## ${title}\n${table}\n`);
}

/** Prints the errors of a failed `up`. */
export function printFailure(title: string, run: LabRun): void {
  const said = run.output.slice(run.output.indexOf("up failed")).split("\n");
  printTable(
    title,
    [],
    said.map((line) => [line]),
  );
}
