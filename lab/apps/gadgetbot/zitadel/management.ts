import type { IncomingMessage } from "node:http";
import type Provider from "oidc-provider";
import type { Pool } from "pg";
import { BadRequest, bearer, readJson } from "../../server/http.ts";
import type { Answer } from "../../server/special.ts";
import { type Call, type Calls, hasRole } from "./calls.ts";
import { hashOf, newId, newToken } from "./crypto.ts";

/**
 * The calls about projects, their roles and applications of the management API, version 1 (proto/zitadel/management.proto, project.proto,
 * app.proto, object.proto of github.com/zitadel/zitadel): a field that a request does not know is ignored, and an answer leaves out what
 * has the first value of its kind, as the one does that github.com/mvellandi/gadgetbot keeps as zitadel/export.json.
 */

interface App {
  readonly id: string;
  readonly client_id: string;
  readonly name: string;
  readonly client_secret_hash: string | null;
  readonly redirect_uris: string[];
  readonly post_logout_redirect_uris: string[];
  readonly settings: Settings;
  readonly kind: "oidc" | "api";
}

type Settings = Readonly<Record<string, unknown>>;

interface Asked extends Settings {
  readonly name?: unknown;
  readonly redirectUris?: string[];
  readonly postLogoutRedirectUris?: string[];
  readonly authMethodType?: string;
  readonly query?: { readonly offset?: string | number; readonly limit?: number };
  readonly queries?: { readonly nameQuery?: { readonly name?: string } }[];
}

/** The fields of AddProjectRequest, AddProjectRoleRequest and AddOIDCAppRequest that have no column of their own. */
const fields = {
  project: ["projectRoleAssertion", "projectRoleCheck", "hasProjectCheck", "privateLabelingSetting"],
  role: ["displayName", "group"],
  oidc: [
    ...[
      "responseTypes",
      "grantTypes",
      "appType",
      "authMethodType",
      "devMode",
      "accessTokenType",
      "clockSkew",
    ],
    ...["accessTokenRoleAssertion", "idTokenRoleAssertion", "idTokenUserinfoAssertion", "additionalOrigins"],
    ...["skipNativeAppSuccessPage", "backChannelLogoutUri", "loginVersion"],
  ],
  api: ["authMethodType"],
} as const;

/** First values of enumerations, which an answer leaves out, as it does false, empty texts and empty lists. */
const first =
  /^(OIDC_APP_TYPE_WEB|(OIDC|API)_AUTH_METHOD_TYPE_BASIC|OIDC_TOKEN_TYPE_BEARER|\w+_UNSPECIFIED|)$/;

function settingsIn(asked: Asked, of: keyof typeof fields): Settings {
  const left = (value: unknown) =>
    value === undefined ||
    value === false ||
    (typeof value === "string" && first.test(value)) ||
    (Array.isArray(value) && value.length === 0);
  return Object.fromEntries(
    fields[of].flatMap((key) => (left(asked[key]) ? [] : [[key, asked[key]] as const])),
  );
}

const missing = (what: string): Answer => ({
  status: 404,
  body: { code: 5, message: `Errors.${what}.NotFound` },
});
const exists = (what: string): Answer => ({
  status: 409,
  body: { code: 6, message: `Errors.${what}.AlreadyExisting` },
});

/** A page of what a search has found (DefaultQueryLimit, MaxQueryLimit of cmd/defaults.yaml; QueryLimit refuses more). */
function page({ query }: Asked, found: readonly object[]): Answer {
  const [offset, limit] = [Number(query?.offset ?? 0), query?.limit || 100];
  if (limit > 1000)
    return { status: 400, body: { code: 3, message: "Errors.Query.LimitExceeded (QUERY-4M0fs)" } };
  const result = found.slice(offset, offset + limit);
  // An unsigned number of 64 bits is text in proto's JSON, and zero is left out.
  const details = found.length === 0 ? {} : { totalResult: String(found.length) };
  return { status: 200, body: { details, ...(result.length > 0 && { result }) } };
}

