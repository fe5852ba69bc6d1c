import { readFileSync } from "node:fs";
import { z } from "zod";

/**
 * A configuration of Zitadel as a file: what github.com/mvellandi/gadgetbot's scripts/zitadel-export.ts writes and its
 * zitadel-import.ts reads. These schemas are also what is kept of Zitadel's own answers, so a field that is not here is neither written nor
 * sent, a secret least of all. Fields, values, and the limits of what is sent are those of proto/zitadel/project.proto, app.proto and
 * management.proto (AddProjectRequest, AddProjectRoleRequest, AddOIDCAppRequest, AddAPIAppRequest) of github.com/zitadel/zitadel. Its JSON
 * leaves out what has the first value of its kind, as `authMethodType` of "Basic"; here that value is filled in.
 */

/** Zitadel trims names; a control character would write on the operator's terminal. */
const name = z
  .string()
  .trim()
  .min(1, "is empty")
  .max(200, "is longer than 200 characters")
  .regex(/^\P{Cc}*$/u, "has a control character");
const uris = z.array(z.string().trim().min(1, "is empty")).default([]);
const flag = z.boolean().default(false);
/** The first one is what an absent one means. */
const oneOf = <const T extends readonly [string, ...string[]]>(...values: T) =>
  z.enum(values).default(values[0] as never);

const projectSchema = z.object({
  ...{ id: name, name },
  state: oneOf("PROJECT_STATE_ACTIVE", "PROJECT_STATE_INACTIVE"),
  ...{ projectRoleAssertion: flag, projectRoleCheck: flag, hasProjectCheck: flag },
  privateLabelingSetting: oneOf(
    "PRIVATE_LABELING_SETTING_UNSPECIFIED",
    "PRIVATE_LABELING_SETTING_ENFORCE_PROJECT_RESOURCE_OWNER_POLICY",
    "PRIVATE_LABELING_SETTING_ALLOW_LOGIN_USER_RESOURCE_OWNER_POLICY",
  ),
});

const oidcSchema = z.object({
  redirectUris: uris,
  responseTypes: z
    .array(
      z.enum(["OIDC_RESPONSE_TYPE_CODE", "OIDC_RESPONSE_TYPE_ID_TOKEN", "OIDC_RESPONSE_TYPE_ID_TOKEN_TOKEN"]),
    )
    .default([]),
  grantTypes: z
    .array(
      z.enum([
        "OIDC_GRANT_TYPE_AUTHORIZATION_CODE",
        "OIDC_GRANT_TYPE_IMPLICIT",
        "OIDC_GRANT_TYPE_REFRESH_TOKEN",
        "OIDC_GRANT_TYPE_DEVICE_CODE",
        "OIDC_GRANT_TYPE_TOKEN_EXCHANGE",
      ]),
    )
    .default([]),
  appType: oneOf("OIDC_APP_TYPE_WEB", "OIDC_APP_TYPE_USER_AGENT", "OIDC_APP_TYPE_NATIVE"),
  clientId: z.string().optional(),
  authMethodType: oneOf(
    "OIDC_AUTH_METHOD_TYPE_BASIC",
    "OIDC_AUTH_METHOD_TYPE_POST",
    "OIDC_AUTH_METHOD_TYPE_NONE",
    "OIDC_AUTH_METHOD_TYPE_PRIVATE_KEY_JWT",
  ),
  postLogoutRedirectUris: uris,
  version: oneOf("OIDC_VERSION_1_0"),
  devMode: flag,
  accessTokenType: oneOf("OIDC_TOKEN_TYPE_BEARER", "OIDC_TOKEN_TYPE_JWT"),
  ...{ accessTokenRoleAssertion: flag, idTokenRoleAssertion: flag, idTokenUserinfoAssertion: flag },
  clockSkew: z
    .string()
    .regex(/^([0-4](\.\d{1,9})?|5(\.0{1,9})?)s$/, "is not 0s to 5s")
    .default("0s"),
  additionalOrigins: uris,
  skipNativeAppSuccessPage: flag,
  backChannelLogoutUri: z.string().trim().default(""),
  /** Left out, the instance's default. */
  loginVersion: z
    .object({
      loginV1: z.object({}).optional(),
      loginV2: z.object({ baseUri: z.string().optional() }).optional(),
    })
    .optional(),
});

