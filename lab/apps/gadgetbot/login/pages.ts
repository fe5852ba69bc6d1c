import { readJson } from "../../server/http.ts";
import type { Answer, Route, SpecialContext } from "../../server/special.ts";

/** Signs people in by Zitadel's API: a session with a password, then the callback of the application that asked. */

const requestMilliseconds = 10_000;

/** By method and path. */
export function routes({ setting }: SpecialContext): Readonly<Record<string, Route>> {
  const call = async (path: string, body: object) => {
    const response = await fetch(`${setting("ZITADEL_API_URL")}${path}`, {
      method: "POST",
      headers: {
        authorization: `Bearer ${setting("ZITADEL_SERVICE_USER_TOKEN")}`,
        "content-type": "application/json",
      },
      body: JSON.stringify(body),
      signal: AbortSignal.timeout(requestMilliseconds),
    });
    return { ok: response.ok, said: (await response.json()) as Record<string, string> };
  };
  const refused = (said: object): Answer => ({ status: 400, body: said });
  return {
    "GET /ui/v2/login/login": (_request, query) => ({
      status: 200,
      html: `<!doctype html><title>Login</title><form data-auth-request="${(query.get("authRequest") ?? "").replaceAll(/[^\w-]/g, "")}"></form>`,
    }),

    async "POST /ui/v2/login/login"(request) {
      const { authRequest, loginName, password } = (await readJson(request)) as Record<string, string>;
      const session = await call("/v2/sessions", { checks: { user: { loginName }, password: { password } } });
      if (!session.ok) return refused(session.said);
      const { sessionId, sessionToken } = session.said;
      const callback = await call(`/v2/oidc/auth_requests/${encodeURIComponent(authRequest ?? "")}`, {
        session: { sessionId, sessionToken },
      });
      if (!callback.ok) return refused(callback.said);
      return { status: 302, headers: { Location: callback.said.callbackUrl ?? "" } };
    },
  };
}
