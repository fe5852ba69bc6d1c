import type { IncomingMessage } from "node:http";
import type Provider from "oidc-provider";
import type { Pool } from "pg";
import { BadRequest, bearer, readJson } from "../../server/http.ts";
import type { Answer, OtherRoutes, SpecialContext } from "../../server/special.ts";
import { hashOf, newId, newToken, passwordFits } from "./crypto.ts";
import { openIdConnect } from "./oidc.ts";

/** What the declaration cannot say: OpenID Connect, and the calls of the login, of the console and of an import. */

type Call = (request: IncomingMessage, id: string) => Promise<Answer>;

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
  const calls: readonly [method: string, path: RegExp, call: Call][] = [
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
      if (found !== null) return call(request, found[1] ?? "");
    }
    if (!/^\/(oauth\/v2|oidc\/v1|\.well-known)\//.test(pathname)) return undefined;
    await protocol(request, response);
    return "answered";
  };
}

/** What login v2 asks (docs, "OIDC Standard"), as a machine user with the role IAM_LOGIN_CLIENT. */
function loginCalls(database: Pool, provider: Provider): [string, RegExp, Call][] {
  const allowed = async (request: IncomingMessage) => {
    const { rowCount } = await database.query(
      `SELECT FROM access_tokens JOIN users ON users.id = user_id
       WHERE hash = $1 AND expires_at > now() AND role = 'IAM_LOGIN_CLIENT'`,
      [hashOf(bearer(request))],
    );
    return rowCount === 1;
  };
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
      async (request, id) => {
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

/** Projects and their applications, as somebody with the role IAM_OWNER. */
function managementCalls(database: Pool, provider: Provider): [string, RegExp, Call][] {
  const asOwner =
    (call: Call): Call =>
    async (request, id) => {
      const token = await provider.AccessToken.find(bearer(request));
      const { rowCount } = await database.query("SELECT FROM users WHERE id = $1 AND role = 'IAM_OWNER'", [
        token?.accountId ?? "",
      ]);
      return rowCount === 1
        ? call(request, id)
        : { status: 401, body: { code: 16, message: "auth header missing" } };
    };
  const named = async (request: IncomingMessage) => {
    const body = (await readJson(request)) as Record<string, unknown>;
    if (typeof body.name !== "string" || body.name === "") throw new BadRequest("name: missing");
    return { ...body, name: body.name };
  };
  return [
    [
      "POST",
      /^\/management\/v1\/projects$/,
      asOwner(async (request) => {
        const { name } = await named(request);
        const id = newId();
        const { rowCount } = await database.query(
          "INSERT INTO projects VALUES ($1, $2) ON CONFLICT DO NOTHING",
          [id, name],
        );
        if (rowCount === 0)
          return { status: 409, body: { code: 6, message: "Errors.Project.AlreadyExisting" } };
        return { status: 200, body: { id } };
      }),
    ],
    [
      "POST",
      /^\/management\/v1\/projects\/(\d+)\/apps\/oidc$/,
      asOwner(async (request, project) => {
        const app: Record<string, unknown> & { name: string } = await named(request);
        const [clientId, secret] = [newId(), newToken()];
        // What is left out is the enumeration's first value (proto/zitadel/app.proto): "Basic", which the seed's L331 warns of.
        const isPublic = app.authMethodType === "OIDC_AUTH_METHOD_TYPE_NONE";
        const { rowCount } = await database.query(
          "INSERT INTO apps SELECT $1, id, $3, $4, $5, $6 FROM projects WHERE id = $2",
          [
            ...[clientId, project, app.name, isPublic ? null : hashOf(secret)],
            ...[app.redirectUris ?? [], app.postLogoutRedirectUris ?? []],
          ],
        );
        if (rowCount === 0) return { status: 404, body: { code: 5, message: "Errors.Project.NotFound" } };
        return {
          status: 200,
          body: { appId: newId(), clientId, ...(isPublic ? {} : { clientSecret: secret }) },
        };
      }),
    ],
  ];
}
