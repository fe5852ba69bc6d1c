/** The lab's `random` provider: RandomPassword of pulumi-random 4.21. */
import { hash } from "bcryptjs";
import { type GeneratedKind, generatedPackage } from "../generated.ts";
import { type InputRules, withDefaults } from "../inputs.ts";
import { randomText, textFailures, withBothNumerics } from "./text.ts";

const yes = { kind: "boolean", replaces: true, default: true } as const;
const least = { kind: "number", replaces: true, default: 0, minimum: 0 } as const;
const textRules: InputRules = {
  keepers: { kind: "string map", replaces: true },
  length: { kind: "number", required: true, replaces: true, minimum: 1 },
  upper: yes,
  lower: yes,
  number: { kind: "boolean", replaces: true },
  numeric: { kind: "boolean", replaces: true },
  special: yes,
  minUpper: least,
  minLower: least,
  minNumeric: least,
  minSpecial: least,
  overrideSpecial: { kind: "string", replaces: true },
};

/** Go's default, which the real provider uses (terraform-provider-random, generateHash: bcrypt.DefaultCost). */
const bcryptCost = 10;

const kinds: Readonly<Record<string, GeneratedKind>> = {
  "random:index/randomPassword:RandomPassword": {
    rules: textRules,
    complete: (inputs) => withBothNumerics(withDefaults(textRules, inputs)),
    failures: textFailures,
    // Its id is a constant, because an id is never secret.
    generate: async (inputs) => {
      const result = randomText(inputs);
      return { id: "none", generated: { result, bcryptHash: await hash(result, bcryptCost) } };
    },
  },
};

/** `random`, as pulumi-random 4.21.2 behaves. */
export const randomPackage = generatedPackage("random", "4.21.2", kinds);
