import type { Pool } from "pg";
import type { JobWorker } from "./jobs.ts";
import { textOf } from "./log.ts";
import type { BrokenHealth } from "./version.ts";

/** What the checks found. */
export interface Findings {
  readonly database: "connected" | "disconnected";
  /** Content of `schema_migrations`; undefined when it could not be read or is empty. */
  readonly schema: { readonly version: number; readonly dirty: boolean } | undefined;
  readonly jobs: "operational" | "degraded";
}

/** The seed's health JSON. */
export interface Health {
  readonly status: "healthy" | "degraded" | "unhealthy";
  readonly version: string;
  readonly database: "connected" | "disconnected";
  readonly migrations: "up-to-date" | "pending" | "unknown";
  readonly jobs: "operational" | "degraded";
  /** Seconds since start. */
  readonly uptime: number;
}

/**
 * The decision, apart from how its facts are found. 503 goes with `unhealthy` alone.
 *
 * A schema newer than this version expects is fine: during a deploy the old slot serves on the new schema. A schema marked dirty
 * is between two versions, on the way up or down or where a migration failed: nobody can say which, so it is unknown.
 */
export function judge(
  findings: Findings,
  about: {
    readonly version: string;
    readonly expectedSchema: number;
    readonly uptimeSeconds: number;
    /** What it is to say on purpose; `always` is unhealthy without a reason. */
    readonly broken: BrokenHealth | "always" | undefined;
  },
): Health {
  const { schema } = findings;
  let migrations: Health["migrations"];
  if (findings.database === "disconnected") migrations = "unknown";
  else if ((schema?.version ?? 0) < about.expectedSchema) migrations = "pending";
  else migrations = schema?.dirty ? "unknown" : "up-to-date";

  let status: Health["status"] = "healthy";
  if (migrations === "unknown" || findings.jobs === "degraded" || about.broken === "status")
    status = "degraded";
  if (findings.database === "disconnected" || migrations === "pending" || about.broken === "always") {
    status = "unhealthy";
  }
  return {
    status,
    version: about.version,
    database: findings.database,
    migrations,
    jobs: findings.jobs,
    uptime: Math.floor(about.uptimeSeconds),
  };
}

/** The findings as a version that is broken on purpose would have them. */
export function spoil(findings: Findings, broken: BrokenHealth | "always" | undefined): Findings {
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

/** How long findings are good for: an edge and an orchestrator ask often, the database need not notice. */
const cacheMilliseconds = 500;
const checkMilliseconds = 2_000;

/** Asks the database, at most twice a second and never twice at once. */
export function createChecks(
  pool: Pool,
  worker: JobWorker,
  onTrouble: (reason: string) => void,
): () => Promise<Findings> {
  let cached: { at: number; findings: Promise<Findings> } | undefined;

  async function look(): Promise<Findings> {
    const jobs = worker.operational() ? "operational" : "degraded";
    try {
      const query = pool.query<{ version: string; dirty: boolean }>(
        "SELECT version, dirty FROM schema_migrations LIMIT 1",
      );
      const { rows } = await withDeadline(query);
      const row = rows[0];
      const schema = row && { version: Number(row.version), dirty: row.dirty };
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
