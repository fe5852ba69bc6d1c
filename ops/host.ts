import { hostPaths } from "../components/host/paths.ts";
import { hostCommandPattern } from "../components/host/script.ts";
import {
  type Deployment,
  isObject,
  type Json,
  type JsonObject,
  pendingOperations,
  resources,
  textOf,
} from "./deployment.ts";
import { type HostAccess, quote } from "./host-access.ts";
import { type DockerKind, type DockerObject, dockerKinds, type HostObservation } from "./observed.ts";
import { keptSlots, parseRecords, recordsScript } from "./records.ts";

/** Reads the objects of a stack on a host. Changes nothing. */
export async function observeHost(
  host: HostAccess,
  deployment: Deployment,
  stack: string,
): Promise<HostObservation> {
  const services = databaseServices(deployment);
  const script = [
    "set -euo pipefail",
    "main() {",
    ...dockerKinds.flatMap((kind) => [
      `echo '== ${kind}'`,
      `docker ${kind} ls --quiet --filter ${quote(`label=berth.stack=${stack}`)} | xargs --no-run-if-empty docker ${kind} inspect`,
    ]),
    "echo '== routes'",
    `sudo sh -c 'cat ${hostPaths.edge}/upstreams/*/*.conf 2>/dev/null' || true`,
    "echo '== commands'",
    `pgrep --count --full ${quote(hostCommandPattern)} || true`,
    "echo '== records'",
    recordsScript,
    ...[...services].flatMap(([id, wanted]) => [`echo '== databases ${id}'`, ...databaseScript(id, wanted)]),
    "}",
    "main </dev/null",
    "",
  ].join("\n");
  return parseObservation(host.provider, await host.run(script, 60));
}

/** Removes an object. Retries for a while when the object is still in use. */
export async function removeObject(host: HostAccess, object: DockerObject): Promise<void> {
  const script = [
    "for _ in $(seq 30); do",
    `  if output=$(docker ${object.kind} rm ${quote(object.id)} 2>&1); then exit 0; fi`,
    `  case $output in *"not found"* | *"No such"*) exit 0 ;; esac`,
    "  sleep 1",
    "done",
    `printf '%s\\n' "$output" >&2`,
    "exit 1",
    "",
  ].join("\n");
  await host.run(script, 45);
}

/** Waits until no host command is running, at most `waitSeconds`. Returns how many are still running. */
export async function waitForCommands(host: HostAccess, waitSeconds: number): Promise<number> {
  const script = [
    `while [ "$SECONDS" -lt ${Math.floor(waitSeconds)} ] && pgrep --full ${quote(hostCommandPattern)} >/dev/null; do sleep 0.5; done`,
    `pgrep --count --full ${quote(hostCommandPattern)} || true`,
    "",
  ].join("\n");
  return Number((await host.run(script, waitSeconds + 10)).trim());
}

/** Postgres services with a pending creation of the postgresql provider, and the databases to search. */
function databaseServices(deployment: Deployment): Map<string, Set<string>> {
  const services = new Map<string, Set<string>>();
  for (const { type, resource } of pendingOperations(deployment)) {
    if (type !== "creating" || !resource.type.startsWith("postgresql:")) continue;
    const server = resources(deployment).find(({ urn, delete: old }) => urn === resource.deletedWith && !old);
    if (server?.id === undefined) continue;
    const databases = services.get(server.id) ?? new Set<string>();
    const database = textOf(resource.inputs, "database");
    if (database !== undefined) databases.add(database);
    services.set(server.id, databases);
  }
  return services;
}

function databaseScript(service: string, databases: ReadonlySet<string>): string[] {
  const psql = (database: string, sql: string) =>
    `[ -z "$container" ] || docker exec "$container" psql --username postgres --dbname ${quote(database)} --no-align --tuples-only --command ${quote(sql)}`;
  return [
    `container=$(docker ps --quiet --filter ${quote(`label=com.docker.swarm.service.id=${service}`)} --filter status=running | head -n 1)`,
    psql(
      "postgres",
      "SELECT 'role:' || rolname FROM pg_roles UNION ALL SELECT 'database:' || datname FROM pg_database",
    ),
    ...[...databases].map(
      (database) =>
        // The database may be one of those whose creation was interrupted.
        `${psql(database, "SELECT 'extension:' || current_database() || '.' || extname FROM pg_extension")} 2>/dev/null || true`,
    ),
  ];
}

/** Splits the observation's output at its `== <part>` lines. */
export function parseObservation(provider: string, output: string): HostObservation {
  const parts = new Map<string, string>();
  for (const part of output.split(/^== /m).slice(1)) {
    const end = part.indexOf("\n");
    parts.set(part.slice(0, end).trim(), part.slice(end + 1));
  }
  const objects = dockerKinds.flatMap((kind) => parseObjects(kind, parts.get(kind)?.trim() ?? ""));
  const databases = [...parts]
    .filter(([name]) => name.startsWith("databases "))
    .map(([name, text]) => [name.slice("databases ".length), text.split("\n").filter((line) => line !== "")]);
  return {
    provider,
    objects,
    routes: parts.get("routes") ?? "",
    commands: Number(parts.get("commands")?.trim() ?? 0),
    kept: keptSlots(parseRecords(parts.get("records") ?? "")),
    databases: Object.fromEntries(databases) as Record<string, string[]>,
  };
}

function parseObjects(kind: DockerKind, text: string): DockerObject[] {
  if (text === "") return [];
  const list = JSON.parse(text) as Json;
  if (!Array.isArray(list)) throw new Error(`docker ${kind} inspect answered no list`);
  return list.filter(isObject).map((item) => parseObject(kind, item));
}

function parseObject(kind: DockerKind, item: JsonObject): DockerObject {
  const spec = kind === "network" ? item : child(item, "Spec");
  const container = child(child(spec, "TaskTemplate"), "ContainerSpec");
  const mounts = list(container, "Mounts");
  return {
    kind,
    id: textOf(item, kind === "network" ? "Id" : "ID") ?? "",
    name: textOf(spec, "Name") ?? "",
    resource: textOf(child(spec, "Labels"), "berth.resource") ?? "",
    createdAt: textOf(item, kind === "network" ? "Created" : "CreatedAt") ?? "",
    data: mounts
      .filter(
        (mount: JsonObject) =>
          mount.Type === "volume" || textOf(mount, "Source")?.startsWith(`${hostPaths.dataVolume}/`),
      )
      .map((mount: JsonObject) => textOf(mount, "Source") ?? "an unnamed volume"),
    job: isObject(child(spec, "Mode").ReplicatedJob) || isObject(child(spec, "Mode").GlobalJob),
    uses: [...list(container, "Secrets"), ...list(container, "Configs")].flatMap(
      (used) => textOf(used, "SecretID") ?? textOf(used, "ConfigID") ?? [],
    ),
    image: (textOf(container, "Image") ?? "").replace(/@sha256:.*$/, ""),
  };
}

function child(item: JsonObject, key: string): JsonObject {
  const value = item[key];
  return isObject(value) ? value : {};
}

function list(item: JsonObject, key: string): JsonObject[] {
  const value = item[key];
  return Array.isArray(value) ? value.filter(isObject) : [];
}
