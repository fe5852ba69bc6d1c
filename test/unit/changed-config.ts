import { ConfigError, parseConfig } from "../../config.ts";
import { policies } from "../../policy/configuration.ts";
import { systems } from "../../stacks/index.ts";
import { completeConfig } from "../program/committed-config.ts";

type Values = Readonly<Record<string, string>>;

/** A configuration with one value changed, by its path, as in `berth:hosts.main.sshPort`; a name that contains dots is in brackets. */
export function changedValues(values: Values, path: string, value: unknown): Record<string, string> {
  // These keys contain dots themselves.
  if (path.startsWith("berth:registryPassword.")) return { ...values, [path]: String(value) };
  const [key = "", ...steps] = path.split(/\.(?![^[]*\])/).map((step) => step.replace(/^\[(.*)\]$/, "$1"));
  const last = steps.pop();
  if (last === undefined) return { ...values, [key]: String(value) };
  const whole = JSON.parse(values[key] ?? "{}");
  let place = whole;
  for (const step of steps) place = place[step] ??= {};
  place[last] = value;
  return { ...values, [key]: JSON.stringify(whole) };
}

/** The problems of a configuration of production. */
export function problemsOf(values: Values, secretKeys: readonly string[]): readonly string[] {
  try {
    parseConfig(
      { stack: "production", values, isSecret: (key) => secretKeys.includes(key) },
      systems,
      policies,
    );
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
  return [];
}

const production = completeConfig("production");
export const { secretKeys } = production;

/** Production's configuration, Togather alone, with one value changed. */
export const changed = (path: string, value: unknown) => changedValues(production.values, path, value);

/** The problems of a configuration that has production's secrets. */
export const problems = (input: Values) => problemsOf(input, secretKeys);
