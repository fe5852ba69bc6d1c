import { closeSync, openSync, readSync, statSync } from "node:fs";

/** What the beginning of a dump of pg_dump's custom format says of it. */
export interface DumpHeader {
  /** Name of the database that was dumped. */
  readonly database: string;
  /** Versions of PostgreSQL as the dump has them, `16.4 (Debian 16.4-1)`: of the server, and of pg_dump. */
  readonly server: string;
  readonly program: string;
  /** When it was written, by the clock of who wrote it, which says no time zone: `2026-01-28 14:30`. */
  readonly written: string;
}

/** A dump on this machine. */
export interface DumpFile extends DumpHeader {
  readonly path: string;
  readonly bytes: number;
}

/** The header is some 200 bytes; the name of the database and the versions have no other bound than this one. */
const headerBytes = 8192;

/**
 * Reads the header of a dump.
 * @throws when there is no such file, or when it is no dump of the custom format; the message says what it is instead
 */
export function readDumpFile(path: string): DumpFile {
  const buffer = Buffer.alloc(headerBytes);
  let length = 0;
  let bytes = 0;
  try {
    bytes = statSync(path).size;
    const descriptor = openSync(path, "r");
    try {
      length = readSync(descriptor, buffer);
    } finally {
      closeSync(descriptor);
    }
  } catch (error) {
    throw new Error(`${path} cannot be read: ${error instanceof Error ? error.message : String(error)}`);
  }
  const header = parseDumpHeader(buffer.subarray(0, length));
  if (typeof header === "string") throw new Error(`${path} is refused; nothing was changed: ${header}`);
  return { path, bytes, ...header };
}

/** Writes a dump that can be restored. */
const dumpAgain = "write it with pg_dump --format=custom";

/**
 * The header of a dump as pg_dump writes it since PostgreSQL 9.1 (ReadHead and ReadInt of src/bin/pg_dump/pg_backup_archiver.c): the
 * text PGDMP, the format's version, sizes of a number and of an offset, the kind of the archive; how it is compressed; the time; names.
 * @returns what is wrong with it, in words, when it is none
 */
export function parseDumpHeader(head: Buffer): DumpHeader | string {
  const kind = otherKind(head);
  if (kind !== undefined) return `it is ${kind}; ${dumpAgain}`;
  const version = head.readUInt8(5) * 100 + head.readUInt8(6);
  const [intSize, archive] = [head.readUInt8(8), head.readUInt8(10)];
  // archCustom of pg_backup.h; the others are the tables of contents of a tar file and of a folder.
  if (archive !== 1) return `it is a table of contents of another of pg_dump's formats; ${dumpAgain}`;
  // 1.12 is PostgreSQL 9.1's; what is older has never been tried.
  if (version < 112) return `its format is older than PostgreSQL 9.1's; ${dumpAgain}`;
  if (intSize < 1 || intSize > 6) return "it is damaged: its first bytes make no sense";
  let at = 11;
  const number = () => {
    const sign = head.readUInt8(at) === 0 ? 1 : -1;
    const value = head.readUIntLE(at + 1, intSize);
    at += 1 + intSize;
    return sign * value;
  };
  const text = () => {
    const length = number();
    if (length < 0) return "";
    if (at + length > head.length) throw new RangeError("the text does not end");
    const value = head.toString("utf8", at, at + length);
    at += length;
    return value;
  };
  try {
    // From 1.15 on the algorithm is a byte; before, the level is a number.
    if (version >= 115) at += 1;
    else number();
    const [, minute = 0, hour = 0, day = 0, month = 0, year = 0] = Array.from({ length: 7 }, number);
    const two = (value: number) => String(value).padStart(2, "0");
    const written = `${year + 1900}-${two(month + 1)}-${two(day)} ${two(hour)}:${two(minute)}`;
    return { written, database: text(), server: text(), program: text() };
  } catch (error) {
    if (error instanceof RangeError) return "it is truncated: it ends within its first lines";
    throw error;
  }
}

/** What a file is that is no archive of pg_dump; undefined for one. */
function otherKind(head: Buffer): string | undefined {
  if (head.length === 0) return "empty";
  if (head.toString("latin1", 0, 5) === "PGDMP") return head.length > 11 ? undefined : "cut off";
  if (head[0] === 0x1f && head[1] === 0x8b) return "compressed by gzip as a whole";
  if (head.toString("latin1", 257, 262) === "ustar") return "a tar file, of pg_dump or another program";
  const start = head.toString("utf8", 0, 2000);
  if (/^(--|SET |CREATE |INSERT |COPY |\\restrict)/m.test(start)) return "plain SQL";
  return "no dump of PostgreSQL";
}

/** 16 of `16.4 (Debian 16.4-1)`. */
export function majorVersion(version: string): number {
  return Number.parseInt(version, 10);
}
