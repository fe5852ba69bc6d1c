/**
 * The lab's `random` provider: RandomPassword, RandomString, RandomId and RandomBytes of pulumi-random 4.21. Left out
 * of RandomPassword's outputs is `bcryptHash`, for want of a bcrypt implementation among the lab's packages.
 */
import type { CheckFailure, LabProvider, Properties, ProviderPackage, ResourceRef } from "../../contracts.ts";
import { checkInputs, diffInputs, type InputRules, notPartOfTheLab, text, withDefaults } from "../inputs.ts";
import { count, randomByteTexts, randomText, textFailures, withBothNumerics } from "./text.ts";

interface RandomKind {
  readonly rules: InputRules;
  /** Makes old and new inputs comparable before a diff and complete before a create. */
  readonly complete: (inputs: Properties) => Properties;
  readonly failures: (inputs: Properties) => readonly CheckFailure[];
  readonly generate: (inputs: Properties) => { id: string; generated: Properties };
}

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

const randomTextKind = (idOf: (result: string) => string): RandomKind => ({
  rules: textRules,
  complete: (inputs) => withBothNumerics(withDefaults(textRules, inputs)),
  failures: textFailures,
  generate: (inputs) => {
    const result = randomText(inputs);
    return { id: idOf(result), generated: { result } };
  },
});

const kinds: Readonly<Record<string, RandomKind>> = {
  // Its id is a constant, because an id is never secret.
  "random:index/randomPassword:RandomPassword": randomTextKind(() => "none"),
  "random:index/randomString:RandomString": randomTextKind((result) => result),
  "random:index/randomBytes:RandomBytes": {
    rules: bytesRules,
    complete: (inputs) => inputs,
    failures: () => [],
    generate: (inputs) => {
      const { base64, hex } = randomByteTexts(count(inputs.length));
      return { id: base64, generated: { base64, hex } };
    },
  },
  "random:index/randomId:RandomId": {
    rules: idRules,
    complete: (inputs) => inputs,
    failures: () => [],
    generate: (inputs) => {
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

/** Nothing exists outside the state, so reading, updating and deleting touch nothing but it. */
class RandomProvider implements LabProvider {
  async configure(): Promise<void> {}

  async check(ref: ResourceRef, news: Properties) {
    const kind = kindOf(ref.type);
    const { inputs, failures } = checkInputs(ref.type, kind.rules, news);
    return { inputs, failures: failures.length > 0 ? failures : kind.failures(inputs) };
  }

  async diff(ref: ResourceRef, _id: string, oldInputs: Properties, _outputs: Properties, news: Properties) {
    const { rules, complete } = kindOf(ref.type);
    return diffInputs(rules, complete(oldInputs), {}, complete(news));
  }

  async create(ref: ResourceRef, inputs: Properties) {
    const kind = kindOf(ref.type);
    const complete = kind.complete(inputs);
    const { id, generated } = kind.generate(complete);
    return { id, outputs: { ...complete, ...generated } };
  }

  async read(ref: ResourceRef, id: string, inputs: Properties, outputs: Properties) {
    kindOf(ref.type);
    return { id, inputs, outputs };
  }

  async update(
    ref: ResourceRef,
    _id: string,
    _oldInputs: Properties,
    oldOutputs: Properties,
    news: Properties,
  ): Promise<Properties> {
    return { ...oldOutputs, ...kindOf(ref.type).complete(news) };
  }

  async delete(ref: ResourceRef): Promise<void> {
    kindOf(ref.type);
  }

  async invoke(token: string): Promise<Properties> {
    throw notPartOfTheLab(token, Object.keys(kinds));
  }
}

function kindOf(type: string): RandomKind {
  const kind = kinds[type];
  if (kind === undefined) throw notPartOfTheLab(type, Object.keys(kinds));
  return kind;
}

/** `random`, as pulumi-random 4.21.2 behaves. */
export const randomPackage: ProviderPackage = {
  name: "random",
  version: "4.21.2",
  create: () => new RandomProvider(),
};
