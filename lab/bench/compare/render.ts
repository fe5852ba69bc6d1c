import type { Comparison, ComparisonReport } from "./compare.ts";

const head = [
  "setup",
  "new version",
  "requests",
  "failed",
  "longest gap (s)",
  "p50 / p99 (ms)",
  "deploy (s)",
  "exit",
  "serves afterwards",
  "back by one command (s)",
];

/** The report as Markdown: the figures, then each setup's message to the operator. */
export function renderComparison(report: ComparisonReport): string {
  const rows = report.comparisons.map((each) => [
    each.setup,
    `${each.version}: ${each.what}`,
    each.load.requests,
    failures(each),
    (each.load.longestGapMs / 1000).toFixed(2),
    `${each.load.p50Ms.toFixed(0)} / ${each.load.p99Ms.toFixed(0)}`,
    each.deploySeconds.toFixed(1),
    each.exitCode,
    each.servesAfterwards,
    each.backSeconds === undefined ? "not needed" : each.backSeconds.toFixed(1),
  ]);
  const late = Math.max(...report.comparisons.map(({ load }) => load.clientDelayMs));
  return [
    markdownTable(head, rows),
    "",
    `${report.at.slice(0, 10)}, ${report.processors} processors, ${report.requestsPerSecond} requests a second, half on kept-open and half on fresh`,
    `connections, one setup after the other; the clients themselves were at most ${late.toFixed(0)} ms late.`,
    "",
    "What the operator is told:",
    "",
    ...report.comparisons.map(
      ({ setup, version, exitCode, told }) => `- ${setup}, ${version} (exit ${exitCode}): ${told}`,
    ),
  ].join("\n");
}

function failures({ load }: Comparison): string {
  if (load.failures === 0) return "0";
  const kinds = load.failureKinds.map(({ kind, count }) => `${count} × ${kind}`);
  return `${load.failures} (${kinds.join(", ")})`;
}

function markdownTable(titles: readonly string[], rows: readonly (readonly (string | number)[])[]): string {
  const cells = [titles, ...rows.map((row) => row.map(String))];
  const widths = titles.map((_, column) => Math.max(...cells.map((row) => row[column]?.length ?? 0)));
  const line = (row: readonly string[]) =>
    `| ${row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join(" | ")} |`;
  const [first = [], ...rest] = cells;
  return [line(first), line(widths.map((width) => "-".repeat(width))), ...rest.map(line)].join("\n");
}