const apiSchema = z.object({
  clientId: z.string().optional(),
  authMethodType: oneOf("API_AUTH_METHOD_TYPE_BASIC", "API_AUTH_METHOD_TYPE_PRIVATE_KEY_JWT"),
});

const kinds = ["oidcConfig", "apiConfig", "samlConfig"] as const;
const applicationSchema = z
  .object({
    ...{ id: name.optional(), name, projectId: name.optional() },
    state: oneOf("APP_STATE_ACTIVE", "APP_STATE_INACTIVE"),
    oidcConfig: oidcSchema.optional(),
    apiConfig: apiSchema.optional(),
    /** Only that it is one: its metadata names the service at which people sign in, and is made there anew. */
    samlConfig: z.object({}).optional(),
  })
  .superRefine((application, context) => {
    if (kinds.filter((kind) => application[kind] !== undefined).length === 1) return;
    const message = `has not exactly one of ${kinds.join(", ")}; keep the one that it is`;
    context.addIssue({ code: "custom", message, input: application.name });
  });

const roleSchema = z.object({
  ...{ projectId: name.optional(), key: name, displayName: name },
  group: z.string().trim().max(200, "is longer than 200 characters").default(""),
});

const grantSchema = z.object({
  ...{ grantId: name.optional(), projectId: name.optional() },
  ...{ grantedOrgId: z.string().optional(), grantedOrgName: z.string().optional() },
  grantedRoleKeys: z.array(z.string()).default([]),
});

const schemas = {
  projects: projectSchema,
  applications: applicationSchema,
  roles: roleSchema,
  grants: grantSchema,
};

export type Project = z.output<typeof projectSchema>;
export type Application = z.output<typeof applicationSchema> & { readonly projectId: string };
export type Role = z.output<typeof roleSchema> & { readonly projectId: string };
export type Grant = z.output<typeof grantSchema>;

/** What is in a file, and what is in an instance. */
export interface Configuration {
  readonly projects: readonly Project[];
  readonly applications: readonly Application[];
  readonly roles: readonly Role[];
  readonly grants: readonly Grant[];
}

/** The project of Zitadel's own API and console, which each instance has (zitadelProjectName of internal/command/instance.go). */
export const ownProject = "ZITADEL";

/**
 * The configuration in a file's text.
 * @param file for the messages
 * @throws when it is none: with every problem, at its path
 */
export function parseConfiguration(text: string, file: string): Configuration {
  const { configuration, problems } = readLists(asJson(text, file));
  if (problems.length === 0) return configuration;
  throw new Error(
    `${file} is refused; nothing was changed:\n${problems.map((each) => `  ${each}`).join("\n")}`,
  );
}

/** @throws when it cannot be read, or is refused as {@link parseConfiguration} says */
export function readConfiguration(file: string): Configuration {
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch (error) {
    throw new Error(`${file} cannot be read: ${error instanceof Error ? error.message : String(error)}`);
  }
  return parseConfiguration(text, file);
}

/** The file's text: the owner's tool reads it, and writes the same but for the order. */
export function writeConfiguration(configuration: Configuration, now: Date): string {
  return `${JSON.stringify({ exportedAt: now.toISOString(), ...configuration }, undefined, 2)}\n`;
}

function asJson(text: string, file: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new Error(`${file} is no JSON: ${error instanceof Error ? error.message : String(error)}`);
  }
}

interface Item<T> {
  readonly path: string;
  readonly value: T;
}

