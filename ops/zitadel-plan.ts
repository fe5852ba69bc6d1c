import { renderTable } from "../components/table.ts";
import { type Application, type Configuration, ownProject, type Project, type Role } from "./zitadel-file.ts";

/** What an import does, decided from the file and from what the instance has; it asks nobody. */

/** A call of the management API that makes something: below its project, or the project itself. */
export interface Creation {
  readonly path: "/projects" | "/roles" | "/apps/oidc" | "/apps/api";
  readonly body: object;
}

/** What becomes of one thing in the file. */
export interface Step {
  readonly does: "create" | "keep" | "leave out";
  readonly kind: "project" | "application" | "role";
  /** Name of its project, and its own. */
  readonly project: string;
  readonly name: string;
  /** Why, or what is to know of it; empty for nothing. */
  readonly note: string;
  /** Of `create` alone. */
  readonly creation?: Creation;
}

export interface Plan {
  readonly steps: readonly Step[];
  /** How many grants the file has, which are left out: each names an organisation of the instance that it comes from. */
  readonly grants: number;
}

/** The application that Berth declares, by name. */
export interface Declared {
  readonly project: string;
  readonly application: string;
}

/**
 * Creates what the instance does not have, by name, and changes nothing that it has: somebody may have meant it so.
 * @param there what the instance has
 */
export function planImport(file: Configuration, there: Configuration, declared: Declared): Plan {
  const steps = file.projects.flatMap((project): Step[] => {
    const applications = file.applications.filter(({ projectId }) => projectId === project.id);
    const roles = file.roles.filter(({ projectId }) => projectId === project.id);
    const left = reasonToLeaveOut(project, applications.length + roles.length);
    const step = { kind: "project", project: project.name, name: project.name } as const;
    if (left !== undefined) return [{ does: "leave out", ...step, note: left }];
    const same = there.projects.find(({ name }) => name === project.name);
    const inside = <T extends { readonly projectId: string }>(list: readonly T[]) =>
      list.filter(({ projectId }) => projectId === same?.id);
    return [
      { ...step, ...projectStep(project, same) },
      ...roles.map((role) => ({
        ...({ kind: "role", project: project.name, name: role.key } as const),
        ...roleStep(role, inside(there.roles)),
      })),
      ...applications.map((application) => ({
        ...({ kind: "application", project: project.name, name: application.name } as const),
        ...(declared.project === project.name && declared.application === application.name
          ? { does: "keep" as const, note: "declared by Berth" }
          : applicationStep(application, inside(there.applications))),
      })),
    ];
  });
  return { steps, grants: file.grants.length };
}

type Decision = Pick<Step, "does" | "note" | "creation">;

const kept = (changed: readonly string[]): Decision => ({
  does: "keep",
  note: changed.length === 0 ? "" : `stays as it is; the file has another ${changed.join(", ")}`,
});

function reasonToLeaveOut({ name, state }: Project, parts: number): string | undefined {
  const more = parts === 0 ? "" : `, with its ${parts} applications and roles`;
  if (name === ownProject) return `Zitadel's own, which each instance has${more}`;
  if (state === "PROJECT_STATE_INACTIVE") return `not active where it comes from${more}`;
  return undefined;
}

function projectStep(project: Project, there: Project | undefined): Decision {
  if (there !== undefined) return kept(differences(withoutId(project), withoutId(there)));
  const { id: _id, state: _state, ...body } = project;
  return { does: "create", note: "", creation: { path: "/projects", body } };
}

function roleStep(role: Role, there: readonly Role[]): Decision {
  const same = there.find(({ key }) => key === role.key);
  const { projectId: _project, key: roleKey, ...rest } = role;
  // AddProjectRoleRequest calls `roleKey` what Role calls `key`.
  if (same === undefined)
    return { does: "create", note: "", creation: { path: "/roles", body: { roleKey, ...rest } } };
  const { projectId: _other, key: _key, ...restThere } = same;
  return kept(differences(rest, restThere));
}

function applicationStep(application: Application, there: readonly Application[]): Decision {
  const { name, state, oidcConfig, apiConfig } = application;
  const same = there.find((each) => each.name === name);
  if (same !== undefined) return kept(differences(comparable(application), comparable(same)));
  if (application.samlConfig !== undefined)
    return { does: "leave out", note: "of SAML: make it in the console, with its metadata" };
  if (state === "APP_STATE_INACTIVE") return { does: "leave out", note: "not active where it comes from" };
  const { clientId: _id, ...config } = oidcConfig ?? apiConfig ?? {};
  const path = oidcConfig === undefined ? "/apps/api" : "/apps/oidc";
  const method = (oidcConfig ?? apiConfig)?.authMethodType ?? "";
  return { does: "create", note: credentialOf(method), creation: { path, body: { name, ...config } } };
}

/** A secret is answered once, to whoever makes the application, and is not printed; the console makes another one. */
function credentialOf(method: string): string {
  if (method.endsWith("_PRIVATE_KEY_JWT")) return "give it a key in the console";
  return /_(BASIC|POST)$/.test(method) ? "make its secret in the console, where it is shown once" : "";
}

const withoutId = ({ id: _id, ...rest }: Project) => rest;

function comparable({ state, oidcConfig, apiConfig, samlConfig }: Application): object {
  const { clientId: _id, ...config } = oidcConfig ?? apiConfig ?? {};
  const kind = oidcConfig ? "OpenID Connect" : apiConfig ? "API" : samlConfig ? "SAML" : "";
  return { kind, state, ...config };
}

/** The fields in which two differ; the order in a list means nothing. */
function differences(one: object, other: object): string[] {
  const value = (of: object, key: string): string => {
    const found: unknown = (of as Readonly<Record<string, unknown>>)[key];
    return JSON.stringify(Array.isArray(found) ? found.map(String).toSorted() : found);
  };
  const keys = new Set([...Object.keys(one), ...Object.keys(other)]);
  return [...keys].filter((key) => value(one, key) !== value(other, key));
}

/** The same table before and after, for a dry run too. */
export function renderPlan({ steps, grants }: Plan): string {
  const table = renderTable(
    ["", "what", "project", "name", "note"],
    steps.map(({ does, kind, project, name, note }) => [does, kind, project, name, note]),
  );
  const count = (wanted: Step["does"]) => steps.filter(({ does }) => does === wanted).length;
  const left =
    grants === 0
      ? ""
      : `\n${grants} ${grants === 1 ? "grant" : "grants"} left out: a grant names an organisation of the instance that it comes from`;
  const counts = `${count("create")} to create, ${count("keep")} kept as they are, ${count("leave out")} left out`;
  return `${table}\n\n${counts}${left}`;
}
