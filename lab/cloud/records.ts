/** Functions shared by all kinds of resources. Lists are passed on each call, because the store replaces them. */
import { z } from "zod";
import { notFound, notUnique } from "./errors.ts";
import { labelsField, nameField, parseBody } from "./router.ts";
import { checkLabels } from "./selector.ts";

interface NamedRecord {
  readonly id: number;
  name: string;
  labels: Record<string, string>;
}

/** The record with this id; throws Hetzner's 404 that names the kind. */
export function findById<T extends { readonly id: number }>(
  list: readonly T[],
  kind: string,
  id: string | number | undefined,
): T {
  const found = list.find((candidate) => String(candidate.id) === String(id));
  if (!found) {
    throw notFound(kind, id ?? "");
  }
  return found;
}

/** Throws `uniqueness_error` when another record of the kind has the name. */
export function nameMustBeFree(
  list: readonly NamedRecord[],
  kind: string,
  name: string,
  except?: number,
): void {
  if (list.some((record) => record.name === name && record.id !== except)) {
    throw notUnique("name", kind);
  }
}

/** `PUT`: changes name, labels and other changeable fields of the kind. */
export function update<T extends NamedRecord>(
  list: readonly T[],
  kind: string,
  record: T,
  body: unknown,
  more: z.ZodRawShape = {},
): void {
  const input = parseBody(
    z.strictObject({ name: nameField.optional(), labels: labelsField.optional(), ...more }),
    body,
  ) as Partial<NamedRecord>;
  checkLabels(input.labels ?? {});
  if (input.name !== undefined) {
    nameMustBeFree(list, kind, input.name, record.id);
  }
  Object.assign(record, input);
}
