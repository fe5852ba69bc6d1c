import type { Reporter, TestCase, TestModule } from "vitest/node";

const heartbeatSeconds = 15;
/** Faster tests are not printed. */
const shownSeconds = 1;

/**
 * Prints each slow test when it ends, tests that are still running, failures in full (by vitest's reporter) and, as the last
 * line, `N passed, N failed`, which build servers search for.
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
      // A file that cannot be loaded and a failing hook belong to no test and count as failures too.
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
