import { diskFloorMebibytes } from "../components/host/paths.ts";
import { readScript, wholeScript } from "../components/host/script.ts";
import { age, type Backend } from "./backend.ts";
import { type Deployment, resourceName, resources, textOf } from "./deployment.ts";
import { hostOfSystem, quote } from "./host-access.ts";
import type { RunCommand } from "./run.ts";

/** A database of a system, as recorded in the state. */
export interface DatabaseEntry {
  readonly system: string;
  readonly name: string;
  /** `togather_postgres` */
  readonly server: string;
  /** Parameters of its last migration, or snapshot, as shell assignments. */
  readonly parameters: string;
}

/** A system's database, operated on its host by scripts that get the same parameters as the release's own. */
export interface SystemDatabase extends DatabaseEntry {
  /** The services that use it, as {@link clientsOf} finds them. */
  readonly clients: readonly string[];
  run(script: OpsScript, more: Readonly<Record<string, string>>, timeoutSeconds: number): Promise<string>;
  /** Writes the script's output to a file descriptor, and returns its exit code. */
  print(
    script: OpsScript,
    more: Readonly<Record<string, string>>,
    timeoutSeconds: number,
    output?: number,
  ): Promise<number>;
  /** Runs a command on the host with this terminal's input and output, and returns its exit code. */
  interact(words: readonly string[]): Promise<number>;
  /** Writes what a command of this machine prints to a file on the host. */
  receive(command: string, path: string, timeoutSeconds: number): Promise<void>;
}

type OpsScript =
  | "list"
  | "snapshot"
  | "export"
  | "psql"
  | "restore-plan"
  | "restore"
  | "reverse-plan"
  | "reverse"
  | "clear-dirty-flag"
  | "list-replaced"
  | "drop-replaced"
  | "move-in-plan"
  | "move-in"
  | "compare-dump"
  | "restore-dump"
  | "discard-dump";

/**
 * Finds a system's database in the state.
 * @param name the database, when the system has several
 * @throws when a deploy is running, or when the system, the database or its host does not exist
 */
export async function systemDatabase(
  backend: Backend,
  system: string,
  name: string | undefined,
  run: RunCommand,
): Promise<SystemDatabase> {
  await requireNoDeploy(backend);
  const deployment = await backend.read();
  return databaseOf(deployment, oneDatabase(deployment, system, name), run);
}

/** @throws when a deploy is running */
export async function requireNoDeploy(backend: Backend): Promise<void> {
  const lock = await backend.lock();
  if (lock === undefined) return;
  throw new Error(
    `${backend.description} is locked by ${lock.owner}${lock.since === undefined ? "" : ` for ${age(lock.since)}`}: a deploy may be running. Wait for it; after a crash: ${backend.opsCommand} recover --stack ${backend.stack}`,
  );
}

/**
 * The same for commands that only read; a deploy may be running.
 * @throws when its host does not exist
 */
export function databaseOf(
  deployment: Deployment,
  entry: DatabaseEntry,
  runOnHost: RunCommand,
): SystemDatabase {
  const host = hostOfSystem(deployment, entry.system, runOnHost);
  const before = [
    "./scripts/steps-of-before.sh",
    "../components/release/scripts/job.sh",
    "../components/release/scripts/database.sh",
    "../components/release/scripts/migration-steps.sh",
    "../components/release/scripts/golang-migrate.sh",
    "./scripts/replaced.sh",
    "./scripts/exchange.sh",
    "./scripts/dump.sh",
    "./scripts/container.sh",
    "./scripts/stopped.sh",
  ].map((file) => readScript(import.meta.url, file));
  const whole = (script: OpsScript, more: Readonly<Record<string, string>>) => {
    const assignments = Object.entries(more).map(([name, value]) => `${name}=${quote(value)}\n`);
    const body = [...before, readScript(import.meta.url, `./scripts/${script}.sh`)].join("\n");
    return `${entry.parameters}${assignments.join("")}${wholeScript(body)}`;
  };
  return {
    ...entry,
    clients: clientsOf(deployment, entry),
    run: (script, more, timeoutSeconds) => host.run(whole(script, more), timeoutSeconds),
    print: (script, more, timeoutSeconds, output) => host.print(whole(script, more), timeoutSeconds, output),
    interact: (words) => host.interact(words),
    receive: (command, path, timeoutSeconds) => host.receive(command, path, timeoutSeconds),
  };
}

