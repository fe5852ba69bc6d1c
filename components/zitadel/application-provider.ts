import { request } from "node:https";
import { setTimeout as sleep } from "node:timers/promises";

/**
 * Create, read, update and retain an application of Zitadel by its management API, version 1 (proto/zitadel/management.proto and
 * app.proto of github.com/zitadel/zitadel; Zitadel 4 still answers it). Pulumi's host for dynamic providers loads this file in a process
 * of its own, so it imports nothing of the program.
 */

/** What {@link ZitadelApplication} declares. */
export interface ApplicationInputs {
  /** Host name of Zitadel, and of its certificate. */
  readonly domain: string;
  /** Where the edge that serves it listens: a name need not be known everywhere when the first `up` asks. */
  readonly address: string;
  /** 443 when left out. */
  readonly port?: number;
  /** Certificate of the authority that signed the edge's, where nobody trusts that one by itself. */
  readonly authorityPem?: string;
  /** Personal access token of a user that may write projects. */
  readonly token: string;
  /** Name of the project, which is made when there is none. */
  readonly project: string;
  /** Its name there. One that has it already is taken over. */
  readonly application: string;
  readonly redirectUris: readonly string[];
  readonly postLogoutRedirectUris: readonly string[];
}

/** What is kept of it. */
export interface ApplicationState extends ApplicationInputs {
  readonly projectId: string;
  readonly clientId: string;
}

interface Found {
  readonly id: string;
  readonly name: string;
  readonly oidcConfig?: {
    readonly clientId?: string;
    readonly redirectUris?: readonly string[];
    readonly postLogoutRedirectUris?: readonly string[];
    readonly authMethodType?: string;
  };
}

interface Answer {
  readonly status: number;
  readonly body: string;
}

const requestSeconds = 15;
/** A Zitadel that has just taken over may refuse a few requests. */
const patienceSeconds = 60;
/** FAILED_PRECONDITION with this id: the application is as it was asked to be. */
const unchanged = /no changes|NoChangesFound|not changed/i;

/** The configuration of a public client, which has no secret and proves itself by PKCE. */
const publicClient = ({ redirectUris, postLogoutRedirectUris }: ApplicationInputs) => ({
  redirectUris,
  postLogoutRedirectUris,
  responseTypes: ["OIDC_RESPONSE_TYPE_CODE"],
  grantTypes: ["OIDC_GRANT_TYPE_AUTHORIZATION_CODE", "OIDC_GRANT_TYPE_REFRESH_TOKEN"],
  appType: "OIDC_APP_TYPE_WEB",
  authMethodType: "OIDC_AUTH_METHOD_TYPE_NONE",
  version: "OIDC_VERSION_1_0",
});

function ask(inputs: ApplicationInputs, method: string, path: string, body?: object): Promise<Answer> {
  const { domain, address, port = 443, authorityPem, token } = inputs;
  return new Promise((resolve, reject) => {
    const sent = request(
      {
        ...{ host: address, port, servername: domain, method, path: `/management/v1${path}`, agent: false },
        ...{ timeout: requestSeconds * 1000, ...(authorityPem !== undefined && { ca: authorityPem }) },
        headers: {
          ...{ host: domain, authorization: `Bearer ${token}`, accept: "application/json" },
          ...(body !== undefined && { "content-type": "application/json" }),
        },
      },
      (response) => {
        let said = "";
        response.setEncoding("utf8").on("data", (part: string) => {
          said += part;
        });
        response.on("error", reject);
        response.on("end", () => resolve({ status: response.statusCode ?? 0, body: said }));
      },
    );
    sent.on("timeout", () => sent.destroy(new Error(`no answer within ${requestSeconds} s`)));
    sent.on("error", reject);
    sent.end(body === undefined ? undefined : JSON.stringify(body));
  });
}

