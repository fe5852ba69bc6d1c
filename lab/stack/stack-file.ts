import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { parseDocument } from "yaml";

/** A JSON value, as a stack file's YAML holds it. */
export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

interface StackFile {
  readonly path: string;
  /** Full keys (`berth:hosts`) to values. */
  readonly values: Readonly<Record<string, Json>>;
  /** Full keys whose values are encrypted (`secure: …`) and so are not in `values`. */
  readonly encryptedKeys: readonly string[];
}

/**
 * Reads `Pulumi.<stack>.yaml` in `projectDir`. Keys without a namespace belong to `project`, as in Pulumi.
 * @throws when the stack has no file (naming those that exist), is not YAML, or contains an encrypted value inside another
 * one: that one can be neither read nor generated.
 */
export function readStackFile(projectDir: string, project: string, stack: string): StackFile {
  const path = join(projectDir, `Pulumi.${stack}.yaml`);
  if (!/^[A-Za-z0-9_-]+$/.test(stack) || !existsSync(path)) {
    throw new Error(
      `--stack: there is no stack "${stack}"; use one of: ${stackNames(projectDir).join(", ") || "none, no Pulumi.<stack>.yaml exists"}`,
    );
  }
  const name = `Pulumi.${stack}.yaml`;
  const document = parseDocument(readFileSync(path, "utf8"));
  const [problem] = document.errors;
  if (problem !== undefined) throw new Error(`${name}: not YAML: ${problem.message}`);
  const content: unknown = document.toJS();
  const config = isObject(content) ? (content.config ?? {}) : {};
  if (!isObject(config)) throw new Error(`${name}: config: is not a mapping of keys to values`);

  const values: Record<string, Json> = {};
  const encryptedKeys: string[] = [];
  const nested: string[] = [];
  for (const [key, value] of Object.entries(config)) {
    const full = key.includes(":") ? key : `${project}:${key}`;
    if (isSecure(value)) encryptedKeys.push(full);
    else if (holdsSecure(value)) nested.push(full);
    else values[full] = value;
  }
  if (nested.length > 0) {
    throw new Error(
      `${name}: ${nested.join(", ")}: holds an encrypted value inside; the lab has no key to decrypt it and generates whole secrets only. ` +
        "Keep each secret under a key of its own: npx pulumi config set --secret <system>:<key>",
    );
  }
  return { path, values, encryptedKeys };
}

/** The stacks that have a file in `projectDir`, sorted. */
export function stackNames(projectDir: string): string[] {
  return readdirSync(projectDir)
    .map((file) => /^Pulumi\.([A-Za-z0-9_-]+)\.yaml$/.exec(file)?.[1])
    .filter((stack) => stack !== undefined)
    .sort();
}

/** The text form in which Pulumi's engines pass values to programs: strings as they are, everything else as JSON. */
export function toText(value: Json): string {
  return typeof value === "string" ? value : JSON.stringify(value);
}

export function isObject(value: unknown): value is { [key: string]: Json } {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** The value as an object; an empty one if it is not an object. */
export function objectAt(value: Json | undefined): { readonly [key: string]: Json } {
  return isObject(value) ? value : {};
}

function isSecure(value: Json): boolean {
  return isObject(value) && typeof value.secure === "string" && Object.keys(value).length === 1;
}

function holdsSecure(value: Json): boolean {
  if (Array.isArray(value)) return value.some((item) => isSecure(item) || holdsSecure(item));
  return isObject(value) && Object.values(value).some((item) => isSecure(item) || holdsSecure(item));
}
