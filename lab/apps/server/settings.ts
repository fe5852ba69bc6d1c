import { readFileSync } from "node:fs";
import type { ClientConfig } from "pg";
import type { DatabaseUse, StandIn, Variable } from "../application.ts";

/** The server's environment variables. */
export interface Settings {
  /** The declared variables by name, defaults filled in; an optional one that is not set is absent. */
  readonly values: Readonly<Record<string, string>>;
  /** Values that must never be printed: the secrets, and passwords inside URLs. */
  readonly secrets: readonly string[];
  readonly port: number;
  readonly logLevel: LogLevel;
  readonly version: string;
  readonly commit: string;
  /** How long it goes on serving after SIGTERM before it stops accepting. */
  readonly drainSeconds: number;
  /** Requests (without health checks) after which a `broken-after` version ends. */
  readonly brokenAfterRequests: number;
}

export type LogLevel = "debug" | "info" | "warn" | "error";
const logLevels: readonly string[] = ["debug", "info", "warn", "error"];

/** Every problem of the environment, by variable name. Never contains the value of a secret. */
export class SettingsError extends Error {
  readonly problems: readonly string[];
  constructor(problems: readonly string[]) {
    super(`the environment is invalid: ${problems.join("; ")}`);
    this.problems = problems;
  }
}

type Environment = Readonly<Record<string, string | undefined>>;

/** @throws SettingsError with all problems at once. */
export function readSettings(
  { variables, http }: Pick<StandIn, "variables" | "http">,
  environment: Environment,
): Settings {
  const problems: string[] = [];
  const values: Record<string, string> = {};
  const secrets: string[] = [];
  for (const [name, variable] of Object.entries(variables)) {
    const value = readVariable(name, variable, environment, problems);
    if (value === undefined) continue;
    values[name] = value;
    if (variable.secret) secrets.push(value, ...passwordsIn(value));
    const problem = problemOf(name, variable, value);
    if (problem !== undefined) problems.push(problem);
  }
  const number = (name: string, fallback: number, least: number, most: number): number => {
    const problem = problemOf(name, { is: "", number: [least, most] }, environment[name] || String(fallback));
    if (problem !== undefined) problems.push(problem);
    return Number(environment[name] || fallback);
  };
  const logLevel = environment.LOG_LEVEL?.toLowerCase() || "info";
  const level = problemOf("LOG_LEVEL", { is: "", oneOf: logLevels }, logLevel);
  if (level !== undefined) problems.push(level);
  const settings: Settings = {
    values,
    secrets,
    port: number(http?.portVariable ?? "PORT", http?.port ?? 0, http === undefined ? 0 : 1, 65_535),
    logLevel: logLevel as LogLevel,
    version: environment.APP_VERSION || "dev",
    commit: environment.APP_COMMIT || "unknown",
    drainSeconds: number("DRAIN_SECONDS", 2, 0, 300),
    brokenAfterRequests: number("BROKEN_AFTER_REQUESTS", 50, 1, 1_000_000),
  };
  if (problems.length > 0) throw new SettingsError(problems);
  return settings;
}

/** The value, from the variable itself, the file that it names, or the default. */
function readVariable(
  name: string,
  { is, file, optional, default: fallback }: Variable,
  environment: Environment,
  problems: string[],
): string | undefined {
  const value = environment[name]?.trim() || undefined;
  if (value !== undefined) return value;
  const path = file ? environment[`${name}_FILE`] : undefined;
  if (path) {
    try {
      const content = readFileSync(path, "utf8").trim();
      if (content !== "") return content;
      problems.push(`${name}_FILE: ${path} is empty (${is})`);
    } catch (error) {
      problems.push(`${name}_FILE: ${path} cannot be read (${(error as NodeJS.ErrnoException).code})`);
    }
    return undefined;
  }
  if (fallback === undefined && !optional) {
    problems.push(`${name}${file ? ` or ${name}_FILE` : ""} is missing (${is})`);
  }
  return fallback;
}

function problemOf(name: string, variable: Variable, value: string): string | undefined {
  const { secret, leastCharacters = 0, pattern, url, number, oneOf } = variable;
  const is = secret ? `${name} is` : `${name} is "${value}"`;
  if (url !== undefined && !url.includes(URL.parse(value)?.protocol.slice(0, -1) ?? "")) {
    return `${name} is not a URL of the form ${variable.is}`;
  }
  if (value.length < leastCharacters) return `${name} is shorter than ${leastCharacters} characters`;
  if (pattern !== undefined && !new RegExp(`^(?:${pattern.text})$`).test(value))
    return `${is} not ${pattern.says}`;
  if (number !== undefined) {
    const [least, most] = number;
    if (!(Number(value) >= least && Number(value) <= most)) {
      return `${is}; use a number from ${least} to ${most}`;
    }
  }
  if (oneOf !== undefined && !oneOf.includes(value)) return `${is}; use one of: ${oneOf.join(", ")}`;
  return undefined;
}

/** A password inside a URL, encoded and decoded. */
function passwordsIn(value: string): string[] {
  const password = URL.parse(value)?.password ?? "";
  return password === "" ? [] : [password, decodeURIComponent(password)];
}

/** The options for the database client. */
export function connectionOf({ connection, tls }: DatabaseUse, values: Settings["values"]): ClientConfig {
  const value = (name: string) => values[name] ?? "";
  if ("url" in connection) {
    const url = new URL(value(connection.url));
    const asks = url.searchParams.get("ssl") === "true" || url.searchParams.has("sslmode");
    if (tls === undefined || !asks) return { connectionString: value(connection.url) };
    // In the URL they would be node-postgres' own.
    for (const name of ["ssl", "sslmode"]) url.searchParams.delete(name);
    const ssl =
      tls === "unverified"
        ? { rejectUnauthorized: false }
        : { ca: readFileSync(value(tls.authorityFile), "utf8") };
    return { connectionString: url.href, ssl };
  }
  const { host, port, user, password, name } = connection;
  return {
    host: value(host),
    port: Number(value(port)),
    user: value(user),
    password: value(password),
    database: value(name),
  };
}
