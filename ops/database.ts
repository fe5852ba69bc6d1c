import { readScript, wholeScript } from "../components/host/command.ts";
import { diskFloorMebibytes } from "../components/host/paths.ts";
import { age, type Backend } from "./backend.ts";
import { type Deployment, isObject, resourceName, resources, textOf } from "./deployment.ts";
import { hostsOf } from "./host-access.ts";
import type { RunCommand } from "./run.ts";
import { renderTable } from "./table.ts";

/** A system's database, operated on its host by scripts that get the same parameters as the release's own. */
export interface SystemDatabase {
  readonly system: string;
  /** Parameters of the system's last migration, or snapshot, as shell assignments. */
  readonly parameters: string;
  run(script: OpsScript, more: Readonly<Record<string, string>>, timeoutSeconds: number): Promise<string>;
}

type OpsScript =
  | "list"
  | "snapshot"
  | "restore-plan"
  | "restore"
  | "reverse-plan"
  | "reverse"
  | "clear-dirty-flag"
  | "list-replaced"
  | "drop-replaced";

/** One line of `ops snapshots`. */
export interface SnapshotEntry {
  readonly name: string;
  readonly bytes: number;
  readonly time: string;
  /** Schema version, with `dirty` behind it when it was marked so. */
  readonly schema: string;
  /** Why it cannot be restored; empty when it can. */
  readonly problem: string;
}

export interface RestorePlan {
  readonly snapshot: string;
  readonly environment: string;
  readonly database: string;
  readonly time: string;
  /** Schema versions: of the snapshot, of the database now (`none` when it is gone), of the deployed image (empty without migrations). */
  readonly schema: string;
  readonly current: string;
  readonly deployed: string;
}

export interface ReversePlan {
  readonly image: string;
  readonly environment: string;
  readonly from: string;
  readonly scripts: readonly { readonly file: string; readonly text: string }[];
}

/** Writing or reading a large database takes its time; the host ends a script after so long. */
const longSeconds = 7200;
const shortSeconds = 600;

/**
 * Finds a system's database in the state.
 * @throws when a deploy is running, or when the system or its host is not there
 */
export async function systemDatabase(
  backend: Backend,
  system: string,
  run: RunCommand,
): Promise<SystemDatabase> {
  const lock = await backend.lock();
  if (lock !== undefined) {
    throw new Error(
      `${backend.description} is locked by ${lock.owner}${lock.since === undefined ? "" : ` for ${age(lock.since)}`}: a deploy may be running. Wait for it; after a crash: ${backend.opsCommand} recover --stack ${backend.stack}`,
    );
  }
  return databaseOf(await backend.read(), system, run);
}

/**
 * The same for what only reads, whether a deploy is running or not.
 * @throws when the system or its host is not there
 */
export function databaseOf(deployment: Deployment, system: string, run: RunCommand): SystemDatabase {
  const parameters = databaseParameters(deployment, system);
  const hostName = hostOf(deployment, system);
  const host = hostsOf(deployment, run).find(({ provider }) => provider === `${hostName}-docker`);
  if (host === undefined) throw new Error(`the state has no way to the host of ${system}`);
  const before = [
    "./scripts/steps-of-before.sh",
    "../components/release/scripts/job.sh",
    "../components/release/scripts/database.sh",
    "../components/release/scripts/migration-steps.sh",
    "../components/release/scripts/golang-migrate.sh",
    "./scripts/replaced.sh",
  ].map((file) => readScript(import.meta.url, file));
  return {
    system,
    parameters,
    run(script, more, timeoutSeconds) {
      const assignments = Object.entries(more).map(([name, value]) => `${name}=${quote(value)}\n`);
      const body = [...before, readScript(import.meta.url, `./scripts/${script}.sh`)].join("\n");
      return host.run(`${parameters}${assignments.join("")}${wholeScript(body)}`, timeoutSeconds);
    },
  };
}

/**
 * The parameters that a system's last migration ran with: what stands in front of the script on its standard input.
 * @throws with the systems that have a database when this one has none
 */
