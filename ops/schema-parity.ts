/** Whether the rows of a dump fit a database: two schemas compared, in words. */

/** A schema as `scripts/schema.sql` describes it. Names of tables and sequences are `schema.name`, as they are, without quotes. */
export interface Schema {
  readonly tables: Readonly<Record<string, TableSchema>>;
  /** To the table that it numbers; null for one that stands by itself. */
  readonly sequences: Readonly<Record<string, string | null>>;
  /** Name of the type to its values, in order. */
  readonly enums: Readonly<Record<string, string>>;
  /** Tables of extensions, whose rows come with the extension. */
  readonly ofExtensions: readonly string[];
}

export interface TableSchema {
  /** Name to type, NOT NULL and the rest: `integer NOT NULL`. */
  readonly columns: Readonly<Record<string, string>>;
  /** Constraints and unique indexes, without their names. */
  readonly rules: readonly string[];
  /** False for a partitioned table: its partitions hold them. */
  readonly holdsRows: boolean;
}

/** Rows that a dump has of a table. */
export interface DumpedTable {
  readonly name: string;
  readonly columns: readonly string[];
  readonly rows: number;
}

/**
 * Every difference that rows would meet: what is left out is not looked at. The order of columns, defaults, indexes that are not unique, views
 * and functions are none, since no row is refused for them.
 */
export function schemaDifferences(dump: Schema, here: Schema, leftOut: ReadonlySet<string>): string[] {
  const { both, differences } = sides(Object.keys(dump.tables), Object.keys(here.tables), leftOut);
  const found = differences.map(({ name, lacks }) => `${name}: ${lacks} lacks this table`);
  for (const table of both) {
    const [there, own] = [dump.tables[table], here.tables[table]];
    if (there !== undefined && own !== undefined) found.push(...tableDifferences(table, there, own));
  }
  const sequences = (schema: Schema) =>
    Object.keys(schema.sequences).filter((name) => !leftOut.has(schema.sequences[name] ?? ""));
  for (const { name, lacks } of sides(sequences(dump), sequences(here), leftOut).differences)
    found.push(`${name}: ${lacks} lacks this sequence`);
  const enums = sides(Object.keys(dump.enums), Object.keys(here.enums), new Set());
  for (const { name, lacks } of enums.differences) found.push(`${name}: ${lacks} lacks this type`);
  for (const name of enums.both) {
    if (dump.enums[name] !== here.enums[name])
      found.push(`${name}: the type's values are ${dump.enums[name]} in the dump, ${here.enums[name]} here`);
  }
  return found;
}

function tableDifferences(table: string, dump: TableSchema, here: TableSchema): string[] {
  const { both, differences } = sides(Object.keys(dump.columns), Object.keys(here.columns), new Set());
  const found = differences.map(({ name, lacks }) => {
    const type = (lacks === theDump ? here : dump).columns[name];
    return `${table}: ${lacks} lacks the column ${name} (${type})`;
  });
  for (const column of both) {
    const [there, own] = [dump.columns[column], here.columns[column]];
    if (there !== own) found.push(`${table}: the column ${column} is ${there} in the dump, ${own} here`);
  }
  for (const { name, lacks } of sides(dump.rules, here.rules, new Set()).differences)
    found.push(`${table}: ${lacks} lacks ${name}`);
  return found;
}

/** The same for a dump of data alone, which names columns and not their types. A generated column is in no dump's data. */
export function columnDifferences(
  dumped: readonly DumpedTable[],
  here: Schema,
  leftOut: ReadonlySet<string>,
): string[] {
  const own = new Map(
    Object.entries(here.tables)
      .filter(([, { holdsRows }]) => holdsRows)
      .map(([name, { columns }]) => [
        name,
        Object.keys(columns).filter((column) => !columns[column]?.includes(" GENERATED ALWAYS AS (")),
      ]),
  );
  const there = new Map(dumped.map(({ name, columns }) => [name, columns]));
  const { both, differences } = sides([...there.keys()], [...own.keys()], leftOut);
  return [
    ...differences.map(({ name, lacks }) => `${name}: ${lacks} lacks this table`),
    ...both.flatMap((table) =>
      sides(there.get(table) ?? [], own.get(table) ?? [], new Set()).differences.map(
        ({ name, lacks }) => `${table}: ${lacks} lacks the column ${name}`,
      ),
    ),
  ];
}

const theDump = "the dump";

/** Names that both have, and those that one of them lacks. */
function sides(dump: readonly string[], here: readonly string[], leftOut: ReadonlySet<string>) {
  const names = [...new Set([...dump, ...here])].filter((name) => !leftOut.has(name)).toSorted();
  return {
    both: names.filter((name) => dump.includes(name) && here.includes(name)),
    differences: names
      .filter((name) => dump.includes(name) !== here.includes(name))
      .map((name) => ({ name, lacks: dump.includes(name) ? "the database" : theDump })),
  };
}

/** PostgreSQL's quoting of a name: in quotes where it needs some, a quote twice. */
const identifier = '"(?:[^"]|"")*"|[^",.() ]+';
const copyStatement = new RegExp(`^COPY (${identifier})\\.(${identifier}) (?:\\((.*)\\) )? ?FROM stdin;$`);

/**
 * What a dump has of each table: from lines of the number of rows, a tab and pg_restore's COPY statement.
 * @throws when a line is none; the message has the line
 */
export function parseDumpedTables(lines: string): DumpedTable[] {
  return lines
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => {
      const [count = "", statement = ""] = line.split("\t");
      const [all, schema = "", table = "", columns = ""] = copyStatement.exec(statement) ?? [];
      if (all === undefined || !/^\d+$/.test(count))
        throw new Error(`pg_restore's statement is not understood: "${line}"`);
      return {
        name: `${unquoted(schema)}.${unquoted(table)}`,
        columns: (columns.match(new RegExp(identifier, "g")) ?? []).map(unquoted),
        rows: Number(count),
      };
    });
}

function unquoted(name: string): string {
  return name.startsWith('"') ? name.slice(1, -1).replaceAll('""', '"') : name;
}