/**
 * A database by its system and its name: `togather`, or `togather_postgres/togather` where two servers have one of that name.
 * @throws when there is no such database, or when the name is left out and there are several; the message lists them
 */
export function oneDatabase(deployment: Deployment, system: string, name: string | undefined): DatabaseEntry {
  const all = databases(deployment);
  const own = all.filter((each) => each.system === system);
  if (own.length === 0) {
    const known = [...new Set(all.map((each) => each.system))].join(", ") || "none";
    throw new Error(`no system "${system}" with a database is deployed; deployed are: ${known}`);
  }
  const wanted = own.filter(
    (each) => name === undefined || name === each.name || name === `${each.server}/${each.name}`,
  );
  const [only] = wanted;
  if (only !== undefined && wanted.length === 1) return only;
  const options = own.map((each) => `--database ${each.server}/${each.name}`).join(", ");
  throw new Error(
    only === undefined
      ? `${system} has no database "${name}"; use one of: ${options}`
      : `${system} has several databases; say which: ${options}`,
  );
}

/**
 * The services that use a database, `sertantai_backend`: those whose slots were made to wait for it (components/release/release.ts), which all
 * do that connect to it. By name.
 */
export function clientsOf(
  deployment: Deployment,
  { server, name }: Pick<DatabaseEntry, "server" | "name">,
): string[] {
  const current = resources(deployment).filter(({ delete: old }) => !old);
  const database = current.find(
    ({ type, inputs, deletedWith }) =>
      type === "postgresql:index/database:Database" &&
      textOf(inputs, "name") === name &&
      typeof deletedWith === "string" &&
      resourceName(deletedWith) === server,
  );
  if (database === undefined) return [];
  const clients = current.filter(
    ({ type, dependencies }) =>
      type === "docker:index/service:Service" &&
      Array.isArray(dependencies) &&
      dependencies.includes(database.urn),
  );
  return [...new Set(clients.map(({ urn }) => resourceName(urn)))].sort();
}

/** Every database that a release writes snapshots of. */
export function databases(deployment: Deployment): DatabaseEntry[] {
  const entries = new Map<string, DatabaseEntry>();
  const commands = resources(deployment).filter(
    ({ type, urn, delete: old }) =>
      type === "command:local:Command" && !old && /-(migration|snapshot)$/.test(resourceName(urn)),
  );
  // A migration has all of a snapshot's parameters, and more.
  const migrationsLast = commands.toSorted(
    (a, b) => Number(a.urn.endsWith("-migration")) - Number(b.urn.endsWith("-migration")),
  );
  for (const { urn, inputs } of migrationsLast) {
    const stdin = textOf(inputs, "stdin");
    const end = stdin?.indexOf("# shellcheck shell=bash\n") ?? -1;
    if (stdin === undefined || end < 0)
      throw new Error(`${resourceName(urn)}: its parameters are not in the state`);
    const system = resourceName(urn).split("_")[0] ?? "";
    const values = assigned(stdin.slice(0, end));
    const [server, name] = [values.get("POSTGRES_SERVICE") ?? "", values.get("DATABASE") ?? ""];
    entries.set(`${system} ${server} ${name}`, {
      system,
      name,
      server,
      // A snapshot's script has no parameters about migrations, and an older one none about free space.
      parameters: `FLOOR_MEBIBYTES=${diskFloorMebibytes}\nSTEPS=\nFOLDER=\nSERVICE=${system}\nIMAGE=\nCOMMAND=\n${stdin.slice(0, end)}`,
    });
  }
  return [...entries.values()];
}

/** The values of the shell assignments that components/host/connection.ts writes. */
export function assigned(text: string): Map<string, string> {
  const assignment = /([A-Za-z_]\w*)=((?:'[^']*'|\\'|[^'\\\s])*)\n/g;
  return new Map(
    [...text.matchAll(assignment)].map(([, name = "", value = ""]) => [
      name,
      value.replaceAll(/'([^']*)'|\\(')/g, "$1$2"),
    ]),
  );
}
