import { describe, expect, test } from "vitest";
import {
  columnDifferences,
  parseDumpedTables,
  type Schema,
  schemaDifferences,
} from "../../ops/schema-parity.ts";
import { base, leftOut, table, ukLrt, withTable } from "./schema-fixtures.ts";

describe("two schemas", () => {
  test("that are equal have no difference, nor has what is left out", () => {
    expect(schemaDifferences(base, base, leftOut)).toEqual([]);
    expect(
      schemaDifferences(
        withTable("public.schema_migrations", table({ version: "bigint", dirty: "boolean" })),
        base,
        leftOut,
      ),
    ).toEqual([]);
    expect(schemaDifferences(withTable("public.schema_migrations", undefined), base, leftOut)).toEqual([]);
    const without = { ...withTable("public.jobs", undefined), sequences: { "public.numbers": null } };
    expect(schemaDifferences(without, base, new Set([...leftOut, "public.jobs"]))).toEqual([]);
  });

  test("say each difference, with the table, the column and both types", () => {
    const columns = { id: "integer NOT NULL", name: "public.citext", source: "text" };
    const dump: Schema = {
      ...withTable("public.uk_lrt", table(columns, ["UNIQUE (name)"])),
      sequences: { "public.jobs_id_seq": "public.jobs", "public.others": null },
      enums: { "public.state": "open, closed, lost", "public.kind": "a" },
    };
    expect(
      schemaDifferences({ ...dump, tables: { ...dump.tables, "a.b": table({}) } }, base, leftOut),
    ).toEqual([
      "a.b: the database lacks this table",
      "public.uk_lrt: the dump lacks the column fitness (jsonb)",
      "public.uk_lrt: the dump lacks the column number_int (integer GENERATED ALWAYS AS ((number)::integer) STORED)",
      "public.uk_lrt: the database lacks the column source (text)",
      "public.uk_lrt: the column id is integer NOT NULL in the dump, uuid NOT NULL here",
      "public.uk_lrt: the column name is public.citext in the dump, public.citext NOT NULL here",
      "public.uk_lrt: the dump lacks PRIMARY KEY (id)",
      "public.uk_lrt: the database lacks UNIQUE (name)",
      "public.numbers: the dump lacks this sequence",
      "public.others: the database lacks this sequence",
      "public.kind: the database lacks this type",
      "public.state: the type's values are open, closed, lost in the dump, open, closed here",
    ]);
  });

  test("of which the dump has data alone are compared by the names of columns, without generated ones", () => {
    const dumped = (columns: string[]) => [
      { name: "public.uk_lrt", columns, rows: 3 },
      { name: "public.jobs", columns: ["id"], rows: 0 },
    ];
    expect(columnDifferences(dumped(Object.keys(ukLrt)), base, leftOut)).toEqual([]);
    expect(columnDifferences(dumped(["id", "name", "source"]), base, leftOut)).toEqual([
      "public.uk_lrt: the dump lacks the column fitness",
      "public.uk_lrt: the database lacks the column source",
    ]);
    expect(columnDifferences([], base, leftOut)).toEqual([
      "public.jobs: the dump lacks this table",
      "public.uk_lrt: the dump lacks this table",
    ]);
  });
});

describe("what a dump has of each table", () => {
  test("is read from pg_restore's statements, whatever names need quotes", () => {
    const lines = [
      "19318\tCOPY public.uk_lrt (id, name, fitness) FROM stdin;",
      '2\tCOPY other."Odd (a, b) ""Name""" ("from", "a, b", c) FROM stdin;',
      "0\tCOPY public.nothing  FROM stdin;",
    ];
    expect(parseDumpedTables(`${lines.join("\n")}\n`)).toEqual([
      { name: "public.uk_lrt", columns: ["id", "name", "fitness"], rows: 19318 },
      { name: 'other.Odd (a, b) "Name"', columns: ["from", "a, b", "c"], rows: 2 },
      { name: "public.nothing", columns: [], rows: 0 },
    ]);
  });

  test("is an error when a statement is none", () => {
    expect(() => parseDumpedTables("1\tCOPY x TO y;")).toThrow(
      'pg_restore\'s statement is not understood: "1\tCOPY x TO y;"',
    );
  });
});
