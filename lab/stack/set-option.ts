import { parse } from "yaml";
import { isObject, type Json } from "./stack-file.ts";

/** One `--set namespace:key.path=value`. */
interface Setting {
  /** `togather:app` */
  readonly key: string;
  /** Path into the value; numbers are list indexes. Empty: the whole value. */
  readonly path: readonly (string | number)[];
  readonly text: string;
}

const example = "for example --set togather:app.version=v1.1.0";

/**
 * Parses `togather:app.version=v1.1.0`. A path is written as for `pulumi config set --path`: `.name`, `[0]`, `["a/b"]`.
 * @throws when it has another form; the error does not contain the value, which may be a secret.
 */
export function parseSetting(argument: string): Setting {
  const separator = argument.indexOf("=");
  const target = separator === -1 ? argument : argument.slice(0, separator);
  if (separator === -1) throw new Error(`--set: "${target}" has no "=value"; ${example}`);
  const match = /^([a-z][a-zA-Z0-9-]*:[A-Za-z0-9_-]+)(.*)$/.exec(target);
  if (match === null) throw new Error(`--set: "${target}" does not begin with namespace:key; ${example}`);
  const [, key = "", rest = ""] = match;
  const path: (string | number)[] = [];
  const step = /\.([A-Za-z0-9_-]+)|\[(\d+)\]|\["([^"]+)"\]/y;
  while (step.lastIndex < rest.length) {
    const from = step.lastIndex;
    const found = step.exec(rest);
    if (found === null) {
      throw new Error(
        `--set: "${rest.slice(from)}" in "${target}" is not a path; use .name, [0] and ["na/me"], ${example}`,
      );
    }
    const [, name, index, quoted] = found;
    path.push(index === undefined ? (name ?? quoted ?? "") : Number(index));
  }
  return { key, path, text: argument.slice(separator + 1) };
}

/**
 * A copy of the values with a setting applied. The replacement of a string stays a string (a version "16" does not become
 * a number); anything else is parsed as YAML, so numbers, `true` and `[a, b]` have their YAML types.
 * @throws when the path does not fit the value.
 */
export function applySetting(values: Readonly<Record<string, Json>>, setting: Setting): Record<string, Json> {
  return { ...values, [setting.key]: replaced(values[setting.key], setting.path, setting, setting.key) };
}

function replaced(old: Json | undefined, path: Setting["path"], setting: Setting, at: string): Json {
  const [step, ...rest] = path;
  if (step === undefined) return typeof old === "string" ? setting.text : fromYaml(setting.text);
  if (typeof step === "number") {
    const list = old ?? [];
    if (!Array.isArray(list)) throw new Error(`--set: ${at} is not a list, so it has no [${step}]`);
    if (step > list.length)
      throw new Error(`--set: ${at} has ${list.length} entries; [${step}] would leave a gap`);
    const copy = [...list];
    copy[step] = replaced(list[step], rest, setting, `${at}[${step}]`);
    return copy;
  }
  const object = old ?? {};
  if (!isObject(object)) throw new Error(`--set: ${at} is not an object, so it has no field "${step}"`);
  return { ...object, [step]: replaced(object[step], rest, setting, `${at}.${step}`) };
}

function fromYaml(text: string): Json {
  try {
    return (parse(text) ?? text) as Json;
  } catch {
    return text;
  }
}
