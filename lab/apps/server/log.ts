import type { LogLevel } from "./settings.ts";

export interface Log {
  debug(message: string, fields?: Fields): void;
  info(message: string, fields?: Fields): void;
  warn(message: string, fields?: Fields): void;
  error(message: string, fields?: Fields): void;
}
type Fields = Readonly<Record<string, unknown>>;

const order: readonly LogLevel[] = ["debug", "info", "warn", "error"];
const redacted = "***REDACTED***";

/**
 * Structured logs: one JSON object a line with `time`, `level` and `msg`.
 *
 * @param secrets values replaced wherever they occur in a line; those shorter than 6 characters occur in ordinary
 *   words and are not replaced.
 */
export function createLog(
  level: LogLevel,
  secrets: readonly string[],
  write: (line: string) => void = (line) => process.stdout.write(line),
): Log {
  // Longest first: the database's URL contains its password.
  const hidden = [...new Set(secrets)]
    .filter((secret) => secret.length >= 6)
    .sort((a, b) => b.length - a.length);
  const say = (at: LogLevel, msg: string, fields: Fields = {}) => {
    if (order.indexOf(at) < order.indexOf(level)) return;
    let line = JSON.stringify({ time: new Date().toISOString(), level: at, msg, ...fields });
    for (const secret of hidden) {
      line = line.replaceAll(secret, redacted).replaceAll(JSON.stringify(secret).slice(1, -1), redacted);
    }
    write(`${line}\n`);
  };
  return {
    debug: (message, fields) => say("debug", message, fields),
    info: (message, fields) => say("info", message, fields),
    warn: (message, fields) => say("warn", message, fields),
    error: (message, fields) => say("error", message, fields),
  };
}

/** The message of anything thrown, without its stack. */
export function textOf(error: unknown): string {
  if (error instanceof AggregateError) return error.errors.map(textOf).join("; ");
  return error instanceof Error ? error.message : String(error);
}