/** Each item is read by itself, so that what is wrong with one does not hide what is wrong with another. */
function readLists(all: unknown): { configuration: Configuration; problems: string[] } {
  const problems: string[] = [];
  const content = z.record(z.string(), z.unknown()).safeParse(all).data;
  if (content === undefined) problems.push("it is no object; use one with projects, applications and roles");
  const listOf = (key: keyof typeof schemas): readonly unknown[] => {
    const list = content?.[key];
    if (Array.isArray(list)) return list;
    if (content !== undefined && (list !== undefined || key === "projects"))
      problems.push(`${key}: ${list === undefined ? "missing" : "is no list"}; use a list, [] for none`);
    return [];
  };
  const lists = {
    ...{ projects: listOf("projects"), applications: listOf("applications") },
    ...{ roles: listOf("roles"), grants: listOf("grants") },
  };
  const itemsOf = <K extends keyof typeof schemas>(key: K) =>
    lists[key].flatMap((item, index): Item<z.output<(typeof schemas)[K]>>[] => {
      const path = `${key}[${index}]`;
      const parsed = schemas[key].safeParse(item, { reportInput: true });
      if (parsed.success) return [{ path, value: parsed.data as z.output<(typeof schemas)[K]> }];
      problems.push(...parsed.error.issues.map((issue) => describe(path, issue)));
      return [];
    });
  const projects = itemsOf("projects");
  // Of an item that is refused its own problem is enough.
  const ids = new Set(lists.projects.map((item) => z.object({ id: z.string() }).safeParse(item).data?.id));
  const own = projects.filter(({ value }) => value.name !== ownProject);
  const known = own.map(({ value }) => `${value.id} (${value.name})`).join(", ") || "none";
  const ofProject = <T extends { readonly projectId?: string | undefined }>(
    { path, value }: Item<T>,
    otherwise: (value: T) => readonly Item<Project>[],
    unknown: string,
  ): Item<T & { readonly projectId: string }>[] => {
    if (value.projectId !== undefined && ids.has(value.projectId))
      return [{ path, value: { ...value, projectId: value.projectId } }];
    const [found, another] = value.projectId === undefined ? otherwise(value) : [];
    if (found !== undefined && another === undefined)
      return [{ path, value: { ...value, projectId: found.value.id } }];
    const what =
      value.projectId === undefined ? `missing${unknown}` : `"${value.projectId}" is not in projects`;
    problems.push(`${path}.projectId: ${what}; use the id of one of the file's projects: ${known}`);
    return [];
  };
  const applications = itemsOf("applications").flatMap((item) =>
    ofProject(
      item,
      (value) => projects.filter((each) => suffixOf(each.value.name) === clientSuffix(value)),
      ", and the client id does not name a project behind an @",
    ),
  );
  const roles = itemsOf("roles").flatMap((item) =>
    ofProject(item, () => own, `, and the file has ${own.length} projects`),
  );
  const twice = <T>(items: readonly Item<T>[], key: string, of: (value: T) => string, what: string) => {
    const first = new Map<string, string>();
    for (const { path, value } of items) {
      const text = of(value);
      const before = first.get(text);
      if (before !== undefined) problems.push(`${path}.${key}: ${what} of ${before}; remove one of the two`);
      else first.set(text, path);
    }
  };
  twice(projects, "id", ({ id }) => id, "is the one");
  twice(projects, "name", (each) => each.name, "is the one");
  twice(
    applications,
    "name",
    (each) => JSON.stringify([each.projectId, each.name]),
    "is the one, in the same project,",
  );
  twice(
    roles,
    "key",
    ({ projectId, key }) => JSON.stringify([projectId, key]),
    "is the one, in the same project,",
  );
  const grants = itemsOf("grants");
  const values = <T>(items: readonly Item<T>[]) => items.map(({ value }) => value);
  return {
    configuration: {
      ...{ projects: values(projects), applications: values(applications) },
      ...{ roles: values(roles), grants: values(grants) },
    },
    problems,
  };
}

/** What an older Zitadel put behind the @ of a client id (its generateNewClientID): the project's name. */
const suffixOf = (project: string) => project.toLowerCase().replaceAll(" ", "_");

function clientSuffix({ oidcConfig, apiConfig }: z.output<typeof applicationSchema>): string | undefined {
  return /@(.+)$/.exec((oidcConfig ?? apiConfig)?.clientId ?? "")?.[1];
}

function describe(item: string, issue: z.core.$ZodIssue): string {
  const path = issue.path.reduce<string>(
    (before, key) => (typeof key === "number" ? `${before}[${key}]` : `${before}.${String(key)}`),
    item,
  );
  const value = typeof issue.input === "object" ? "" : (JSON.stringify(issue.input)?.slice(0, 100) ?? "");
  if (issue.code === "invalid_value")
    return `${path}: ${value || "it"} is not known; use one of: ${issue.values.join(", ")}`;
  if (issue.code === "invalid_type" && issue.input === undefined)
    return `${path}: missing; use a ${issue.expected}`;
  if (issue.code === "invalid_type")
    return `${path}: ${value || "it"} has the wrong type; use a ${issue.expected}`;
  return `${path}: ${[value, issue.message].filter((each) => each !== "").join(" ")}`;
}
