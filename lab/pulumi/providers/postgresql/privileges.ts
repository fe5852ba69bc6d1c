import { texts } from "../inputs.ts";
import type { CheckFailure, Properties } from "../provider.ts";
import { keepOrder } from "./kind.ts";

const allowed: Readonly<Record<string, readonly string[]>> = {
  database: ["CREATE", "CONNECT", "TEMPORARY"],
  schema: ["CREATE", "USAGE"],
  table: ["SELECT", "INSERT", "UPDATE", "DELETE", "TRUNCATE", "REFERENCES", "TRIGGER", "MAINTAIN"],
  sequence: ["USAGE", "SELECT", "UPDATE"],
  function: ["EXECUTE"],
  procedure: ["EXECUTE"],
  routine: ["EXECUTE"],
  type: ["USAGE"],
};

/** The letter of an object type in PostgreSQL's catalogue: `relkind`. */
export const catalogueLetters: Readonly<Record<string, string>> = {
  table: "r",
  sequence: "S",
  function: "f",
  routine: "f",
  type: "T",
  schema: "n",
};

/** Failures for privileges that the object type does not have. Privileges become part of statements, so all others are refused. */
export function privilegeFailures(inputs: Properties): CheckFailure[] {
  const of = allowed[String(inputs.objectType)];
  if (of === undefined) return [];
  return texts(inputs, "privileges")
    .filter((privilege) => privilege !== "ALL" && !of.includes(privilege))
    .map((privilege) => ({
      property: "privileges",
      reason: `"${privilege}" is not a privilege on a ${String(inputs.objectType)}; use one of: ALL, ${of.join(", ")}`,
    }));
}

/** The privileges of the inputs if the granted ones are equivalent, otherwise the granted ones. */
export function privilegesAsWanted(known: Properties, granted: readonly string[]): readonly string[] {
  const wanted = texts(known, "privileges");
  // Only PostgreSQL 17 and newer have MAINTAIN.
  const all = (allowed[String(known.objectType)] ?? []).filter((privilege) => privilege !== "MAINTAIN");
  if (wanted.includes("ALL") && all.every((privilege) => granted.includes(privilege))) return wanted;
  return keepOrder(wanted, granted);
}
