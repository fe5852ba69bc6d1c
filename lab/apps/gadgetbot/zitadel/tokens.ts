import type { Pool } from "pg";
import { hashOf } from "./crypto.ts";

/** Whether it is a personal access token of a machine user who has the role. */
export async function hasRole(database: Pool, token: string, role: string): Promise<boolean> {
  const { rowCount } = await database.query(
    `SELECT FROM access_tokens JOIN users ON users.id = user_id
     WHERE hash = $1 AND expires_at > now() AND role = $2`,
    [hashOf(token), role],
  );
  return rowCount === 1;
}
