import { closeSync, openSync, renameSync, rmSync } from "node:fs";
import { renderTable } from "../components/table.ts";
import { age } from "./backend.ts";
import { isTerminal } from "./host-access.ts";
import type { SystemDatabase } from "./system-database.ts";

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
  /** Schema versions: of the snapshot, of the database now (`none` when it does not exist), of the deployed image (empty without migrations). */
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

/** Seconds after which the host ends a script that writes or reads a whole database. */
export const longSeconds = 7200;
export const shortSeconds = 600;

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

/** Bytes as a person reads them. */
export function size(bytes: number): string {
  const units = ["B", "KiB", "MiB", "GiB"];
  const power = Math.min(units.length - 1, Math.floor(Math.log2(Math.max(bytes, 1)) / 10));
  return `${(bytes / 1024 ** power).toFixed(power === 0 ? 0 : 1)} ${units[power]}`;
}

/** Writes a snapshot and returns its name. */
export async function writeSnapshot(database: SystemDatabase): Promise<string> {
  return (await database.run("snapshot", {}, longSeconds)).trim();
}

/**
 * Writes a database as plain SQL to standard output, or to a file that appears only when it is complete.
 * @param snapshot of what; when left out, the current database
 * @returns an exit code; errors have been printed
 */
export async function exportDatabase(
  database: SystemDatabase,
  snapshot: string | undefined,
  file: string | undefined,
): Promise<number> {
  const more = { SNAPSHOT: snapshotName(database, snapshot) };
  if (file === undefined) return database.print("export", more, longSeconds);
  const partial = `${file}.partial`;
  const descriptor = openSync(partial, "w", 0o600);
  const code = await database
    .print("export", more, longSeconds, descriptor)
    .finally(() => closeSync(descriptor));
  if (code === 0) renameSync(partial, file);
  else rmSync(partial);
  return code;
}

/**
 * psql in the server's container, where no password is required: as the database's owner, so that new objects belong to the owner, or
 * as the superuser.
 * @returns psql's exit code
 */
export async function openPsql(
  database: SystemDatabase,
  words: readonly string[],
  superuser: boolean,
): Promise<number> {
  const [container = "", owner = ""] = (await database.run("psql", {}, shortSeconds)).trim().split("\n");
  return database.interact([
    ...["docker", "exec", "--interactive", ...(isTerminal() ? ["--tty"] : [])],
    ...(superuser ? [] : ["--env", `PGOPTIONS=-c role=${owner.replaceAll(/[\\ ]/g, "\\$&")}`]),
    ...[container, "psql", "--username", "postgres", "--dbname", database.name, ...words],
  ]);
}

/** What a restore would do. Refuses, before anything is touched, what is damaged or of another system or environment. */
export async function planRestore(
  database: SystemDatabase,
  snapshot: string | undefined,
): Promise<RestorePlan> {
  const more = { SNAPSHOT: snapshotName(database, snapshot) };
  return JSON.parse(await database.run("restore-plan", more, shortSeconds)) as RestorePlan;
}

function snapshotName({ system }: SystemDatabase, snapshot: string | undefined): string {
  if (snapshot === undefined) return "";
  if (/^[A-Za-z0-9_.-]+$/.test(snapshot)) return snapshot;
  throw new Error(
    `"${snapshot}" is not the name of a snapshot; npm run ops -- snapshots ${system} lists them`,
  );
}

/** The plan as text, for the confirmation. */
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
  /** Snapshot of the replaced database, empty when there was none. */
  readonly safety: string;
  /** New name of the replaced database, empty when there was none. */
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

/** A database that a restore has replaced and kept. */
export interface ReplacedDatabase {
  readonly name: string;
  /** When it was replaced. */
  readonly time: string;
  readonly bytes: number;
}

/** The databases that restores have replaced and kept, oldest first. */
export async function listReplaced(database: SystemDatabase): Promise<readonly ReplacedDatabase[]> {
  return JSON.parse(await database.run("list-replaced", {}, shortSeconds)) as ReplacedDatabase[];
}

export function describeReplaced(each: ReplacedDatabase): string {
  return `${each.name}, ${size(each.bytes)}, put aside ${age(each.time)} ago`;
}

/** Drops databases that restores have replaced; data that is in no snapshot is lost. */
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

/** Sets the version of a schema that is marked dirty, by golang-migrate's `force`. */
export async function clearDirtyFlag(
  database: SystemDatabase,
  at: number,
): Promise<{ readonly from: string; readonly schema: string }> {
  return JSON.parse(await database.run("clear-dirty-flag", { AT: String(at) }, longSeconds));
}
