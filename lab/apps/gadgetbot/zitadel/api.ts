import type { IncomingMessage } from "node:http";
import type Provider from "oidc-provider";
import type { Pool } from "pg";
import { bearer, readJson } from "../../server/http.ts";
import type { Answer, OtherRoutes, SpecialContext } from "../../server/special.ts";
import { type Calls, hasRole } from "./calls.ts";
import { hashOf, newId, newToken, passwordFits } from "./crypto.ts";
import { managementCalls } from "./management.ts";
import { openIdConnect } from "./oidc.ts";

/** What the declaration cannot say: OpenID Connect, and the calls of the login, of the console and of an import. */

export async function other({ pool, setting }: SpecialContext): Promise<OtherRoutes> {
  const database = pool();
  const domain = setting("ZITADEL_EXTERNALDOMAIN");
  const provider = await openIdConnect(database, domain, setting("ZITADEL_MASTERKEY"));
  const protocol = provider.callback();
  const console_ = async () => {
    const { rows } = await database.query("SELECT client_id FROM apps WHERE name = 'Console'");
    const clientid = (rows[0] as { client_id: string }).client_id;
    return { status: 200, body: { api: `https://${domain}`, issuer: `https://${domain}`, clientid } };
  };
  const calls: Calls = [
    ["GET", /^\/$/, async () => ({ status: 302, headers: { Location: "/ui/console" } })],
    ["GET", /^\/ui\/console\/assets\/environment\.json$/, console_],
    [
      "GET",
      /^\/ui\/console(\/.*)?$/,
      async () => ({ status: 200, html: "<!doctype html><title>ZITADEL • Console</title>" }),
    ],
    ...loginCalls(database, provider),
    ...managementCalls(database, provider),
  ];
  return async (request, response) => {
    const { pathname } = new URL(request.url ?? "/", "http://zitadel");
    const host = String(request.headers[":authority"] ?? request.headers.host ?? "").replace(/:\d+$/, "");
    // internal/api/http/middleware/instance_interceptor.go
    if (host !== domain) return { status: 404, body: { message: `Instance not found: ${host}` } };
    for (const [method, path, call] of calls) {
      const found = request.method === method ? path.exec(pathname) : null;
      if (found !== null) return call(request, ...found.slice(1));
    }
    if (!/^\/(oauth\/v2|oidc\/v1|\.well-known)\//.test(pathname)) return undefined;
    await protocol(request, response);
    return "answered";
  };
}

/** What login v2 asks (docs, "OIDC Standard"), as a machine user with the role IAM_LOGIN_CLIENT. */
function loginCalls(database: Pool, provider: Provider): Calls {
  const allowed = (request: IncomingMessage) => hasRole(database, bearer(request), "IAM_LOGIN_CLIENT");
  const refused: Answer = { status: 401, body: { code: 16, message: "Errors.Token.Invalid" } };
  return [
    [
      "POST",
      /^\/v2\/sessions$/,
      async (request) => {
        if (!(await allowed(request))) return refused;
        const { checks } = (await readJson(request)) as {
          checks?: { user?: { loginName?: string }; password?: { password?: string } };
        };
        const { rows } = await database.query<{ id: string; password_hash: string | null }>(
          "SELECT id, password_hash FROM users WHERE login_name = $1",
          [checks?.user?.loginName ?? ""],
        );
        const [user] = rows;
        if (!user?.password_hash || !passwordFits(checks?.password?.password ?? "", user.password_hash))
          return { status: 400, body: { code: 3, message: "Password is invalid (COMMAND-3M0fs)" } };
        const [sessionId, sessionToken] = [newId(), newToken()];
        await database.query("INSERT INTO sessions VALUES ($1, $2, $3)", [
          ...[sessionId, hashOf(sessionToken), user.id],
        ]);
        return { status: 201, body: { sessionId, sessionToken } };
      },
    ],
    [
      "POST",
      /^\/v2\/oidc\/auth_requests\/([\w-]+)$/,
      async (request, id = "") => {
        if (!(await allowed(request))) return refused;
        const { session } = (await readJson(request)) as {
          session?: { sessionId?: string; sessionToken?: string };
        };
        const { rows } = await database.query<{ user_id: string }>(
          "SELECT user_id FROM sessions WHERE id = $1 AND token_hash = $2",
          [session?.sessionId ?? "", hashOf(session?.sessionToken ?? "")],
        );
        const interaction = await provider.Interaction.find(id);
        if (rows[0] === undefined || interaction === undefined)
          return { status: 404, body: { code: 5, message: "AuthRequest.NotFound" } };
        interaction.result = { login: { accountId: rows[0].user_id } };
        await interaction.save(interaction.exp - Math.floor(Date.now() / 1000));
        return { status: 200, body: { callbackUrl: interaction.returnTo } };
      },
    ],
  ];
}
