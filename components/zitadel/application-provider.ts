import { call, type ZitadelAccess } from "./management-api.ts";

/**
 * Create, read, update and retain an application of Zitadel. Pulumi's host for dynamic providers loads this file in a process of its own,
 * so it imports nothing of the program but the client beside it.
 */

/** What {@link ZitadelApplication} declares. */
export interface ApplicationInputs extends ZitadelAccess {
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
