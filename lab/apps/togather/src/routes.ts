import type { IncomingMessage } from "node:http";
import type { Pool } from "pg";
import { addEvent, BadRequest, listEvents, parseEvent } from "./events.ts";
import type { Settings } from "./settings.ts";
import { sameText, signToken, verifyToken } from "./token.ts";
import { deliberateFailure } from "./version.ts";

/** What a route answers: a status and a JSON body. */
export interface Answer {
  readonly status: number;
  readonly body: unknown;
}

const tokenSeconds = 3600;
const bodyBytes = 64 * 1024;
const longestSleepMilliseconds = 60_000;

type Route = (request: IncomingMessage, query: URLSearchParams) => Promise<Answer>;

/** The API's routes, by method and path: `GET /api/v1/events`. */
export function createRoutes(pool: Pool, settings: Settings): Readonly<Record<string, Route>> {
  return {
    async "GET /api/v1/events"(_request, query) {
      const limit = Math.min(Math.max(Math.trunc(Number(query.get("limit") ?? 20)) || 20, 1), 100);
      const events = await listEvents(pool, limit, query.get("search") ?? undefined);
      // Healthy, and yet wrong: what only a test that reads back what it wrote can see.
      if (deliberateFailure(settings.version) === "integration") {
        return { status: 200, body: { events: events.map((event) => ({ ...event, description: "" })) } };
      }
      return { status: 200, body: { events } };
    },

    async "POST /api/v1/events"(request) {
      return { status: 201, body: await addEvent(pool, parseEvent(await readJson(request))) };
    },

    /** Who the client is, as far as the proxy says. */
    async "GET /api/v1/client"({ headers }) {
      const names = [
        "host",
        "x-forwarded-for",
        "x-real-ip",
        "x-forwarded-proto",
        "x-forwarded-host",
        "forwarded",
      ];
      return { status: 200, body: Object.fromEntries(names.map((name) => [name, headers[name] ?? null])) };
    },

    /** Answers late, to see what becomes of a request that is on its way during a switch. */
    async "GET /api/v1/slow"(_request, query) {
      const milliseconds = Number(query.get("milliseconds") ?? 1000);
      if (!(milliseconds >= 0 && milliseconds <= longestSleepMilliseconds)) {
        throw new BadRequest(`milliseconds: 0 to ${longestSleepMilliseconds}`);
      }
      await new Promise((resolve) => setTimeout(resolve, milliseconds));
      const { rows } = await pool.query<{ now: string }>("SELECT now()");
      return { status: 200, body: { milliseconds, now: rows[0]?.now } };
    },

    async "POST /api/v1/auth/token"(request) {
      const { subject } = (await readJson(request)) as { subject?: unknown };
      if (typeof subject !== "string" || !/^[\w.@-]{1,100}$/.test(subject)) {
        throw new BadRequest("subject: 1 to 100 letters, digits and . _ @ -");
      }
      const now = Math.floor(Date.now() / 1000);
      const token = signToken({ sub: subject, iat: now, exp: now + tokenSeconds }, settings.jwtSecret);
      return { status: 200, body: { token, expiresIn: tokenSeconds } };
    },

    async "GET /api/v1/whoami"(request) {
      const claims = verifyToken(bearer(request), settings.jwtSecret, Date.now() / 1000);
      if (claims === undefined) return { status: 401, body: { error: "a valid token is needed" } };
      return { status: 200, body: { subject: claims.sub, expiresAt: claims.exp } };
    },

    async "GET /api/v1/admin/jobs"(request) {
      if (!sameText(bearer(request), settings.adminApiKey)) {
        return { status: 401, body: { error: "the admin key is needed" } };
      }
      const counts = await pool.query<{ state: string; count: number }>(
        "SELECT state, count(*)::int AS count FROM river_job GROUP BY state ORDER BY state",
      );
      const recent = await pool.query(
        "SELECT id, kind, state, attempt, created_at, finalized_at FROM river_job ORDER BY id DESC LIMIT 20",
      );
      return {
        status: 200,
        body: {
          counts: Object.fromEntries(counts.rows.map((row) => [row.state, row.count])),
          recent: recent.rows,
        },
      };
    },
  };
}

function bearer(request: IncomingMessage): string {
  return /^Bearer (\S+)$/i.exec(request.headers.authorization ?? "")?.[1] ?? "";
}

async function readJson(request: IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > bodyBytes) throw new BadRequest(`the body is larger than ${bodyBytes} bytes`);
    chunks.push(chunk);
  }
  try {
    const value: unknown = JSON.parse(Buffer.concat(chunks).toString());
    if (typeof value === "object" && value !== null) return value;
  } catch {
    // Answered below, like any other body that is not an object.
  }
  throw new BadRequest("the body must be a JSON object");
}
