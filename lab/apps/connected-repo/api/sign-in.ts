import { createHmac, randomBytes, timingSafeEqual } from "node:crypto";
import { BadRequest, readJson } from "../../server/http.ts";
import type { Answer, Route, SpecialContext } from "../../server/special.ts";

/**
 * Sign-in with Google, as the app's better-auth does it (apps/backend/src/modules/auth/auth.config.ts: base path, redirect URI, tables,
 * trusted origins; the session's cookie is signed). What Google issues is asked for at GOOGLE_TOKEN_URL, a rehearsal's own variable.
 */

const stateMinutes = 10;
const sessionDays = 7;
const cookieName = "__Secure-better-auth.session_token";

/** By method and path. */
export function routes({ pool, setting }: SpecialContext): Readonly<Record<string, Route>> {
  const database = pool();
  const apiUrl = setting("VITE_API_URL");
  const redirectUri = `${apiUrl}/api/auth/callback/google`;
  const origins = setting("ALLOWED_ORIGINS").split(",");
  const signature = (token: string) =>
    createHmac("sha256", setting("SESSION_SECRET")).update(token).digest("base64url");

  async function googleAccount(code: string): Promise<{ email: string } | undefined> {
    const response = await fetch(setting("GOOGLE_TOKEN_URL"), {
      method: "POST",
      body: new URLSearchParams({
        ...{ grant_type: "authorization_code", code, redirect_uri: redirectUri },
        client_id: setting("GOOGLE_CLIENT_ID"),
        client_secret: setting("GOOGLE_CLIENT_SECRET"),
      }),
      signal: AbortSignal.timeout(5_000),
    });
    if (!response.ok) return undefined;
    const { id_token: idToken = "" } = (await response.json()) as { id_token?: string };
    return JSON.parse(Buffer.from(idToken.split(".")[1] ?? "", "base64url").toString()) as { email: string };
  }

  return {
    async "POST /api/auth/sign-in/social"(request) {
      const { provider, callbackURL } = (await readJson(request)) as Record<string, unknown>;
      if (provider !== "google") throw new BadRequest("provider: google is the only one");
      const target = URL.parse(String(callbackURL ?? setting("WEBAPP_URL")));
      if (target === null || !origins.includes(target.origin))
        return { status: 403, body: { message: "Invalid callbackURL" } };
      const state = randomBytes(24).toString("base64url");
      await database.query(
        `INSERT INTO verifications VALUES ($1, $2, now() + interval '${stateMinutes} minutes')`,
        [state, target.href],
      );
      const url = new URL("https://accounts.google.com/o/oauth2/v2/auth");
      url.search = new URLSearchParams({
        ...{ client_id: setting("GOOGLE_CLIENT_ID"), redirect_uri: redirectUri, response_type: "code" },
        ...{ scope: "email profile openid", state },
      }).toString();
      return { status: 200, body: { url: url.href, redirect: true } };
    },

    async "GET /api/auth/callback/google"(_request, query) {
      const { rows } = await database.query<{ value: string }>(
        `DELETE FROM verifications WHERE identifier = $1 AND "expiresAt" > now() RETURNING value`,
        [query.get("state") ?? ""],
      );
      const failed = (error: string): Answer => redirect(`${setting("WEBAPP_URL")}?error=${error}`);
      const target = rows[0]?.value;
      if (target === undefined) return failed("state_mismatch");
      const account = await googleAccount(query.get("code") ?? "");
      if (account === undefined) return failed("invalid_code");
      const token = randomBytes(24).toString("base64url");
      await database.query(
        `WITH known AS (INSERT INTO users (email) VALUES ($1) ON CONFLICT (email) DO UPDATE SET email = excluded.email RETURNING id)
         INSERT INTO sessions SELECT $2, id, now() + interval '${sessionDays} days' FROM known`,
        [account.email, token],
      );
      const cookie = `${cookieName}=${token}.${signature(token)}; Path=/; HttpOnly; Secure; SameSite=Lax; Max-Age=${sessionDays * 86_400}`;
      return redirect(target, { "Set-Cookie": cookie });
    },

    /** The signed-in user, whatever replica signed them in; null for nobody. */
    async "GET /api/auth/get-session"(request) {
      const cookie = new RegExp(`${cookieName}=([\\w-]+)\\.([\\w-]+)`).exec(request.headers.cookie ?? "");
      const [, token = "", signed = ""] = cookie ?? [];
      if (!sameText(signed, signature(token))) return { status: 200, body: null };
      const { rows } = await database.query(
        `SELECT email FROM sessions JOIN users ON users.id = "userId" WHERE token = $1 AND "expiresAt" > now()`,
        [token],
      );
      return { status: 200, body: rows[0] === undefined ? null : { user: rows[0] as object } };
    },
  };
}

function redirect(url: string, headers: Readonly<Record<string, string>> = {}): Answer {
  return { status: 302, headers: { ...headers, Location: url } };
}

function sameText(one: string, other: string): boolean {
  return one.length === other.length && timingSafeEqual(Buffer.from(one), Buffer.from(other));
}
