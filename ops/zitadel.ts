import { hostPaths } from "../components/host/paths.ts";
import { readWritten } from "../components/secrets/written-secret.ts";
import { applicationType, berthTokenFile } from "../components/zitadel/application.ts";
import { call, type ZitadelAccess } from "../components/zitadel/management-api.ts";
import type { Backend } from "./backend.ts";
import { resourceName, resources, textOf } from "./deployment.ts";
import { hostOfSystem } from "./host-access.ts";
import type { RunCommand } from "./run.ts";
import { type Configuration, parseConfiguration } from "./zitadel-file.ts";
import type { Creation, Declared, Plan, Step } from "./zitadel-plan.ts";

/** A system's Zitadel, and the application that Berth declares there. */
export interface SystemZitadel {
  readonly access: ZitadelAccess;
  readonly declared: Declared;
}

/**
 * The Zitadel at which a system's application is declared: where it is follows from the state, the token of Berth's machine user is read
 * from the host, over SSH's standard output.
 * @throws when the state has no such application, or the host no token
 */
export async function systemZitadel(
  backend: Backend,
  system: string,
  run: RunCommand,
): Promise<SystemZitadel> {
  const deployment = await backend.read();
  const host = hostOfSystem(deployment, system, run);
  const found = resources(deployment).find(
    ({ type, urn, delete: old }) =>
      type === applicationType && !old && resourceName(urn).startsWith(`${system}-`),
  );
  const text = (key: string) => textOf(found?.inputs, key);
  const [domain, address, project, application] = ["domain", "address", "project", "application"].map(text);
  if (!domain || !address || !project || !application)
    throw new Error(
      `${backend.description} declares no application at Zitadel for ${system}, so Berth knows no Zitadel to ask. ` +
        `Where it is a system with a Zitadel of Berth's, its application is somebody else's (${system}:app.clientId): ` +
        `take that out of Pulumi.${backend.stack}.yaml and run up, or import in Zitadel's console`,
    );
  const [port, authorityPem] = [text("port"), text("authorityPem")];
  const service = `${system}_zitadel`;
  const token = (await host.run(readWritten(hostPaths.written(service), service, berthTokenFile), 60)).trim();
  if (token === "")
    throw new Error(`${hostPaths.written(service)}/${berthTokenFile} is empty: docs/runbooks/gadgetbot.md`);
  const access = {
    ...{ domain, address, token },
    ...(port !== undefined && { port: Number(port) }),
    ...(authorityPem !== undefined && { authorityPem }),
  };
  return { access, declared: { project, application } };
}

/** As {@link call}, for what has to succeed. */
async function asked<T>(access: ZitadelAccess, path: string, body: object): Promise<T> {
  const { status, said } = await call<T>(access, "POST", path, body);
  if (status < 300) return said;
  throw new Error(`POST https://${access.domain}/management/v1${path}: ${status}`);
}

/** Zitadel answers 100 where nothing is asked for, and refuses more than 1000 (DefaultQueryLimit, MaxQueryLimit of cmd/defaults.yaml). */
const pageSize = 100;
/** More than a person has made; what answers without end is not believed. */
const mostEntries = 10_000;

/**
 * Everything below a path, page by page (ListQuery and ListDetails of proto/zitadel/object.proto).
 * @throws when it changes meanwhile, or has no end
 */
async function listed(access: ZitadelAccess, path: string): Promise<object[]> {
  const all: object[] = [];
  for (;;) {
    const { result = [], details } = await asked<{
      readonly result?: readonly object[];
      readonly details?: { readonly totalResult?: string };
    }>(access, `${path}/_search`, { query: { offset: String(all.length), limit: pageSize, asc: true } });
    all.push(...result);
    const total = Number(details?.totalResult ?? 0);
    if (result.length > 0 && all.length < total && all.length < mostEntries) continue;
    const different = new Set(all.map((each) => JSON.stringify(each))).size;
    if (all.length === total && different === total) return all;
    throw new Error(
      `https://${access.domain}/management/v1${path}: ${different} of ${total} could be read. Run the command again; somebody may have changed it meanwhile`,
    );
  }
}

/** What an instance has, of the organisation that Berth's machine user is in. @throws when Zitadel answers what is not understood */
export async function readInstance(access: ZitadelAccess): Promise<Configuration> {
  const projects = (await listed(access, "/projects")) as { readonly id: string }[];
  const inside = async (what: "apps" | "roles" | "grants") => {
    const found: object[] = [];
    for (const { id } of projects) {
      const list = await listed(access, `/projects/${id}/${what}`);
      found.push(...list.map((each) => ({ ...each, projectId: id })));
    }
    return found;
  };
  const [applications, roles, grants] = [await inside("apps"), await inside("roles"), await inside("grants")];
  const answer = JSON.stringify({ projects, applications, roles, grants });
  return parseConfiguration(answer, `what https://${access.domain} answers`);
}

/** What has been made: by its name, with its client id where it has one. */
export interface Made extends Pick<Step, "kind" | "project" | "name"> {
  readonly clientId?: string;
}

/**
 * Makes what a plan creates, in its order: each project before what is in it.
 * @throws at the first one that Zitadel refuses; what has been made stays, and another import goes on from there
 */
export async function applyPlan(access: ZitadelAccess, plan: Plan, there: Configuration): Promise<Made[]> {
  const ids = new Map(there.projects.map(({ name, id }) => [name, id]));
  const made: Made[] = [];
  for (const { kind, project, name, creation } of plan.steps) {
    if (creation === undefined) continue;
    try {
      const { id, clientId } = await create(access, creation, ids.get(project));
      if (kind === "project") ids.set(project, id);
      made.push({ kind, project, name, ...(clientId && { clientId }) });
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      throw new Error(
        `the ${kind} ${name} of ${project} could not be made: ${reason}\n${made.length} were made before it and stay; the same command goes on from there`,
      );
    }
  }
  return made;
}

/** The secret in an answer is dropped. */
async function create(access: ZitadelAccess, { path, body }: Creation, projectId: string | undefined) {
  const below = path === "/projects" ? path : `/projects/${projectId}${path}`;
  const { id = "", clientId } = await asked<{ id?: string; clientId?: string }>(access, below, body);
  return { id, clientId };
}

/** One line for each that has been made. */
export function renderMade(made: readonly Made[]): string {
  if (made.length === 0) return "Nothing to do.";
  return made
    .map(
      ({ kind, project, name, clientId }) =>
        `made: ${kind} ${kind === "project" ? name : `${name} of ${project}`}${clientId === undefined ? "" : `, client id ${clientId}`}`,
    )
    .join("\n");
}
