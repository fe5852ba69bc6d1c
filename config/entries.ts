import { ZodObject, type z } from "zod";

/**
 * Parses the keys of one namespace of Pulumi.<stack>.yaml. Undefined when something is invalid: each problem, with its path, the
 * value and what to use instead, is added to `problems`.
 */
export function parseEntries<T>(
  namespace: string,
  entries: Map<string, string>,
  schema: z.ZodObject & z.ZodType<T>,
  problems: string[],
  otherKeys: readonly string[] = [],
): T | undefined {
  const input = Object.fromEntries([...entries].map(([key, text]) => [key, fromText(text)]));
  const result = schema.safeParse(input, {
    reportInput: true,
    error: ({ code, inst }) =>
      code === "unrecognized_keys" && inst instanceof ZodObject
        ? `use one of: ${[...Object.keys(inst.shape), ...(inst === schema ? otherKeys : [])].join(", ")}`
        : undefined,
  });
  if (result.success) return result.data;
  for (const issue of result.error.issues) {
    problems.push(...describeIssue(namespace, issue));
  }
  return undefined;
}

/** Pulumi passes objects, numbers and booleans as JSON text, strings unchanged. */
export function fromText(text: string): unknown {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "string" ? text : value;
  } catch {
    return text;
  }
}

function describeIssue(namespace: string, issue: z.core.$ZodIssue): string[] {
  const [first, ...rest] = issue.path;
  const path = first === undefined ? namespace : `${namespace}:${[first, ...rest].map(String).join(".")}`;
  const value = JSON.stringify(issue.input);
  switch (issue.code) {
    case "unrecognized_keys":
      return issue.keys.map(
        (key) => `${path}${first === undefined ? ":" : "."}${key}: unknown key; ${issue.message}`,
      );
    case "invalid_value":
      return [
        `${path}: ${value ?? "missing"}${value ? " is invalid" : ""}; use one of: ${issue.values.join(", ")}`,
      ];
    case "invalid_type":
      // The schema's own message where it has one.
      if (!issue.message.startsWith("Invalid"))
        return [`${path}: ${value === undefined ? "" : `${value} `}${issue.message}`];
      return [
        `${path}: ${value === undefined ? "missing" : `${value} has the wrong type`}; expected ${issue.expected === "int" ? "a whole number" : issue.expected}`,
      ];
    case "invalid_union":
      // In a union with a discriminator no branch matched; its message says everything.
      if (issue.errors.length === 0) return [`${path}: ${issue.message}`];
      return [`${path}: ${value ?? "missing;"} ${issue.message}`];
    case "invalid_key":
      return [`${path}: ${issue.issues.map((inner) => inner.message).join("; ")}`];
    case "too_small":
    case "too_big":
      // The schema's own message where it has one, otherwise zod's limits in our wording.
      if (!/^(Too|Invalid)/.test(issue.message)) return [`${path}: ${value} ${issue.message}`];
      if (issue.origin === "string") return [`${path}: ${value} is empty`];
      return [
        issue.code === "too_small"
          ? `${path}: ${value} is too small; use ${issue.minimum} or more`
          : `${path}: ${value} is too large; use ${issue.maximum} or less`,
      ];
    case "custom":
      if (issue.params?.hideValue === true || value === undefined) return [`${path}: ${issue.message}`];
      return [`${path}: ${value} ${issue.message}`];
    default:
      return [`${path}: ${value} ${issue.message}`];
  }
}
