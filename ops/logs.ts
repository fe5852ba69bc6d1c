import { readFileSync } from "node:fs";
import type { Backend } from "./backend.ts";
import { isObject, type Json, resources, textOf } from "./deployment.ts";
import { type HostAccess, hostName, hostsOf } from "./host-access.ts";
import { runCommand } from "./run.ts";

export const levels = ["DEBUG", "INFO", "WARN", "ERROR"] as const;
export type Level = (typeof levels)[number];

interface LogsOptions {
  readonly backend: Backend;
  /** A system of the stack, or `edge`. */
  readonly system: string;
  /** `app`; all of the system's when left out. */
  readonly service?: string;
  /** Lines of this level and above; all when left out. */
  readonly level?: Level;
  /** `30m`, `1h`, `2d`, or an ISO time. */
  readonly since: string;
  readonly follow?: boolean;
  readonly print: (line: LogLine) => void;
}

interface LogLine {
  /** ISO time at which the host took it. */
  readonly time: string;
  /** The Docker service, which for an app is its slot. */
  readonly slot: string;
  readonly level: Level;
  readonly message: string;
}

/**
 * The logs of a system's containers, including those of deleted slots: from the host's journal, with credentials redacted
 * on the host.
 * @throws when the arguments are invalid.
 */
export async function readLogs(options: LogsOptions): Promise<void> {
  const deployment = await options.backend.read();
  const hosts = hostsOf(deployment, runCommand);
  const stack = resources(deployment).find(({ type }) => type === "pulumi:pulumi:Stack");
  const systems = isObject(stack?.outputs?.systems) ? stack.outputs.systems : {};
  const placed = systems[options.system];
  if (options.system !== "edge" && placed === undefined) {
    const known = ["edge", ...Object.keys(systems)].join(", ");
    throw new Error(
      `no system "${options.system}" in the stack ${options.backend.stack}; use one of: ${known}`,
    );
  }
  const host = isObject(placed) ? textOf(placed, "host") : undefined;
  const asked = hosts.filter((each) => host === undefined || hostName(each) === host);
  const script = logsScript(options);
  const wanted = levels.indexOf(options.level ?? "DEBUG");
  await Promise.all(
    asked.map((each: HostAccess) =>
      each.stream(script, (text) => {
        const line = parseLine(text);
        if (line !== undefined && levels.indexOf(line.level) >= wanted) options.print(line);
      }),
    ),
  );
}

/** The script that a host runs. Its arguments go into a shell, so they are checked, not quoted. */
export function logsScript({
  system,
  service,
  since,
  follow,
}: Omit<LogsOptions, "backend" | "print">): string {
  const named = (what: string, value: string) => {
    if (!/^[a-z][a-z0-9_-]*$/.test(value)) throw new Error(`"${value}" is no ${what}`);
    return value;
  };
  const fields =
    system === "edge"
      ? "BERTH_ROLE=edge"
      : [
          `BERTH_SYSTEM=${named("system", system)}`,
          ...(service === undefined ? [] : [`BERTH_RESOURCE=${system}_${named("service", service)}`]),
        ].join(" ");
  const common = readFileSync(new URL("../components/host/scripts/common.sh", import.meta.url), "utf8");
  return `${common}
${follow ? "redact_at_once=yes" : ""}
main() {
sudo journalctl --quiet --no-pager --output=json --output-fields=MESSAGE,PRIORITY,CONTAINER_NAME --since='${sinceArgument(since)}' ${follow ? "--follow --lines=all " : ""}${fields} |
  jq --unbuffered --raw-output '[.__REALTIME_TIMESTAMP, .CONTAINER_NAME, .PRIORITY, (.MESSAGE | if type == "array" then implode else . end)] | @tsv' | redact
}
main </dev/null
`;
}

/** What journalctl takes as `--since`. */
export function sinceArgument(since: string): string {
  const relative = /^(\d{1,6})([smhd])$/.exec(since);
  if (relative !== null) return `-${relative[1]}${relative[2]}`;
  const time = /^\d{4}-\d\d-\d\d(T[\d:.]+(Z|[+-]\d\d:\d\d)?)?$/.test(since) ? Date.parse(since) : Number.NaN;
  if (Number.isNaN(time)) {
    throw new Error(
      `--since: "${since}" is not a time; use 30s, 15m, 2h or 3d, or a form like 2026-01-28T14:30:00Z`,
    );
  }
  return `@${Math.floor(time / 1000)}`;
}

/** A line of {@link logsScript}'s output; undefined when it is not one. */
export function parseLine(text: string): LogLine | undefined {
  const [micros, container = "", priority = "6", ...rest] = text.split("\t");
  if (micros === undefined || !/^\d+$/.test(micros)) return undefined;
  const escapes: Readonly<Record<string, string>> = { "\\t": "\t", "\\n": "\n", "\\r": "\r", "\\\\": "\\" };
  const message = rest.join("\t").replace(/\\[tnr\\]/g, (pair) => escapes[pair] ?? pair);
  return {
    time: new Date(Number(micros) / 1000).toISOString(),
    slot: container.replace(/\..*$/, ""),
    level: levelOf(message, Number(priority)),
    message,
  };
}

const words: Readonly<Record<string, Level>> = {
  TRACE: "DEBUG",
  DEBUG: "DEBUG",
  INFO: "INFO",
  INFORMATION: "INFO",
  NOTICE: "INFO",
  LOG: "INFO",
  SUCCESS: "INFO",
  STATEMENT: "INFO",
  WARN: "WARN",
  WARNING: "WARN",
  ERR: "ERROR",
  ERROR: "ERROR",
  CRIT: "ERROR",
  CRITICAL: "ERROR",
  ALERT: "ERROR",
  EMERG: "ERROR",
  FATAL: "ERROR",
  PANIC: "ERROR",
};

/**
 * The level of a line: a JSON line's own (in any case, or pino's numbers), a word in brackets as nginx writes it, or before a
 * colon as Postgres does, or at the beginning. A line without a level on standard error is an error.
 */
export function levelOf(message: string, priority: number): Level {
  if (message.startsWith("{")) {
    try {
      const parsed = JSON.parse(message) as Json;
      const level = isObject(parsed) ? (parsed.level ?? parsed.severity ?? parsed.lvl) : undefined;
      if (typeof level === "number") {
        return level >= 50 ? "ERROR" : level >= 40 ? "WARN" : level >= 30 ? "INFO" : "DEBUG";
      }
      const known = typeof level === "string" ? words[level.toUpperCase()] : undefined;
      if (known !== undefined) return known;
    } catch {
      // Not JSON after all.
    }
  }
  const found =
    /\[(debug|info|notice|warn|error|crit|alert|emerg)\]/i.exec(message)?.[1] ??
    /(?:^|\s)([A-Z]{3,9})\d?:\s/.exec(message)?.[1] ??
    /^\W{0,2}([A-Za-z]{3,11})\b/.exec(message)?.[1];
  return words[found?.toUpperCase() ?? ""] ?? (priority <= 3 ? "ERROR" : "INFO");
}
