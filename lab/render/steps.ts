import type { Progress } from "../progress.ts";
import type { EngineEvent, EngineResult, StepOp } from "../pulumi/engine/run.ts";
import { seconds } from "./phases.ts";
import { table } from "./table.ts";

/** `docker:Service togather_app`, from `urn:pulumi:production::berth::…$docker:index/service:Service::togather_app`. */
export function shortName(urn: string): string {
  const [, , types = "", ...name] = urn.split("::");
  const type = types.slice(types.lastIndexOf("$") + 1);
  const [provider = "", , kind = ""] = type.split(":");
  return `${kind === "" ? type : `${provider}:${kind}`} ${name.join("::")}`;
}

const verbs: Readonly<Partial<Record<StepOp, string>>> = {
  create: "creating",
  update: "updating",
  delete: "deleting",
  "create-replacement": "creating the replacement of",
  "delete-replaced": "deleting the old",
  refresh: "refreshing",
  read: "reading",
  import: "importing",
};

/** Derives the running steps and the number of completed ones from the engine's events. */
export class StepProgress {
  private readonly progress: Progress;
  private readonly running = new Map<string, string>();
  private done = 0;
  /** URN to the changed properties that the engine has reported. */
  readonly differences = new Map<string, readonly string[]>();

  constructor(progress: Progress) {
    this.progress = progress;
    progress("starting the program");
  }

  /** For `EngineRun.onEvent`. */
  readonly onEvent = (event: EngineEvent): void => {
    if (event.kind === "diagnostic") {
      // Errors are printed in full at the end; during the run only their first line.
      this.progress(firstLine(event.message));
      return;
    }
    if (event.kind === "step-started" && event.detail !== undefined && event.detail.length > 0) {
      this.differences.set(event.urn, event.detail);
    }
    const verb = verbs[event.op];
    if (verb === undefined) return;
    if (event.kind === "step-started") this.running.set(event.urn, verb);
    else {
      this.running.delete(event.urn);
      if (event.kind === "step-done") this.done += 1;
      else this.progress(`failed after ${seconds(event.seconds)}: ${verb} ${shortName(event.urn)}`);
    }
    this.show();
  };

  private show(): void {
    // Components (and the stack) only wait for their children. Of the others, the oldest step is shown.
    const own = [...this.running].filter(([urn]) => !isComponent(urn));
    const [oldest] = own;
    if (oldest === undefined) return;
    const [urn, verb] = oldest;
    const others = own.length > 1 ? `, ${own.length - 1} beside` : "";
    this.progress(`[${this.done} done${others}] ${verb} ${shortName(urn)}`);
  }
}

function isComponent(urn: string): boolean {
  return /[:$](pulumi:pulumi:Stack|berth:[^$]*)::[^:]*$/.test(urn);
}

function firstLine(text: string): string {
  return text.trim().split("\n", 1)[0]?.slice(0, 160) ?? "";
}

const signs: Readonly<Partial<Record<StepOp, string>>> = {
  create: "+",
  update: "~",
  delete: "-",
  replace: "+-",
  "create-replacement": "++",
  "delete-replaced": "--",
  refresh: "~",
  read: ">",
  import: "=",
};

/** The steps of a run, one a line, in the order in which they ended, with the changed properties if known. */
export function stepLines(
  steps: EngineResult["steps"],
  differences: ReadonlyMap<string, readonly string[]> = new Map(),
): string {
  return steps
    .map((step) => {
      const failed = step.failed ? "  FAILED" : "";
      const differing = differences.get(step.urn)?.join(", ");
      const why = differing === undefined || step.op === "create" ? "" : `  [${differing}]`;
      return `${(signs[step.op] ?? "?").padStart(3)} ${step.op.padEnd(18)} ${shortName(step.urn)}${why}${failed}`;
    })
    .join("\n");
}

/** `12 created, 3 updated, 30 unchanged…` without zero counts. */
export function stepCounts(steps: EngineResult["steps"]): string {
  const counts = new Map<string, number>();
  for (const step of steps) {
    const key = step.failed ? `${step.op} failed` : step.op;
    counts.set(key, (counts.get(key) ?? 0) + 1);
  }
  return [...counts].map(([op, count]) => `${count} ${op}`).join(", ") || "nothing to do";
}

/** The slowest steps, as a table. */
export function slowestSteps(steps: EngineResult["steps"], count = 8): string {
  const slowest = steps
    .filter(({ urn }) => !isComponent(urn))
    .sort((a, b) => b.seconds - a.seconds)
    .slice(0, count);
  return table(
    ["seconds", "step", "resource"],
    slowest.map((step) => [step.seconds.toFixed(1), step.op, shortName(step.urn)]),
  );
}

/** Errors and warnings of a run in full, each with its resource. */
export function diagnosticLines(result: EngineResult): string {
  const failedResource = result.diagnostics.some(({ severity, urn }) => severity === "error" && urn);
  return (
    result.diagnostics
      .filter(({ severity }) => severity !== "info")
      // Skips the program's repetition of a failed resource's error with its stack trace.
      .filter(({ message }) => !(failedResource && /\bfailed to register\b/.test(message)))
      .map(({ severity, urn, message }) => {
        const where = urn === undefined || urn === "" ? "" : ` ${shortName(urn)}`;
        return `${severity}${where}: ${message.trimEnd()}`;
      })
      .join("\n")
  );
}
