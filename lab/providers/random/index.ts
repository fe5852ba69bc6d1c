/**
 * The lab's `random` provider: RandomPassword, RandomString, RandomId and RandomBytes of pulumi-random 4.21. Left out
 * of RandomPassword's outputs is `bcryptHash`, for want of a bcrypt implementation among the lab's packages.
 */
import { type GeneratedKind, generatedPackage } from "../generated.ts";
import { type InputRules, text, withDefaults } from "../inputs.ts";
import { count, randomByteTexts, randomText, textFailures, withBothNumerics } from "./text.ts";

const keepers = { kind: "string map", replaces: true } as const;
const yes = { kind: "boolean", replaces: true, default: true } as const;
const least = { kind: "number", replaces: true, default: 0, minimum: 0 } as const;
const length = { kind: "number", required: true, replaces: true, minimum: 1 } as const;
const textRules: InputRules = {
  keepers,
  length,
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
const bytesRules: InputRules = { keepers, length };
const idRules: InputRules = { keepers, byteLength: length, prefix: { kind: "string", replaces: true } };

const randomTextKind = (idOf: (result: string) => string): GeneratedKind => ({
  rules: textRules,
  complete: (inputs) => withBothNumerics(withDefaults(textRules, inputs)),
  failures: textFailures,
  generate: async (inputs) => {
    const result = randomText(inputs);
    return { id: idOf(result), generated: { result } };
  },
});

const kinds: Readonly<Record<string, GeneratedKind>> = {
  // Its id is a constant, because an id is never secret.
  "random:index/randomPassword:RandomPassword": randomTextKind(() => "none"),
  "random:index/randomString:RandomString": randomTextKind((result) => result),
  "random:index/randomBytes:RandomBytes": {
    rules: bytesRules,
    complete: (inputs) => inputs,
    failures: () => [],
    generate: async (inputs) => {
      const { base64, hex } = randomByteTexts(count(inputs.length));
      return { id: base64, generated: { base64, hex } };
    },
  },
  "random:index/randomId:RandomId": {
    rules: idRules,
    complete: (inputs) => inputs,
    failures: () => [],
    generate: async (inputs) => {
      const { base64, hex, url, dec } = randomByteTexts(count(inputs.byteLength));
      const prefix = text(inputs, "prefix") ?? "";
      const generated = {
        b64Std: prefix + base64,
        b64Url: prefix + url,
        hex: prefix + hex,
        dec: prefix + dec,
      };
      return { id: url, generated };
    },
  },
};

/** `random`, as pulumi-random 4.21.2 behaves. */
export const randomPackage = generatedPackage("random", "4.21.2", kinds);
