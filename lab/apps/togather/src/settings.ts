/** What the server reads from its environment. Variables only: files are the business of whoever starts it. */
export interface Settings {
  readonly databaseUrl: string;
  readonly jwtSecret: string;
  readonly adminApiKey: string;
  readonly port: number;
  readonly logLevel: LogLevel;
  readonly environment: string;
  readonly version: string;
  readonly commit: string;
  /** How long it goes on serving after SIGTERM before it stops accepting. */
  readonly drainSeconds: number;
  /** Real requests after which a `broken-after` version dies. */
  readonly brokenAfterRequests: number;
}

export type LogLevel = "debug" | "info" | "warn" | "error";
const logLevels: readonly string[] = ["debug", "info", "warn", "error"];

/** Every problem of the environment, by variable name. Never a value of a secret. */
export class SettingsError extends Error {
  readonly problems: readonly string[];
  constructor(problems: readonly string[]) {
    super(`the environment is not usable: ${problems.join("; ")}`);
    this.problems = problems;
  }
}

/** @throws SettingsError with all problems at once. */
export function readSettings(env: Readonly<Record<string, string | undefined>>): Settings {
  const problems: string[] = [];
  const required = (name: string, what: string): string => {
    const value = env[name]?.trim() ?? "";
    if (value === "") problems.push(`${name} is missing (${what})`);
    return value;
  };
  const number = (name: string, fallback: number, least: number, most: number): number => {
    const text = env[name] ?? "";
    if (text === "") return fallback;
    const value = Number(text);
    if (!Number.isFinite(value) || value < least || value > most) {
      problems.push(`${name} is "${text}", allowed: a number from ${least} to ${most}`);
    }
    return value;
  };

  const databaseUrl = required("DATABASE_URL", "postgresql://user:password@host:5432/database");
  if (databaseUrl !== "" && !/^postgres(ql)?:$/.test(URL.parse(databaseUrl)?.protocol ?? "")) {
    problems.push("DATABASE_URL is not a URL of the form postgresql://user:password@host:5432/database");
  }
  const jwtSecret = required("JWT_SECRET", "key that signs tokens; openssl rand -base64 32");
  if (jwtSecret !== "" && jwtSecret.length < 16) problems.push("JWT_SECRET is shorter than 16 characters");
  const adminApiKey = required("ADMIN_API_KEY", "key of the admin endpoints; openssl rand -hex 32");
  const logLevel = env.LOG_LEVEL?.toLowerCase() || "info";
  if (!logLevels.includes(logLevel)) {
    problems.push(`LOG_LEVEL is "${logLevel}", allowed: ${logLevels.join(", ")}`);
  }
  const settings: Settings = {
    databaseUrl,
    jwtSecret,
    adminApiKey,
    port: number("PORT", 8080, 1, 65_535),
    logLevel: logLevel as LogLevel,
    environment: env.ENVIRONMENT || "development",
    version: env.APP_VERSION || "dev",
    commit: env.APP_COMMIT || "unknown",
    drainSeconds: number("DRAIN_SECONDS", 2, 0, 300),
    brokenAfterRequests: number("BROKEN_AFTER_REQUESTS", 50, 1, 1_000_000),
  };
  if (problems.length > 0) throw new SettingsError(problems);
  return settings;
}

/** The values that may never be printed: the secrets and the password inside the database's URL. */
export function secretValues(settings: Settings): string[] {
  const password = URL.parse(settings.databaseUrl)?.password ?? "";
  return [
    settings.databaseUrl,
    settings.jwtSecret,
    settings.adminApiKey,
    password,
    decodeURIComponent(password),
  ];
}
