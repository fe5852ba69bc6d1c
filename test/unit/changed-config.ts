import { ConfigError, parseConfig } from "../../config.ts";
import { policies } from "../../policy/configuration.ts";
import { systems } from "../../stacks/index.ts";

type Values = Readonly<Record<string, string>>;

/** A configuration with another value where a path leads, as in `berth:hosts.main.sshPort`; a name that holds dots stands in brackets. */
export function changedValues(values: Values, path: string, value: unknown): Record<string, string> {
  // A key may have dots itself.
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

/** What production's configuration is refused for. */
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
