import type { Scenario } from "../format.ts";
import { basics } from "./basics.ts";
import { failures } from "./failures.ts";
import { hooks } from "./hooks.ts";
import { identities } from "./identity.ts";
import { options } from "./options.ts";
import { releases } from "./release.ts";
import { replacements } from "./replace.ts";
import { worlds } from "./world.ts";

/** Every scenario, in the order in which they are recorded. */
export const scenarios: readonly Scenario[] = [
  ...basics,
  ...replacements,
  ...releases,
  ...failures,
  ...options,
  ...worlds,
  ...identities,
  ...hooks,
];

/** @throws Error when there is no scenario of that name. */
export function scenarioNamed(name: string): Scenario {
  const found = scenarios.find((scenario) => scenario.name === name);
  if (found === undefined) {
    throw new Error(
      `no scenario "${name}"; there are: ${scenarios.map((scenario) => scenario.name).join(", ")}`,
    );
  }
  return found;
}
