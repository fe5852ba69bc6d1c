import { renderTable } from "../components/table.ts";
import { age } from "./backend.ts";

/** A time that a Postgres server can be brought back to any second of, ends included. */
export interface Window {
  readonly from: string;
  readonly until: string;
}

/** What a host records of point in time of one Postgres server. */
export interface PointInTimeRecord {
  /** When its write-ahead log was asked for last, and what was wrong then, empty when nothing was. */
  readonly attempt?: string;
  readonly problem?: string;
  /** All that was written before is in the store. */
  readonly until?: string;
  readonly everyMinutes?: number;
  /** Oldest first; between two of them something was lost. */
  readonly windows?: readonly Window[];
  /** What was lost last. */
  readonly lost?: Window;
  readonly base?: {
    readonly ok?: string;
    readonly attempt: string;
    readonly problem: string;
    readonly bytes?: number;
  };
}

/** What the host says of a database that it brought back. */
export interface Recovered {
  readonly snapshot: string;
  readonly at: string;
  /** When the last transaction of it ended; empty when there was none since the base backup. */
  readonly reached: string;
  /** What the owner's query of `berth:backups.drill.newest` answers; empty without one. */
  readonly newestRow: string;
  readonly tables: string;
  readonly seconds: number;
}

const example = "2026-11-26T12:00:00Z";

/**
 * A point in time as an operator writes it, in UTC to the second: `2026-11-26T12:00:00Z`, or with an offset.
 * @throws when it is none, has no zone, or is in the future
 */
export function parsePointInTime(text: string, now = new Date()): string {
  const shape = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(Z|[+-]\d{2}:\d{2})?$/.exec(text);
  if (shape === null)
    throw new Error(`--at "${text}" is not a time; use a date and a time to the second, as in ${example}`);
  if (shape[1] === undefined)
    throw new Error(`--at "${text}" has no time zone; add Z for UTC or an offset, as in ${text}Z`);
  const time = new Date(text);
  // A 31st of February becomes another day.
  const day = Number.isNaN(time.getTime()) ? "" : new Date(`${text.slice(0, 19)}Z`).toISOString();
  if (day.slice(0, 19) !== text.slice(0, 19))
    throw new Error(`--at "${text}" is no day or time that there is; use one as in ${example}`);
  if (time > now)
    throw new Error(
      `--at "${text}" is in the future; now it is ${now.toISOString().slice(0, 19)}Z. Use a time that has been`,
    );
  return `${time.toISOString().slice(0, 19)}Z`;
}

export function renderRecovered(found: Recovered, restore: string): string {
  const { snapshot, at, reached, newestRow, tables, seconds } = found;
  return [
    `Brought back to ${at} in ${seconds} s, beside the database, which is as it was: ${tables} tables.`,
    reached === ""
      ? "No transaction ended between the base backup and then."
      : `The last transaction before ended at ${reached}.`,
    ...(newestRow === "" ? [] : [`The newest row is of ${newestRow}.`]),
    `It is the snapshot ${snapshot}. To put it in the database's place: ${restore} ${snapshot}`,
  ].join("\n");
}

/** A line for each window of each server; empty without any. @param of whose servers these are, each with when it was drilled */
export function renderWindows(
  servers: readonly {
    readonly of: string;
    readonly server: string;
    readonly record: PointInTimeRecord;
    readonly drilled?: string;
  }[],
): string {
  const rows = servers.flatMap(({ of, server, record, drilled }) => {
    const { windows = [], until, base } = record;
    const last = windows.length - 1;
    const known = windows.length === 0 ? [{ from: "none", until: "" }] : windows;
    return known.map((window, index) => [
      ...[of, server, window.from, window.until],
      index === Math.max(last, 0) && until !== undefined ? age(until) : "",
      index === Math.max(last, 0) ? (base?.ok === undefined ? "never" : age(base.ok)) : "",
      index === Math.max(last, 0) ? (drilled === undefined ? "never" : age(drilled)) : "",
    ]);
  });
  if (rows.length === 0) return "";
  return renderTable(
    ["point in time of", "server", "any second from", "to", "RPO now", "base backup", "drilled"],
    rows,
  );
}
