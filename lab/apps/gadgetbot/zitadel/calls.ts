import type { IncomingMessage } from "node:http";
import type { Pool } from "pg";
import type { Answer } from "../../server/special.ts";
import { hashOf } from "./crypto.ts";

/** @param ids what the path's groups have matched */
export type Call = (request: IncomingMessage, ...ids: string[]) => Promise<Answer>;
export type Calls = readonly [method: string, path: RegExp, call: Call][];

/** Whether it is a personal access token of a machine user who has the role. */
export async function hasRole(database: Pool, token: string, role: string): Promise<boolean> {
  const { rowCount } = await database.query(
    `SELECT FROM access_tokens JOIN users ON users.id = user_id
     WHERE hash = $1 AND expires_at > now() AND role = $2`,
    [hashOf(token), role],
  );
  return rowCount === 1;
}
