import type { EngineEvent, EngineResult, StepOp } from "./run.ts";
import { collectSecrets, type PropertyMap } from "./values.ts";

/** Steps as events name them; `remove-pending-replace` is internal and is not reported. */
export type Op = StepOp | "remove-pending-replace";
type Severity = "info" | "warning" | "error";

// Pulumi masks everything that is longer than two characters.
const maskedLengthMin = 3;
// Single lines of a multi-line secret (a key, a certificate) are masked from this length on.
const maskedLineLengthMin = 12;
// Stands for a masked secret until all are masked: no text of one is found in it.
const placeholder = "\0";

/**
 * Everything that a run reports: events as they happen, and the result at the end. Every secret that the engine has seen
 * is replaced by `[secret]`.
 */
export class Reporter {
  readonly #onEvent: (event: EngineEvent) => void;
  readonly #steps: EngineResult["steps"][number][] = [];
  readonly #diagnostics: EngineResult["diagnostics"][number][] = [];
  readonly #secrets = new Set<string>();
  #sorted: readonly string[] | undefined;
  /** True once an error was reported. */
  failed = false;

  constructor(onEvent: ((event: EngineEvent) => void) | undefined) {
    this.#onEvent = onEvent ?? (() => {});
  }

  /** Masks a text in all later output. */
  addSecret(text: string): void {
    const parts = [text, ...(text.includes("\n") ? text.split("\n").map((line) => line.trim()) : [])];
    for (const [i, part] of parts.entries()) {
      if (part.length < (i === 0 ? maskedLengthMin : maskedLineLengthMin) || this.#secrets.has(part))
        continue;
      this.#secrets.add(part);
      this.#secrets.add(JSON.stringify(part).slice(1, -1));
      this.#sorted = undefined;
    }
  }

  /** Masks every secret of a property map in all later output. */
  addSecretsOf(map: PropertyMap): void {
    collectSecrets(map, (text) => this.addSecret(text));
  }

  /**
   * The text with every known secret replaced, the longest first. Not by one regular expression of all: whole scripts are secrets, V8 refuses
   * a pattern of their size, and its error quotes the pattern.
   */
  mask(text: string): string {
    this.#sorted ??= [...this.#secrets].sort((a, b) => b.length - a.length);
    let masked = text;
    for (const secret of this.#sorted)
      if (secret.length <= text.length) masked = masked.replaceAll(secret, placeholder);
    return masked.replaceAll(placeholder, "[secret]");
  }

  say(severity: Severity, message: string, urn?: string): void {
    if (severity === "error") this.failed = true;
    const masked = this.mask(message);
    const about = urn === undefined || urn === "" ? {} : { urn };
    this.#onEvent({ kind: "diagnostic", severity, message: masked, ...about });
    this.#diagnostics.push({ severity, message: masked, ...about });
  }

  /** Reports a step's start. Returns a function that reports its end, under another operation if given (refreshes). */
  step(op: Op, urn: string, detail: readonly string[]): (failed: boolean, endOp?: Op) => void {
    const begin = performance.now();
    if (op === "remove-pending-replace") return () => {};
    this.#onEvent({ kind: "step-started", op, urn, ...(detail.length > 0 && { detail }) });
    return (failed, endOp = op) => {
      if (endOp === "remove-pending-replace") return;
      const seconds = (performance.now() - begin) / 1000;
      this.#onEvent({ kind: failed ? "step-failed" : "step-done", op: endOp, urn, seconds });
      if (endOp !== "same") this.#steps.push({ op: endOp, urn, seconds, failed });
    };
  }

  /** The steps so far are none of the result's. */
  forgetSteps(): void {
    this.#steps.length = 0;
  }

  result(ok: boolean): EngineResult {
    return { ok, steps: this.#steps, diagnostics: this.#diagnostics };
  }
}
