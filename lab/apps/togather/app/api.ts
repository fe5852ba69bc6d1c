import { BadRequest, bearer, readJson } from "../../server/http.ts";
import type { Job } from "../../server/jobs.ts";
import type { Route, SpecialContext } from "../../server/special.ts";
import { deliberateFailure } from "../../server/version.ts";
import { addEvent, indexEvent, listEvents, parseEvent } from "./events.ts";
import { sameText, signToken, verifyToken } from "./token.ts";

/** Togather's API and jobs, which its declaration cannot express. */

const tokenSeconds = 3600;
const longestSleepMilliseconds = 60_000;

/** By kind. */
export function jobs({ pool }: SpecialContext): Readonly<Record<string, (job: Job) => Promise<void>>> {
  return { index_event: (job) => indexEvent(pool(), job) };
}

/** By method and path: `GET /api/v1/events`. */
export function routes(context: SpecialContext): Readonly<Record<string, Route>> {
  const pool = context.pool();
  const jwtSecret = context.setting("JWT_SECRET");
  return {
    async "GET /api/v1/events"(_request, query) {
      const limit = Math.min(Math.max(Math.trunc(Number(query.get("limit") ?? 20)) || 20, 1), 100);
      const events = await listEvents(pool, limit, query.get("search") ?? undefined);
      // Healthy, but returns wrong data: only a test that reads back what it wrote finds this.
      if (deliberateFailure(context.version) === "integration") {
        return { status: 200, body: { events: events.map((event) => ({ ...event, description: "" })) } };
      }
      return { status: 200, body: { events } };
    },

    async "POST /api/v1/events"(request) {
      return { status: 201, body: await addEvent(pool, parseEvent(await readJson(request))) };
    },

    /** The client's address, as forwarded by the proxy. */
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

    /** Answers late, to test a request that is open during a switch. */
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
      const token = signToken({ sub: subject, iat: now, exp: now + tokenSeconds }, jwtSecret);
      return { status: 200, body: { token, expiresIn: tokenSeconds } };
    },

    async "GET /api/v1/whoami"(request) {
      const claims = verifyToken(bearer(request), jwtSecret, Date.now() / 1000);
      if (claims === undefined) return { status: 401, body: { error: "a valid token is needed" } };
      return { status: 200, body: { subject: claims.sub, expiresAt: claims.exp } };
    },

    async "GET /api/v1/admin/jobs"(request) {
      if (!sameText(bearer(request), context.setting("ADMIN_API_KEY"))) {
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
