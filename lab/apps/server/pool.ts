import pg from "pg";

const connectMilliseconds = 3_000;
const retryMilliseconds = 50;

/**
 * A pool that repeats a query on a new connection when the server ends its connection or temporarily refuses a new one,
 * as Go's database/sql does. The server ends a session between statements or rolls the statement back,
 * so no statement is executed twice.
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

/** admin_shutdown, cannot_connect_now, and the errors for a database that is being renamed. */
const codes = new Set(["57P01", "57P03", "3D000", "55000", "ECONNRESET"]);

/** Whether an error concerns the connection, not the statement. */
export function connectionLost(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  const { code } = error as { code?: string };
  return codes.has(code ?? "") || /^Connection terminated( unexpectedly)?$/.test(error.message);
}
