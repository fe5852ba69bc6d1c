import { createHash, createHmac, randomBytes, timingSafeEqual } from "node:crypto";
import { BadRequest, readJson } from "../../server/http.ts";
import type { Answer, Route, SpecialContext } from "../../server/special.ts";

/**
 * Sign-in with Zitadel as better-auth's generic OAuth does it for the app (src/auth/server.ts: endpoints, redirect URI, PKCE, no client
 * secret). Sessions are in the database.
 */

const stateMinutes = 10;
const sessionDays = 7;
const cookieName = "__Secure-better-auth.session_token";
const requestMilliseconds = 10_000;

/** By method and path. */
export function routes({ pool, setting }: SpecialContext): Readonly<Record<string, Route>> {
  const database = pool();
  const url = setting("BETTER_AUTH_URL");
  const redirectUri = `${url}/api/auth/callback/zitadel`;
  const signature = (token: string) =>
    createHmac("sha256", setting("BETTER_AUTH_SECRET")).update(token).digest("base64url");
  const tokenOf = (cookies = "") => {
    const [, token = "", signed = ""] = new RegExp(`${cookieName}=([\\w-]+)\\.([\\w-]+)`).exec(cookies) ?? [];
    return sameText(signed, signature(token)) ? token : undefined;
  };
  const cookie = (value: string, seconds: number) => ({
    "Set-Cookie": `${cookieName}=${value}; Path=/; HttpOnly; Secure; SameSite=Lax; Max-Age=${seconds}`,
  });

  /** The person that Zitadel names for a code: both requests go to its public name. */
  async function personOf(code: string, verifier: string) {
    const issuer = setting("ZITADEL_ISSUER_URL");
    const tokens = await json(`${issuer}/oauth/v2/token`, {
      method: "POST",
      body: new URLSearchParams({
        ...{ grant_type: "authorization_code", code, redirect_uri: redirectUri },
        ...{ client_id: setting("ZITADEL_CLIENT_ID"), code_verifier: verifier },
      }),
    });
    return json(`${issuer}/oidc/v1/userinfo`, {
      headers: { authorization: `Bearer ${tokens.access_token}` },
    });
  }

  return {
    async "POST /api/auth/sign-in/social"(request) {
      const { provider, callbackURL = "/admin" } = (await readJson(request)) as Record<string, unknown>;
      if (provider !== "zitadel") throw new BadRequest("provider: zitadel is the only one");
      const target = URL.parse(String(callbackURL), url);
      if (target?.origin !== url) return { status: 403, body: { message: "Invalid callbackURL" } };
      const state = randomBytes(24).toString("base64url");
      const verifier = randomBytes(32).toString("base64url");
      await database.query(
        `INSERT INTO verifications VALUES ($1, $2, now() + interval '${stateMinutes} minutes')`,
        [state, JSON.stringify({ target: target.href, verifier })],
      );
      const authorize = new URL(`${setting("ZITADEL_ISSUER_URL")}/oauth/v2/authorize`);
      authorize.search = new URLSearchParams({
        ...{ response_type: "code", client_id: setting("ZITADEL_CLIENT_ID"), redirect_uri: redirectUri },
        ...{ scope: "openid profile email offline_access", state, code_challenge_method: "S256" },
        code_challenge: createHash("sha256").update(verifier).digest("base64url"),
      }).toString();
      return { status: 200, body: { url: authorize.href, redirect: true } };
    },

    async "GET /api/auth/callback/zitadel"(_request, query) {
      const { rows } = await database.query<{ value: string }>(
        "DELETE FROM verifications WHERE identifier = $1 AND expires_at > now() RETURNING value",
        [query.get("state") ?? ""],
      );
      if (rows[0] === undefined) return redirect(`${url}/api/auth/error?error=please_restart_the_process`);
      const { target, verifier } = JSON.parse(rows[0].value) as { target: string; verifier: string };
      const person = await personOf(query.get("code") ?? "", verifier);
      const token = randomBytes(24).toString("base64url");
      await database.query(
        `WITH known AS (INSERT INTO users (id, name, email) VALUES ($1, $2, $3) ON CONFLICT (id) DO UPDATE SET name = excluded.name RETURNING id)
         INSERT INTO sessions SELECT $4, id, now() + interval '${sessionDays} days' FROM known`,
        [person.sub, person.name, person.email, token],
      );
      return redirect(target, cookie(`${token}.${signature(token)}`, sessionDays * 86_400));
    },

    /** The signed-in person; null for nobody. */
    async "GET /api/auth/get-session"(request) {
      const token = tokenOf(request.headers.cookie);
      if (token === undefined) return { status: 200, body: null };
      const { rows } = await database.query(
        "SELECT name, email FROM sessions JOIN users ON users.id = user_id WHERE token = $1 AND expires_at > now()",
        [token],
      );
      return { status: 200, body: rows[0] === undefined ? null : { user: rows[0] as object } };
    },

    async "POST /api/auth/sign-out"(request) {
      await database.query("DELETE FROM sessions WHERE token = $1", [tokenOf(request.headers.cookie) ?? ""]);
      return { status: 200, body: { success: true }, headers: cookie("", 0) };
    },
  };
}

async function json(url: string, init: RequestInit): Promise<Record<string, string>> {
  const response = await fetch(url, { ...init, signal: AbortSignal.timeout(requestMilliseconds) });
  if (!response.ok)
    throw new Error(`${url} answered ${response.status}: ${(await response.text()).slice(0, 300)}`);
  return (await response.json()) as Record<string, string>;
}

function redirect(url: string, headers: Readonly<Record<string, string>> = {}): Answer {
  return { status: 302, headers: { ...headers, Location: url } };
}

function sameText(one: string, other: string): boolean {
  return one.length === other.length && timingSafeEqual(Buffer.from(one), Buffer.from(other));
}
