import type { Figures, LoadReport } from "./statistics.ts";

/** The report as text: a table with a line per mode, then the failures, then the versions that answered. */
export function renderReport(load: LoadReport): string {
  const rows: [string, Figures][] = [
    ["all", load],
    ["keep-alive", load.modes["keep-alive"]],
    ["fresh", load.modes.fresh],
  ];
  const lines = [
    columns("connections", "requests", "failed", "p50 ms", "p99 ms", "max ms", "longest gap ms"),
    ...rows.map(([name, figures]) =>
      columns(
        name,
        figures.requests,
        figures.failures,
        figures.p50Ms.toFixed(1),
        figures.p99Ms.toFixed(1),
        figures.maxMs.toFixed(1),
        figures.longestGapMs.toFixed(1),
      ),
    ),
    "",
    `${load.seconds} s from ${load.startedAt}, clients ${load.clients.join(", ") || "none connected"}; the clients sent at most ${load.clientDelayMs.toFixed(1)} ms late`,
  ];
  for (const { version, requests, firstSecond, lastSecond } of load.versions) {
    lines.push(`version ${version}: ${requests} health answers, from second ${firstSecond} to ${lastSecond}`);
  }
  for (const { kind, count, requests, examples } of load.failureKinds) {
    lines.push(`${count} failed with ${kind} (${requests.join(", ")}), the first:`);
    for (const { at, second, mode, request, client, detail } of examples) {
      lines.push(`  ${at} (second ${second}) ${mode} ${request} from ${client ?? "?"}: ${detail ?? kind}`);
    }
  }
  return lines.join("\n");
}

function columns(name: string, ...values: readonly (string | number)[]): string {
  return [name.padEnd(12), ...values.map((value) => String(value).padStart(14))].join("  ");
}
