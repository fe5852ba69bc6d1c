import type { IncomingMessage } from "node:http";
import type Provider from "oidc-provider";
import type { Pool } from "pg";
import { BadRequest, bearer, readJson } from "../../server/http.ts";
import type { Answer } from "../../server/special.ts";
import { type Call, type Calls, hasRole } from "./calls.ts";
import { hashOf, newId, newToken } from "./crypto.ts";

/** The calls about projects and their applications of the management API, version 1 (proto/zitadel/management.proto, app.proto). */

interface App {
  readonly id: string;
  readonly client_id: string;
  readonly name: string;
  readonly client_secret_hash: string | null;
  readonly redirect_uris: string[];
  readonly post_logout_redirect_uris: string[];
}

interface Asked {
  readonly name?: unknown;
  readonly redirectUris?: string[];
  readonly postLogoutRedirectUris?: string[];
  readonly authMethodType?: string;
  readonly queries?: { readonly nameQuery?: { readonly name?: string } }[];
}

const none = "OIDC_AUTH_METHOD_TYPE_NONE";
const missing = (what: string): Answer => ({
  status: 404,
  body: { code: 5, message: `Errors.${what}.NotFound` },
});

const shown = (app: App) => ({
  ...{ id: app.id, state: "APP_STATE_ACTIVE", name: app.name },
  oidcConfig: {
    ...{ redirectUris: app.redirect_uris, postLogoutRedirectUris: app.post_logout_redirect_uris },
    clientId: app.client_id,
    authMethodType: app.client_secret_hash === null ? none : "OIDC_AUTH_METHOD_TYPE_BASIC",
  },
});

/** As somebody with the role IAM_OWNER: a person by the console's token, a machine user by its personal one. */
export function managementCalls(database: Pool, provider: Provider): Calls {
  const asOwner =
    (call: (asked: Asked, ...ids: string[]) => Promise<Answer>): Call =>
    async (request: IncomingMessage, ...ids) => {
      const token = bearer(request);
      const person = (await provider.AccessToken.find(token))?.accountId ?? "";
      const { rowCount } = await database.query("SELECT FROM users WHERE id = $1 AND role = 'IAM_OWNER'", [
        person,
      ]);
      if (rowCount !== 1 && !(await hasRole(database, token, "IAM_OWNER")))
        return { status: 401, body: { code: 16, message: "auth header missing" } };
      return call(request.method === "GET" ? {} : ((await readJson(request)) as Asked), ...ids);
    };
  const nameIn = ({ name }: Asked) => {
    if (typeof name !== "string" || name === "") throw new BadRequest("name: missing");
    return name;
  };
  const searched = ({ queries }: Asked) => queries?.[0]?.nameQuery?.name ?? null;

  return [
    [
      "POST",
      /^\/management\/v1\/projects\/_search$/,
      asOwner(async (asked) => {
        const { rows } = await database.query(
          "SELECT id, name FROM projects WHERE $1::text IS NULL OR name = $1",
          [searched(asked)],
        );
        return { status: 200, body: { result: rows } };
      }),
    ],
    [
      "POST",
      /^\/management\/v1\/projects$/,
      asOwner(async (asked) => {
        const id = newId();
        const { rowCount } = await database.query(
          "INSERT INTO projects VALUES ($1, $2) ON CONFLICT DO NOTHING",
          [id, nameIn(asked)],
        );
        if (rowCount === 0)
          return { status: 409, body: { code: 6, message: "Errors.Project.AlreadyExisting" } };
        return { status: 200, body: { id } };
      }),
    ],
    [
      "POST",
      /^\/management\/v1\/projects\/(\d+)\/apps\/_search$/,
      asOwner(async (asked, project) => {
        const { rows } = await database.query<App>(
          "SELECT * FROM apps WHERE project_id = $1 AND ($2::text IS NULL OR name = $2)",
          [project, searched(asked)],
        );
        return { status: 200, body: { result: rows.map(shown) } };
      }),
    ],
    [
      "POST",
      /^\/management\/v1\/projects\/(\d+)\/apps\/oidc$/,
      asOwner(async (asked, project) => {
        const [id, clientId, secret] = [newId(), newId(), newToken()];
        // What is left out is the enumeration's first value: "Basic", which the seed's L331 warns of.
        const isPublic = asked.authMethodType === none;
        const { rowCount } = await database.query(
          "INSERT INTO apps SELECT $1, $2, id, $4, $5, $6, $7 FROM projects WHERE id = $3",
          [
            ...[id, clientId, project, nameIn(asked), isPublic ? null : hashOf(secret)],
            ...[asked.redirectUris ?? [], asked.postLogoutRedirectUris ?? []],
          ],
        );
        if (rowCount === 0) return missing("Project");
        return {
          status: 200,
          body: { appId: id, clientId, ...(isPublic ? {} : { clientSecret: secret }) },
        };
      }),
    ],
    [
      "GET",
      /^\/management\/v1\/projects\/(\d+)\/apps\/(\d+)$/,
      asOwner(async (_asked, project, id) => {
        const { rows } = await database.query<App>("SELECT * FROM apps WHERE project_id = $1 AND id = $2", [
          ...[project, id],
        ]);
        return rows[0] === undefined ? missing("App") : { status: 200, body: { app: shown(rows[0]) } };
      }),
    ],
    [
      "PUT",
      /^\/management\/v1\/projects\/(\d+)\/apps\/(\d+)\/oidc_config$/,
      asOwner(async (asked, project, id) => {
        const wanted = [project, id, asked.redirectUris ?? [], asked.postLogoutRedirectUris ?? []];
        const { rowCount } = await database.query("SELECT FROM apps WHERE project_id = $1 AND id = $2", [
          ...[project, id],
        ]);
        if (rowCount === 0) return missing("App");
        const { rowCount: changed } = await database.query(
          `UPDATE apps SET redirect_uris = $3, post_logout_redirect_uris = $4, client_secret_hash = NULL
           WHERE project_id = $1 AND id = $2
             AND (redirect_uris, post_logout_redirect_uris, client_secret_hash IS NULL) IS DISTINCT FROM ($3::text[], $4::text[], true)`,
          wanted,
        );
        // internal/command/project_application_oidc.go
        if (changed === 0) return { status: 400, body: { code: 9, message: "No changes (COMMAND-1m88i)" } };
        return { status: 200, body: {} };
      }),
    ],
  ];
}
