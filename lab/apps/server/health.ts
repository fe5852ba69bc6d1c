import type { Pool } from "pg";
import type { HealthField, HealthFields } from "../application.ts";
import type { JobWorker } from "./jobs.ts";
import { textOf } from "./log.ts";
import type { BrokenHealth } from "./version.ts";

/** Results of the checks. */
export interface Findings {
  readonly database: "connected" | "disconnected";
  /** The recorded schema version; undefined when it could not be read or is empty. */
  readonly schema: { readonly version: number; readonly dirty: boolean } | undefined;
  readonly jobs: "operational" | "degraded";
}

/** The health of a version. */
export interface Verdict {
  readonly status: "healthy" | "degraded" | "unhealthy";
  readonly database: "connected" | "disconnected";
  readonly migrations: "up-to-date" | "pending" | "unknown";
  readonly jobs: "operational" | "degraded";
}

export type Considered = readonly ("database" | "migrations" | "jobs")[];

/**
 * Decides the health from the results of the checks. Only `unhealthy` is answered with 503.
 *
 * A schema newer than this version expects is healthy: during a deploy the old slot serves with the new schema. A schema marked
 * dirty is between two versions, because a migration runs or has failed, so its state is unknown.
 *
 * @param broken The failure to report on purpose; `always` is unhealthy without a reason.
 */
export function evaluateHealth(
  findings: Findings,
  considers: Considered,
  expectedSchema: number,
  broken: BrokenHealth | "always" | undefined,
): Verdict {
  const { database, schema, jobs } = findings;
  let migrations: Verdict["migrations"];
  if (database === "disconnected") migrations = "unknown";
  else if ((schema?.version ?? 0) < expectedSchema) migrations = "pending";
  else migrations = schema?.dirty ? "unknown" : "up-to-date";

  const counts = (field: Considered[number], trouble: boolean) => trouble && considers.includes(field);
  let status: Verdict["status"] = "healthy";
  if (
    counts("migrations", migrations === "unknown") ||
    counts("jobs", jobs === "degraded") ||
    broken === "status"
  ) {
    status = "degraded";
  }
  if (
    counts("database", database === "disconnected") ||
    counts("migrations", migrations === "pending") ||
    broken === "always"
  ) {
    status = "unhealthy";
  }
  // Broken in a way that this app does not check: unhealthy nevertheless.
  if (broken !== undefined && status === "healthy") status = "unhealthy";
  return { status, database, migrations, jobs };
}

/** The results of the checks of a version that is broken on purpose. */
export function withBrokenHealth(findings: Findings, broken: BrokenHealth | "always" | undefined): Findings {
  switch (broken) {
    case "database":
      return { ...findings, database: "disconnected", schema: undefined };
    case "migrations":
      return { ...findings, schema: undefined };
    case "unknown":
      return { ...findings, schema: { version: (findings.schema?.version ?? 0) + 1, dirty: true } };
    case "jobs":
      return { ...findings, jobs: "degraded" };
    default:
      return findings;
  }
}

/** The health JSON in the form of the declaration. */
export function healthBody(
  fields: HealthFields,
  verdict: Verdict,
  about: { readonly version: string; readonly uptimeSeconds: number },
): Record<string, unknown> {
  const fill = (field: HealthFields[string]): unknown => {
    if (typeof field !== "object") return field;
    return isSource(field) ? found(field) : healthBody(field, verdict, about);
  };
  const found = (source: HealthField): unknown => {
    switch (source.from) {
      case "version":
        return about.version;
      case "uptime":
        return Math.floor(about.uptimeSeconds);
      case "time":
        return new Date().toISOString();
      default: {
        const words: Readonly<Record<string, string>> | undefined = source.as;
        return words?.[verdict[source.from]] ?? verdict[source.from];
      }
    }
  };
  return Object.fromEntries(Object.entries(fields).map(([name, field]) => [name, fill(field)]));
}

function isSource(field: HealthField | HealthFields): field is HealthField {
  return typeof field.from === "string";
}

/** How long results are cached: edge and orchestrator check often, which must not load the database. */
const cacheMilliseconds = 500;
const checkMilliseconds = 2_000;

/** What the checks query; a check that is left out passes. */
export interface Checked {
  readonly pool: Pool | undefined;
  readonly worker: JobWorker | undefined;
  /** SQL for a row with `version` and `dirty`. */
  readonly schemaState: string | undefined;
}

/** Queries the database at most twice a second, one query at a time. */
export function createChecks(
  { pool, worker, schemaState }: Checked,
  onTrouble: (reason: string) => void,
): () => Promise<Findings> {
  let cached: { at: number; findings: Promise<Findings> } | undefined;

  async function look(): Promise<Findings> {
    const jobs = worker === undefined || worker.operational() ? "operational" : "degraded";
    if (pool === undefined) return { database: "connected", schema: undefined, jobs };
    try {
      const { rows } = await withDeadline(
        pool.query<{ version?: string | number | null; dirty?: boolean }>(schemaState ?? "SELECT 1"),
      );
      const { version, dirty = false } = rows[0] ?? {};
      const schema = version == null ? undefined : { version: Number(version), dirty };
      return { database: "connected", schema, jobs };
    } catch (error) {
      // 42P01: the table does not exist, so the database answers and no migration ever ran.
      if ((error as { code?: string }).code === "42P01") {
        return { database: "connected", schema: undefined, jobs };
      }
      onTrouble(textOf(error));
      return { database: "disconnected", schema: undefined, jobs };
    }
  }

  return () => {
    if (cached === undefined || Date.now() - cached.at > cacheMilliseconds) {
      cached = { at: Date.now(), findings: look() };
    }
    return cached.findings;
  };
}

async function withDeadline<T>(work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(
      () => reject(new Error(`the database gave no answer within ${checkMilliseconds} ms`)),
      checkMilliseconds,
    );
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}