export function databaseParameters(deployment: Deployment, system: string): string {
  const commands = databaseScripts(deployment);
  const systems = databaseSystems(deployment);
  const own = commands.filter(({ urn }) => resourceName(urn).startsWith(`${system}_`));
  const command = own.find(({ urn }) => urn.endsWith("-migration")) ?? own[0];
  if (command === undefined) {
    throw new Error(
      `no system "${system}" with a database is deployed; there are: ${systems.join(", ") || "none"}`,
    );
  }
  const stdin = textOf(command.inputs, "stdin");
  const end = stdin?.indexOf("# shellcheck shell=bash\n") ?? -1;
  if (stdin === undefined || end < 0)
    throw new Error(`${resourceName(command.urn)}: its parameters are not in the state`);
  // A snapshot's script knows of no migrations, one of before not how much stays free.
  return `FLOOR_MEBIBYTES=${diskFloorMebibytes}\nSTEPS=\nFOLDER=\nSERVICE=${system}\nIMAGE=\nCOMMAND=\n${stdin.slice(0, end)}`;
}

/** The systems that have a database. */
export function databaseSystems(deployment: Deployment): string[] {
  return [...new Set(databaseScripts(deployment).map(({ urn }) => resourceName(urn).split("_")[0] ?? ""))];
}

function databaseScripts(deployment: Deployment) {
  return resources(deployment).filter(
    ({ type, urn, delete: old }) =>
      type === "command:local:Command" && !old && /-(migration|snapshot)$/.test(resourceName(urn)),
  );
}

function hostOf(deployment: Deployment, system: string): string {
  const outputs = resources(deployment).find(({ type }) => type === "pulumi:pulumi:Stack")?.outputs;
  const systems = isObject(outputs?.systems) ? outputs.systems : {};
  const entry = systems[system];
  return (isObject(entry) ? textOf(entry, "host") : undefined) ?? "";
}

export async function listSnapshots(database: SystemDatabase): Promise<readonly SnapshotEntry[]> {
  return JSON.parse(await database.run("list", {}, shortSeconds)) as SnapshotEntry[];
}

export function renderSnapshots(entries: readonly SnapshotEntry[]): string {
  if (entries.length === 0) return "There are no snapshots yet.";
  return renderTable(
    ["snapshot", "age", "size", "schema", "state"],
    entries.map(({ name, time, bytes, schema, problem }) => [
      name,
      age(time),
      size(bytes),
      schema,
      problem === "" ? "whole" : `NOT USABLE: ${problem}`,
    ]),
  );
}

function size(bytes: number): string {
  const units = ["B", "KiB", "MiB", "GiB"];
  const power = Math.min(units.length - 1, Math.floor(Math.log2(Math.max(bytes, 1)) / 10));
  return `${(bytes / 1024 ** power).toFixed(power === 0 ? 0 : 1)} ${units[power]}`;
}

/** Writes a snapshot now and answers its name. */
export async function writeSnapshot(database: SystemDatabase): Promise<string> {
  return (await database.run("snapshot", {}, longSeconds)).trim();
}

/** What a restore would do. Refuses, before anything is touched, what is damaged or of another system or environment. */
export async function planRestore(
  database: SystemDatabase,
  snapshot: string | undefined,
): Promise<RestorePlan> {
  if (snapshot !== undefined && !/^[A-Za-z0-9_.-]+$/.test(snapshot)) {
    throw new Error(
      `"${snapshot}" is not the name of a snapshot; npm run ops -- snapshots ${database.system} lists them`,
    );
  }
  return JSON.parse(
    await database.run("restore-plan", { SNAPSHOT: snapshot ?? "" }, shortSeconds),
  ) as RestorePlan;
}

