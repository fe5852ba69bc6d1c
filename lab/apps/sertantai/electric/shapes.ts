import { createHash } from "node:crypto";
import { appendFile, mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Pool, PoolClient } from "pg";
import { type Change, lsnNumber, type Row, type Transaction } from "./replication.ts";

/** Shapes: the rows of a table that a client follows, as a snapshot and a log of changes after it, in files of one folder. */

export interface Definition {
  /** `public.uk_lrt` */
  readonly table: string;
  readonly where: string | null;
  readonly columns: readonly string[] | null;
}

interface Column {
  readonly name: string;
  readonly type: string;
  readonly dims: number;
  readonly key: number | null;
  readonly required: boolean;
}

/** Which transactions a snapshot has seen: PostgreSQL's pg_snapshot. */
interface Seen {
  readonly min: number;
  readonly max: number;
  readonly running: readonly number[];
}

export interface Entry {
  /** `<position>_<operation>`: the client's offset after it. */
  readonly offset: string;
  readonly text: string;
}

export interface Shape {
  readonly handle: string;
  readonly definition: Definition;
  readonly columns: readonly Column[];
  readonly seen: Seen;
  readonly log: Entry[];
}

/** What a client that follows nothing yet asks for, and where the snapshot ends. */
export const offsets = { beforeAll: "-1", afterSnapshot: "0_0" } as const;

/** A request that names no table, or one with a condition that PostgreSQL refuses. */
export class InvalidShape extends Error {}

export type Shapes = Awaited<ReturnType<typeof openShapes>>;

/** The shapes of a folder. */
export async function openShapes(folder: string, pool: () => Pool, publication: () => string) {
  await mkdir(folder, { recursive: true });
  const shapes = new Map<string, Shape>();
  for (const handle of await readdir(folder)) {
    const read = (name: string) => readFile(join(folder, handle, name), "utf8");
    const about = JSON.parse(await read("shape.json")) as Omit<Shape, "log">;
    const log = (await read("log.jsonl")).split("\n").filter((line) => line !== "");
    shapes.set(handle, { ...about, log: log.map((line) => JSON.parse(line) as Entry) });
  }
  const waiting = new Set<() => void>();
  const wake = () => {
    for (const each of [...waiting]) each();
  };
  const same = (one: Definition, other: Definition) => JSON.stringify(one) === JSON.stringify(other);
  const making = new Map<string, Promise<Shape>>();

  async function make(definition: Definition): Promise<Shape> {
    const client = await pool().connect();
    try {
      const columns = await describe(client, definition);
      await publish(client, publication(), definition.table);
      await client.query("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY");
      const { rows } = await client.query<{ snapshot: string }>(
        "SELECT pg_current_snapshot()::text AS snapshot",
      );
      const taken = await client.query<Row>(selectOf(definition, columns)).catch((error: Error) => {
        throw new InvalidShape(error.message);
      });
      await client.query("COMMIT");
      const hash = createHash("sha256").update(JSON.stringify(definition)).digest("hex");
      const handle = `${Number.parseInt(hash.slice(0, 8), 16)}-${Date.now()}000`;
      const shape: Shape = {
        handle,
        definition,
        columns,
        seen: parseSnapshot(rows[0]?.snapshot ?? ""),
        log: [],
      };
      const { log, ...about } = shape;
      const headers = { operation: "insert", relation: definition.table.split(".") };
      const lines = taken.rows.map((value) => JSON.stringify({ key: keyOf(shape, value), value, headers }));
      await mkdir(join(folder, handle), { recursive: true });
      await writeFile(join(folder, handle, "snapshot.jsonl"), lines.join("\n"));
      await writeFile(join(folder, handle, "log.jsonl"), "");
      await writeFile(join(folder, handle, "shape.json"), JSON.stringify(about));
      shapes.set(handle, shape);
      return shape;
    } finally {
      client.release(true);
    }
  }

  return {
    byHandle: (handle: string) => shapes.get(handle),

    /** The one of a definition, made when there is none. */
    async of(definition: Definition): Promise<Shape> {
      const known = [...shapes.values()].find((shape) => same(shape.definition, definition));
      if (known !== undefined) return known;
      const key = JSON.stringify(definition);
      const made = making.get(key) ?? make(definition).finally(() => making.delete(key));
      making.set(key, made);
      return made;
    },

    snapshot: (shape: Shape) => readFile(join(folder, shape.handle, "snapshot.jsonl"), "utf8"),

    /** Adds what concerns each shape to its log, on disk before in memory. */
    async add({ id, position, changes }: Transaction): Promise<void> {
      for (const shape of shapes.values()) {
        if (sawTransaction(shape.seen, id)) continue;
        const own = changes.filter(({ table }) => table === shape.definition.table);
        if (own.length === 0) continue;
        const fits = await matching(pool(), shape.definition, own);
        const entries = own.flatMap((change, at) =>
          entryOf(shape, change, fits[at] ?? [false, false], { id, position, operation: at * 2 }),
        );
        const lines = entries.map((entry) => `${JSON.stringify(entry)}\n`).join("");
        await appendFile(join(folder, shape.handle, "log.jsonl"), lines);
        shape.log.push(...entries);
      }
      wake();
    },

    /** Ends with the next change of any shape, or after this time. */
    change: (milliseconds: number) =>
      new Promise<void>((resolve) => {
        const end = () => {
          clearTimeout(timer);
          waiting.delete(end);
          resolve();
        };
        const timer = setTimeout(end, milliseconds);
        waiting.add(end);
      }),
    wake,

    /** Forgets everything. */
    async clear(): Promise<void> {
      shapes.clear();
      await Promise.all((await readdir(folder)).map((name) => rm(join(folder, name), { recursive: true })));
      wake();
    },
  };
}

