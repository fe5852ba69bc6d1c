import type { Reporter, TestCase, TestModule } from "vitest/node";

const heartbeatSeconds = 15;
/** A unit test faster than this is not worth a line of its own. */
const shownSeconds = 1;

/**
 * Prints each slow test as it ends, what has run for long meanwhile, failures in full (vitest's own reporter adds them) and,
 * as the last line, `N passed, N failed`: what a build server looks for.
 */
export class ProgressReporter implements Reporter {
  private readonly running = new Map<string, { readonly name: string; readonly since: number }>();
  private timer: NodeJS.Timeout | undefined;
  private lastLine = Date.now();

  onTestRunStart(): void {
    this.timer = setInterval(() => {
      if (Date.now() - this.lastLine < heartbeatSeconds * 1000) return;
      const [oldest] = this.running.values();
      if (oldest === undefined) return;
      const more = this.running.size > 1 ? ` and ${this.running.size - 1} more` : "";
      this.print(`  … ${oldest.name}, ${Math.round((Date.now() - oldest.since) / 1000)} s${more}`);
    }, 1000);
    this.timer.unref();
  }

  onTestCaseReady(test: TestCase): void {
    this.running.set(test.id, { name: nameOf(test), since: Date.now() });
  }

  onTestCaseResult(test: TestCase): void {
    this.running.delete(test.id);
    const { state } = test.result();
    const seconds = (test.diagnostic()?.duration ?? 0) / 1000;
    if (state === "failed" || seconds >= shownSeconds) {
      this.print(`  ${state === "failed" ? "✖" : "✔"} ${nameOf(test)}, ${seconds.toFixed(1)} s`);
    }
  }

  onTestRunEnd(modules: readonly TestModule[], unhandled: readonly unknown[]): void {
    clearInterval(this.timer);
    let [passed, failed, skipped] = [0, 0, 0];
    for (const module of modules) {
      for (const test of module.children.allTests()) {
        const { state } = test.result();
        if (state === "passed") passed += 1;
        else if (state === "failed") failed += 1;
        else skipped += 1;
      }
      // A file that could not be loaded, or a failing hook, has no test to blame and is a failure all the same.
      failed += module.errors().length;
      for (const suite of module.children.allSuites()) failed += suite.errors().length;
    }
    failed += unhandled.length;
    // After the report of failures, which the other reporter prints in the same hook.
    process.once("exit", () => {
      process.stdout.write(
        `\n${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ""}\n`,
      );
    });
  }

  private print(line: string): void {
    this.lastLine = Date.now();
    process.stdout.write(`${line}\n`);
  }
}

function nameOf(test: TestCase): string {
  return `${test.module.relativeModuleId} > ${test.fullName}`;
}
