import pg from "pg";

const connectMilliseconds = 3_000;
const retryMilliseconds = 50;

/**
 * A pool whose queries outlive their connection: when the server ends it, or refuses a new one for a moment, the query is
 * sent again on another, as Go's database/sql does. The server ends a session between statements or rolls the statement back,
 * so nothing is done twice.
 */
export function createPool(connection: pg.PoolConfig, applicationName: string): pg.Pool {
  const pool = new pg.Pool({
    ...connection,
    max: 10,
    connectionTimeoutMillis: connectMilliseconds,
    idleTimeoutMillis: 30_000,
    application_name: applicationName,
  });
  const query = pool.query.bind(pool) as (...args: unknown[]) => Promise<unknown>;
  const patient = async (...args: unknown[]): Promise<unknown> => {
    const deadline = performance.now() + connectMilliseconds;
    for (;;) {
      try {
        return await query(...args);
      } catch (error) {
        if (!connectionLost(error) || performance.now() > deadline) throw error;
        await new Promise((resolve) => setTimeout(resolve, retryMilliseconds));
      }
    }
  };
  pool.query = patient as typeof pool.query;
  return pool;
}

/** admin_shutdown, cannot_connect_now, and what a server says of a database that is being renamed. */
const codes = new Set(["57P01", "57P03", "3D000", "55000", "ECONNRESET"]);

/** Whether an error is about the connection and not about the statement. */
export function connectionLost(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  const { code } = error as { code?: string };
  return codes.has(code ?? "") || /^Connection terminated( unexpectedly)?$/.test(error.message);
}