const quoted = (name: string) => `"${name.replaceAll('"', '""')}"`;
const tableOf = (table: string) => table.split(".").map(quoted).join(".");

async function describe(client: PoolClient, { table, columns }: Definition): Promise<Column[]> {
  const { rows } = await client.query<Column>(
    `SELECT a.attname AS name, ltrim(t.typname, '_') AS type, (t.typcategory = 'A')::int AS dims,
            array_position(i.indkey::int2[], a.attnum) AS key, a.attnotnull AS required
       FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid
       LEFT JOIN pg_index i ON i.indrelid = a.attrelid AND i.indisprimary
      WHERE a.attrelid = to_regclass($1) AND a.attnum > 0 AND NOT a.attisdropped
        AND (a.attname = ANY($2) OR $2 IS NULL)
      ORDER BY a.attnum`,
    [tableOf(table), columns],
  );
  if (rows.length === 0) throw new InvalidShape(`Table ${tableOf(table)} does not exist`);
  return rows;
}

/** So that its changes are streamed, with their old values. */
async function publish(client: PoolClient, publication: string, table: string): Promise<void> {
  const { rows } = await client.query<{ full: boolean; published: boolean }>(
    `SELECT relreplident = 'f' AS full, EXISTS (SELECT 1 FROM pg_publication_rel r JOIN pg_publication p ON p.oid = r.prpubid
       WHERE p.pubname = $2 AND r.prrelid = c.oid) AS published FROM pg_class c WHERE c.oid = to_regclass($1)`,
    [tableOf(table), publication],
  );
  if (rows[0]?.full === false) await client.query(`ALTER TABLE ${tableOf(table)} REPLICA IDENTITY FULL`);
  if (rows[0]?.published === false)
    await client.query(`ALTER PUBLICATION ${quoted(publication)} ADD TABLE ${tableOf(table)}`);
}

function selectOf({ table, where }: Definition, columns: readonly Column[]): string {
  const list = columns.map(({ name }) => `${quoted(name)}::text AS ${quoted(name)}`).join(", ");
  return `SELECT ${list} FROM ${tableOf(table)}${where === null ? "" : ` WHERE ${where}`}`;
}

/** Whether each row fits the shape's condition before and after the change: PostgreSQL says it. */
async function matching(pool: Pool, { table, where }: Definition, changes: readonly Change[]) {
  const rows = changes.flatMap(({ before, after }) => [before ?? null, after ?? null]);
  if (where === null)
    return changes.map(({ before, after }) => [before !== undefined, after !== undefined] as const);
  const name = table.split(".").at(-1) ?? table;
  const { rows: found } = await pool.query<{ fits: boolean }>(
    `SELECT each.value <> 'null' AND coalesce((SELECT ${where} FROM jsonb_populate_record(NULL::${tableOf(table)}, nullif(each.value, 'null')) AS ${quoted(name)}), false) AS fits
       FROM jsonb_array_elements($1::jsonb) WITH ORDINALITY AS each(value, at) ORDER BY each.at`,
    [JSON.stringify(rows)],
  );
  return changes.map((_, at) => [found[at * 2]?.fits === true, found[at * 2 + 1]?.fits === true] as const);
}

function entryOf(
  shape: Shape,
  { before, after }: Change,
  [did, does]: readonly [boolean, boolean],
  { id, position, operation }: { readonly id: number; readonly position: bigint; readonly operation: number },
): Entry[] {
  if (!did && !does) return [];
  const row = (does ? after : before) ?? {};
  const keys = shape.columns.filter(({ key }) => key !== null).map(({ name }) => name);
  const wanted = shape.columns
    .map(({ name }) => name)
    .filter((name) => name in row)
    .filter((name) => (did && does ? keys.includes(name) || before?.[name] !== row[name] : true))
    .filter((name) => does || keys.includes(name));
  const headers = {
    operation: !did ? "insert" : does ? "update" : "delete",
    ...{ relation: shape.definition.table.split("."), txids: [id] },
    ...{ lsn: String(position), op_position: operation },
  };
  const value = Object.fromEntries(wanted.map((name) => [name, row[name]]));
  const text = JSON.stringify({ key: keyOf(shape, row), value, headers });
  return [{ offset: `${position}_${operation}`, text }];
}

/** `"public"."uk_lrt"/"<primary key>"` */
function keyOf({ definition, columns }: Pick<Shape, "definition" | "columns">, row: Row): string {
  const keys = columns
    .filter(({ key }) => key !== null)
    .sort((one, other) => (one.key ?? 0) - (other.key ?? 0));
  return [tableOf(definition.table), ...keys.map(({ name }) => quoted(row[name] ?? ""))].join("/");
}

function parseSnapshot(text: string): Seen {
  const [min = "0", max = "0", running = ""] = text.split(":");
  const list = running === "" ? [] : running.split(",").map(Number);
  return { min: Number(min), max: Number(max), running: list };
}

/** The numbers of pgoutput are the lower 32 bits; a rehearsal has no others. */
function sawTransaction({ max, running }: Seen, id: number): boolean {
  return id < max && !running.includes(id);
}

/** Whether an offset is after another one. */
export function isAfter(one: string, other: string): boolean {
  const [position = "0", operation = "0"] = one.split("_");
  const [than = "0", at = "0"] = other.split("_");
  return BigInt(position) === BigInt(than) ? Number(operation) > Number(at) : BigInt(position) > BigInt(than);
}

export { lsnNumber };
