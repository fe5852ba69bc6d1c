import { hostname } from "node:os";
import type { Pool } from "pg";
import { type Log, textOf } from "./log.ts";

/** A job, as its handler gets it. */
export interface Job {
  readonly id: string;
  readonly kind: string;
  readonly args: Readonly<Record<string, unknown>>;
  readonly attempt: number;
}

export interface JobWorker {
  start(): void;
  /** True while the queue was reached within the last ten seconds. */
  operational(): boolean;
  /** Takes no more jobs and waits for running ones; those not done by the deadline go back into the queue. */
  stop(deadlineSeconds: number): Promise<void>;
}

const pollMilliseconds = 250;
const batch = 4;
const operationalSeconds = 10;
/** A job that has been running for this long belonged to a process that died. */
const rescueAfterSeconds = 60;

const statements = (table: string) => ({
  claim: `
  UPDATE ${table} SET state = 'running', attempt = attempt + 1, attempted_at = now(),
    attempted_by = array_append(attempted_by, $1)
  WHERE id IN (
    SELECT id FROM ${table}
    WHERE queue = 'default' AND scheduled_at <= now() AND state IN ('available', 'retryable', 'scheduled')
    ORDER BY priority, scheduled_at, id LIMIT $2 FOR UPDATE SKIP LOCKED
  ) RETURNING id, kind, args, attempt`,
  complete: `UPDATE ${table} SET state = 'completed', finalized_at = now() WHERE id = $1 AND state = 'running'`,
  retry: `
  UPDATE ${table} SET
    state = CASE WHEN attempt >= max_attempts THEN 'discarded' ELSE 'retryable' END::${table}_state,
    finalized_at = CASE WHEN attempt >= max_attempts THEN now() END,
    scheduled_at = now() + make_interval(secs => power(attempt, 4)),
    errors = array_append(errors, jsonb_build_object('at', now(), 'attempt', attempt, 'error', $2::text))
  WHERE id = $1 AND state = 'running'`,
  putBack: `
  UPDATE ${table} SET state = 'available', attempt = greatest(attempt - 1, 0)
  WHERE id = ANY($1) AND state = 'running'`,
  rescue: `
  UPDATE ${table} SET state = 'retryable', scheduled_at = now()
  WHERE state = 'running' AND attempted_at < now() - make_interval(secs => $1)`,
});

/**
 * Workers in the server's process for a queue in Postgres, as in River: one row per job, claimed with SKIP LOCKED.
 * @param table With River's columns; the type of its states is `<table>_state`.
 */
export function createWorker(
  pool: Pool,
  table: string,
  log: Log,
  handlers: Readonly<Record<string, (job: Job) => Promise<void>>>,
): JobWorker {
  const { claim, complete, retry, putBack, rescue } = statements(table);
  const me = `${hostname()}-${process.pid}`;
  const atWork = new Map<string, Promise<void>>();
  let stopped = false;
  let lastReached = 0;
  let nextRescue = 0;
  let timer: NodeJS.Timeout | undefined;
  let polling: Promise<void> = Promise.resolve();
  let complained = false;

  async function poll(): Promise<void> {
    let found = 0;
    try {
      if (Date.now() >= nextRescue) {
        nextRescue = Date.now() + 30_000;
        await pool.query(rescue, [rescueAfterSeconds]);
      }
      const room = batch - atWork.size;
      if (room > 0) {
        const { rows } = await pool.query<Job>({ name: "claim", text: claim, values: [me, room] });
        found = rows.length;
        for (const job of rows)
          atWork.set(
            job.id,
            work(job).finally(() => atWork.delete(job.id)),
          );
      }
      lastReached = Date.now();
      complained = false;
    } catch (error) {
      if (!complained) log.warn("the job queue cannot be reached", { error: textOf(error) });
      complained = true;
    }
    if (!stopped) timer = setTimeout(next, found > 0 ? 10 : pollMilliseconds);
  }

  function next(): void {
    polling = poll();
  }

  async function work(job: Job): Promise<void> {
    try {
      const handler = handlers[job.kind];
      if (handler === undefined) throw new Error(`no handler for jobs of kind "${job.kind}"`);
      await handler(job);
      await pool.query({ name: "complete", text: complete, values: [job.id] });
      log.debug("job completed", { job: job.id, kind: job.kind });
    } catch (error) {
      log.warn("job failed", { job: job.id, kind: job.kind, attempt: job.attempt, error: textOf(error) });
      await pool.query(retry, [job.id, textOf(error)]).catch((trouble: unknown) => {
        log.error("a failed job could not be recorded", { job: job.id, error: textOf(trouble) });
      });
    }
  }

  return {
    start: next,
    operational: () => Date.now() - lastReached < operationalSeconds * 1000,
    async stop(deadlineSeconds) {
      stopped = true;
      clearTimeout(timer);
      const late = new Promise<void>((resolve) => setTimeout(resolve, deadlineSeconds * 1000).unref());
      await Promise.race([polling.then(() => Promise.all(atWork.values())), late]);
      if (atWork.size > 0) {
        log.warn("jobs go back into the queue unfinished", { jobs: atWork.size });
        await Promise.race([pool.query(putBack, [[...atWork.keys()]]), late]);
      }
    },
  };
}