const shown = ({ id, name, kind, settings, client_id: clientId, ...app }: App) => {
  const uris = (key: string, list: string[]) => (list.length === 0 ? {} : { [key]: list });
  const config =
    kind === "api"
      ? { apiConfig: { clientId, ...settings } }
      : {
          oidcConfig: {
            ...uris("redirectUris", app.redirect_uris),
            ...uris("postLogoutRedirectUris", app.post_logout_redirect_uris),
            ...{ clientId, clockSkew: "0s", ...settings },
          },
        };
  return { id, state: "APP_STATE_ACTIVE", name, ...config };
};

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
      return call(
        ["GET", "DELETE"].includes(request.method ?? "") ? {} : ((await readJson(request)) as Asked),
        ...ids,
      );
    };
  const nameIn = ({ name }: Asked) => {
    if (typeof name !== "string" || name === "") throw new BadRequest("name: missing");
    return name;
  };
  const hasProject = async (id: string | undefined) =>
    (await database.query("SELECT FROM projects WHERE id = $1", [id])).rowCount === 1;
  const searched = ({ queries }: Asked) => queries?.[0]?.nameQuery?.name ?? null;

  return [
    [
      "POST",
      /^\/management\/v1\/projects\/_search$/,
      asOwner(async (asked) => {
        const { rows } = await database.query<{ id: string; name: string; settings: Settings }>(
          "SELECT * FROM projects WHERE $1::text IS NULL OR name = $1 ORDER BY id",
          [searched(asked)],
        );
        const state = "PROJECT_STATE_ACTIVE";
        return page(
          asked,
          rows.map(({ id, name, settings }) => ({ id, name, state, ...settings })),
        );
      }),
    ],
    [
      "POST",
      /^\/management\/v1\/projects$/,
      asOwner(async (asked) => {
        const id = newId();
        const { rowCount } = await database.query(
          "INSERT INTO projects VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
          [id, nameIn(asked), settingsIn(asked, "project")],
        );
        return rowCount === 0 ? exists("Project") : { status: 200, body: { id } };
      }),
    ],
    [
      "POST",
      /^\/management\/v1\/projects\/(\d+)\/apps\/_search$/,
      asOwner(async (asked, project) => {
        const { rows } = await database.query<App>(
          "SELECT * FROM apps WHERE project_id = $1 AND ($2::text IS NULL OR name = $2) ORDER BY id",
          [project, searched(asked)],
        );
        return page(asked, rows.map(shown));
      }),
    ],
    [
      "POST",
      /^\/management\/v1\/projects\/(\d+)\/apps\/(oidc|api)$/,
      asOwner(async (asked, project, kind) => {
        const of = kind === "api" ? "api" : "oidc";
        const [id, clientId, secret] = [newId(), newId(), newToken()];
        // What is left out is the enumeration's first value: "Basic", which the seed's L331 warns of.
        const isSecret = !/_(NONE|PRIVATE_KEY_JWT)$/.test(asked.authMethodType ?? "");
        if (!(await hasProject(project))) return missing("Project");
        const { rowCount } = await database.query(
          "INSERT INTO apps VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT DO NOTHING",
          [
            ...[id, clientId, project, nameIn(asked), isSecret ? hashOf(secret) : null],
            ...[asked.redirectUris ?? [], asked.postLogoutRedirectUris ?? []],
            ...[settingsIn(asked, of), of],
          ],
        );
        if (rowCount === 0) return exists("Project.App");
        return { status: 200, body: { appId: id, clientId, ...(isSecret && { clientSecret: secret }) } };
      }),
    ],
    [
      "POST",
      /^\/management\/v1\/projects\/(\d+)\/roles$/,
      asOwner(async (asked, project) => {
        const { roleKey, displayName } = asked;
        for (const [key, value] of Object.entries({ roleKey, displayName }))
          if (typeof value !== "string" || value === "")
            throw new BadRequest(
              `invalid AddProjectRoleRequest.${key}: value length must be between 1 and 200`,
            );
        if (!(await hasProject(project))) return missing("Project");
        const { rowCount } = await database.query(
          "INSERT INTO roles VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
          [project, roleKey, settingsIn(asked, "role")],
        );
        return rowCount === 0 ? exists("Project.Role") : { status: 200, body: {} };
      }),
    ],
    [
      "POST",
      /^\/management\/v1\/projects\/(\d+)\/roles\/_search$/,
      asOwner(async (asked, project) => {
        const { rows } = await database.query<{ key: string; settings: Settings }>(
          "SELECT * FROM roles WHERE project_id = $1 ORDER BY key",
          [project],
        );
        return page(
          asked,
          rows.map(({ key, settings }) => ({ key, ...settings })),
        );
      }),
    ],
    // The stand-in has one organisation, so nothing is granted to another one.
    [
      "POST",
      /^\/management\/v1\/projects\/(\d+)\/grants\/_search$/,
      asOwner(async (asked) => page(asked, [])),
    ],
    [
      "DELETE",
      /^\/management\/v1\/projects\/(\d+)$/,
      asOwner(async (_asked, project) => {
        for (const table of ["apps", "roles"])
          await database.query(`DELETE FROM ${table} WHERE project_id = $1`, [project]);
        const { rowCount } = await database.query("DELETE FROM projects WHERE id = $1", [project]);
        return rowCount === 0 ? missing("Project") : { status: 200, body: {} };
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
        const { rowCount } = await database.query("SELECT FROM apps WHERE project_id = $1 AND id = $2", [
          ...[project, id],
        ]);
        if (rowCount === 0) return missing("App");
        const { rowCount: changed } = await database.query(
          `UPDATE apps SET redirect_uris = $3, post_logout_redirect_uris = $4, settings = $5, client_secret_hash = NULL
           WHERE project_id = $1 AND id = $2
             AND (redirect_uris, post_logout_redirect_uris, settings, client_secret_hash IS NULL)
               IS DISTINCT FROM ($3::text[], $4::text[], $5::jsonb, true)`,
          [
            ...[project, id, asked.redirectUris ?? [], asked.postLogoutRedirectUris ?? []],
            settingsIn(asked, "oidc"),
          ],
        );
        // internal/command/project_application_oidc.go
        if (changed === 0) return { status: 400, body: { code: 9, message: "No changes (COMMAND-1m88i)" } };
        return { status: 200, body: {} };
      }),
    ],
  ];
}
