import type { Schema, TableSchema } from "../../ops/schema-parity.ts";

/** A schema, as a basis for variations. */

export const table = (
  columns: Record<string, string>,
  rules: string[] = [],
  more: Partial<TableSchema> = {},
): TableSchema => ({
  columns,
  rules,
  holdsRows: true,
  ...more,
});
export const ukLrt = { id: "uuid NOT NULL", name: "public.citext NOT NULL", fitness: "jsonb" };
export const base: Schema = {
  tables: {
    "public.uk_lrt": table(
      { ...ukLrt, number_int: "integer GENERATED ALWAYS AS ((number)::integer) STORED" },
      ["PRIMARY KEY (id)"],
    ),
    "public.jobs": table({ id: "bigint NOT NULL" }),
    "public.schema_migrations": table({ version: "bigint NOT NULL" }),
    "public.logs": table({ at: "date" }, [], { holdsRows: false }),
  },
  sequences: { "public.jobs_id_seq": "public.jobs", "public.numbers": null },
  enums: { "public.state": "open, closed" },
  ofExtensions: ["public.spatial_ref_sys"],
};
export const leftOut = new Set(["public.schema_migrations"]);
export const withTable = (name: string, changed: TableSchema | undefined): Schema => ({
  ...base,
  tables: Object.fromEntries(
    Object.entries({ ...base.tables, [name]: changed }).filter(([, each]) => each !== undefined),
  ) as Schema["tables"],
});
