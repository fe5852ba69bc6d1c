import { parse } from "yaml";
import { isObject, type Json } from "./stack-file.ts";

/** One `--set namespace:key.path=value`. */
interface Setting {
  /** `togather:app` */
  readonly key: string;
  /** Steps into the value; numbers are places in a list. Empty: the whole key. */
  readonly path: readonly (string | number)[];
  readonly text: string;
}

const example = "for example --set togather:app.version=v1.1.0";

/**
 * Parses `togather:app.version=v1.1.0`. A path is written as for `pulumi config set --path`: `.name`, `[0]`, `["a/b"]`.
 * @throws when the form is another; the value is not repeated, because someone may have put a secret there.
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
 * The values with a setting applied; the given ones stay as they are. What replaces a text stays a text (a version "16"
 * does not become a number); anything else is read as YAML, so numbers, `true` and `[a, b]` are what they look like.
 * @throws when the path leads through something that has no such parts.
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
