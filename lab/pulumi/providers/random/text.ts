import { randomInt } from "node:crypto";
import type { CheckFailure, Properties, PropertyValue } from "../provider.ts";

/** The characters of a RandomPassword, in the real provider's order. */
const digits = "0123456789";
const lowerLetters = "abcdefghijklmnopqrstuvwxyz";
const upperLetters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ";
const specialCharacters = "!@#$%&*()-_=+[]{}<>:?";

/** `number` is the old name of `numeric`: either sets both, and both are outputs. */
export function withBothNumerics(inputs: Properties): Properties {
  const numeric = inputs.numeric ?? inputs.number ?? true;
  return { ...inputs, number: numeric, numeric };
}

/** Problems of several inputs together; unknown inputs pass. */
export function textFailures(inputs: Properties): CheckFailure[] {
  const failures: CheckFailure[] = [];
  const { number, numeric } = inputs;
  if (typeof number === "boolean" && typeof numeric === "boolean" && number !== numeric) {
    failures.push({ property: "number", reason: "is the old name of numeric and must not differ from it" });
  }
  const mins = ["minLower", "minUpper", "minNumeric", "minSpecial"].map((key) => count(inputs[key]));
  const least = mins.reduce((sum, min) => sum + min, 0);
  if (typeof inputs.length === "number" && inputs.length < least) {
    const reason = `must be at least minLower + minUpper + minNumeric + minSpecial = ${least}, not ${inputs.length}`;
    failures.push({ property: "length", reason });
  }
  const both = withBothNumerics(inputs);
  if (["upper", "lower", "numeric", "special"].every((key) => both[key] === false)) {
    failures.push({ property: "special", reason: "upper, lower, numeric and special must not all be false" });
  }
  return failures;
}

/** A random text from the operating system's generator; `inputs` with their defaults. */
export function randomText(inputs: Properties): string {
  const override = typeof inputs.overrideSpecial === "string" ? inputs.overrideSpecial : "";
  const special = override === "" ? specialCharacters : override;
  const alphabet = [
    inputs.upper === false ? "" : upperLetters,
    inputs.lower === false ? "" : lowerLetters,
    inputs.numeric === false ? "" : digits,
    inputs.special === false ? "" : special,
  ].join("");
  const characters = [
    ...draw(digits, count(inputs.minNumeric)),
    ...draw(lowerLetters, count(inputs.minLower)),
    ...draw(upperLetters, count(inputs.minUpper)),
    ...draw(special, count(inputs.minSpecial)),
  ];
  characters.push(...draw(alphabet, count(inputs.length) - characters.length));
  return shuffled(characters).join("");
}

/** A numeric input; 0 when it is absent. */
function count(value: PropertyValue | undefined): number {
  return typeof value === "number" ? value : 0;
}

function draw(alphabet: string, length: number): string[] {
  const characters = [...alphabet];
  return Array.from({ length }, () => characters[randomInt(characters.length)] ?? "");
}

/** Fisher–Yates shuffle. */
function shuffled(characters: string[]): string[] {
  const result = [...characters];
  for (let last = result.length - 1; last > 0; last--) {
    const other = randomInt(last + 1);
    [result[last], result[other]] = [result[other] ?? "", result[last] ?? ""];
  }
  return result;
}