/** The plan in words, for the person who is asked. */
export function describeRestore(plan: RestorePlan, asItWas: boolean): string {
  const schema = Number.parseInt(plan.schema, 10);
  const deployed = plan.deployed === "" ? schema : Number(plan.deployed);
  const lines = [
    `${plan.snapshot}, written ${age(plan.time)} ago (${plan.time}), replaces the database ${plan.database} of ${plan.environment}.`,
    "What was written since then is gone from the database; a snapshot of what is there is written first, and what is replaced is put aside for 7 days.",
    "Nothing is stopped: it is restored beside the running one and exchanged for it by name.",
  ];
  if (schema < deployed) {
    lines.push(
      asItWas
        ? `The schema will be at version ${schema}; the deployed version needs ${deployed} and will not be healthy until an older one is deployed.`
        : `Its schema is at version ${schema}; the deployed version's migrations bring it to ${deployed} before the exchange.`,
    );
  }
  if (schema > deployed)
    lines.push(`Its schema is at version ${schema}, newer than the ${deployed} of the deployed version.`);
  return lines.join("\n");
}

export interface RestoreResult {
  readonly snapshot: string;
  /** Snapshot of what was there, empty when there was nothing. */
  readonly safety: string;
  /** What was there, put aside under this name; empty when there was nothing. */
  readonly replaced: string;
  readonly schema: string;
  readonly tables: number;
  readonly rows: number;
}

export async function restore(
  database: SystemDatabase,
  snapshot: string,
  asItWas: boolean,
): Promise<RestoreResult> {
  const more = { SNAPSHOT: snapshot, AS_IT_WAS: asItWas ? "yes" : "no" };
  return JSON.parse(await database.run("restore", more, longSeconds)) as RestoreResult;
}

/** A database that a restore put aside. */
export interface ReplacedDatabase {
  readonly name: string;
  /** When it was put aside. */
  readonly time: string;
  readonly bytes: number;
}

/** What restores have put aside, oldest first. */
export async function listReplaced(database: SystemDatabase): Promise<readonly ReplacedDatabase[]> {
  return JSON.parse(await database.run("list-replaced", {}, shortSeconds)) as ReplacedDatabase[];
}

export function describeReplaced(each: ReplacedDatabase): string {
  return `${each.name}, ${size(each.bytes)}, put aside ${age(each.time)} ago`;
}

/** Drops databases that restores have put aside; what they hold and no snapshot holds is gone. */
export async function dropReplaced(
  database: SystemDatabase,
  replaced: readonly ReplacedDatabase[],
): Promise<void> {
  await database.run("drop-replaced", { REPLACED: replaced.map(({ name }) => name).join(" ") }, shortSeconds);
}

export async function planReverse(database: SystemDatabase, to: number): Promise<ReversePlan> {
  return JSON.parse(await database.run("reverse-plan", { TO: String(to) }, shortSeconds)) as ReversePlan;
}

/** The scripts that would run, for review. */
export function describeReverse(plan: ReversePlan, to: number): string {
  const scripts = plan.scripts.map(({ file, text }) => `-- ${file}\n${text.trimEnd()}`);
  return [
    `The schema of ${plan.environment} goes from version ${plan.from} back to ${to}, by these scripts of ${plan.image}:`,
    ...scripts,
    "A snapshot is written first, and they are rehearsed on a copy.",
  ].join("\n\n");
}

export interface ReverseResult {
  readonly from: string;
  readonly schema: string;
  readonly snapshot: string;
}

export async function reverse(database: SystemDatabase, to: number): Promise<ReverseResult> {
  return JSON.parse(await database.run("reverse", { TO: String(to) }, longSeconds)) as ReverseResult;
}

/** Says which version a schema is at that is marked dirty, by golang-migrate's `force`. */
export async function clearDirtyFlag(
  database: SystemDatabase,
  at: number,
): Promise<{ readonly from: string; readonly schema: string }> {
  return JSON.parse(await database.run("clear-dirty-flag", { AT: String(at) }, longSeconds));
}

/** Quotes a word for a POSIX shell. */
function quote(word: string): string {
  return `'${word.replaceAll("'", `'\\''`)}'`;
}