/** Repeats what no server has answered, or a proxy in its place. @throws what was said last */
async function call<T>(
  inputs: ApplicationInputs,
  method: string,
  path: string,
  body?: object,
): Promise<{ readonly status: number; readonly said: T }> {
  const where = `${method} https://${inputs.domain}/management/v1${path}`;
  const end = Date.now() + patienceSeconds * 1000;
  for (;;) {
    const answer = await ask(inputs, method, path, body).catch((error: Error) => error);
    if (!(answer instanceof Error) && answer.status < 500) {
      if (answer.status === 401 || answer.status === 403)
        throw new Error(
          `${where}: Zitadel refuses the token (${answer.status} ${answer.body.slice(0, 200)}). Put another one in its place: docs/runbooks/gadgetbot.md, "The application at Zitadel"`,
        );
      if (answer.status < 300 || answer.status === 404 || unchanged.test(answer.body))
        return { status: answer.status, said: parsed(answer.body) as T };
      throw new Error(`${where}: ${answer.status} ${answer.body.slice(0, 500)}`);
    }
    const last = answer instanceof Error ? answer.message : `${answer.status} ${answer.body.slice(0, 200)}`;
    if (Date.now() > end) throw new Error(`${where}: not within ${patienceSeconds} s: ${last}`);
    await sleep(1000);
  }
}

function parsed(body: string): unknown {
  try {
    return JSON.parse(body);
  } catch {
    return {};
  }
}

const named = (name: string) => ({
  queries: [{ nameQuery: { name, method: "TEXT_QUERY_METHOD_EQUALS" } }],
});

/** Finds by name before it makes one: an answer that was lost has made it already. */
async function projectOf(inputs: ApplicationInputs): Promise<string> {
  const { project } = inputs;
  const { said } = await call<{ result?: Found[] }>(inputs, "POST", "/projects/_search", named(project));
  const found = said.result?.find(({ name }) => name === project);
  if (found !== undefined) return found.id;
  return (await call<{ id: string }>(inputs, "POST", "/projects", { name: project })).said.id;
}

/** Pulumi's dynamic provider of the application: what it calls, with values alone. */
export const provider = {
  async create(inputs: ApplicationInputs): Promise<{ id: string; outs: ApplicationState }> {
    const projectId = await projectOf(inputs);
    const apps = `/projects/${projectId}/apps`;
    const { application } = inputs;
    const { said } = await call<{ result?: Found[] }>(inputs, "POST", `${apps}/_search`, named(application));
    const found = said.result?.find(({ name }) => name === application);
    if (found !== undefined) {
      await call(inputs, "PUT", `${apps}/${found.id}/oidc_config`, publicClient(inputs));
      return { id: found.id, outs: { ...inputs, projectId, clientId: found.oidcConfig?.clientId ?? "" } };
    }
    const { said: made } = await call<{ appId: string; clientId: string }>(inputs, "POST", `${apps}/oidc`, {
      name: application,
      ...publicClient(inputs),
    });
    return { id: made.appId, outs: { ...inputs, projectId, clientId: made.clientId } };
  },

  async read(id: string, state: ApplicationState) {
    const { said, status } = await call<{ app?: Found }>(
      state,
      "GET",
      `/projects/${state.projectId}/apps/${id}`,
    );
    // Without an id it is gone, and the next `up` makes it again.
    if (status === 404) return { id: "", props: {} };
    const { redirectUris = [], postLogoutRedirectUris = [], clientId = "" } = said.app?.oidcConfig ?? {};
    return { id, props: { ...state, redirectUris, postLogoutRedirectUris, clientId } };
  },

  async update(id: string, state: ApplicationState, inputs: ApplicationInputs) {
    const { projectId, clientId } = state;
    await call(inputs, "PUT", `/projects/${projectId}/apps/${id}/oidc_config`, publicClient(inputs));
    return { outs: { ...inputs, projectId, clientId } };
  },

  async diff(_id: string, state: ApplicationState, inputs: ApplicationInputs) {
    const differs = (key: keyof ApplicationInputs) =>
      JSON.stringify(state[key]) !== JSON.stringify(inputs[key]);
    const replaces = (["domain", "project", "application"] as const).filter(differs);
    const inPlace = ["redirectUris", "postLogoutRedirectUris"] as const;
    const way = ["address", "port", "authorityPem", "token"] as const;
    return { changes: replaces.length > 0 || [...inPlace, ...way].some(differs), replaces };
  },
};
