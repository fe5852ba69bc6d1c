/** Recordings as files. Secrets are objects with one key; keys are sorted, because plugins answer in a random order. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { isList, isMap, type PropertyMap, Secret, type Value } from "../../lab/pulumi/engine/values.ts";
import type { Recording } from "./format.ts";

const secretKey = "$secret";

/** The file of a type: `docker.Service.json`. */
export function recordingFile(type: string): string {
  const [plugin, , name] = type.split(":");
  return join(import.meta.dirname, "recorded", `${plugin}.${name}.json`);
}

function encode(value: Value): Value {
  if (value instanceof Secret) return { [secretKey]: encode(value.element) };
  if (isList(value)) return value.map(encode);
  if (!isMap(value)) return value;
  const known = Object.entries(value).filter(([, inner]) => inner !== undefined);
  return Object.fromEntries(
    known.sort(([a], [b]) => (a < b ? -1 : 1)).map(([key, inner]) => [key, encode(inner)]),
  );
}

function decode(value: Value): Value {
  if (isList(value)) return value.map(decode);
  if (!isMap(value)) return value;
  if (secretKey in value) return new Secret(decode(value[secretKey] ?? null));
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, decode(inner)]));
}

export function writeRecording(recording: Recording): void {
  const { cases, ...head } = recording;
  const text = JSON.stringify({ ...head, cases: encode(cases as unknown as PropertyMap) }, undefined, 1);
  writeFileSync(recordingFile(recording.type), `${text}\n`);
}

export function readRecording(type: string): Recording {
  const { cases, ...head } = JSON.parse(readFileSync(recordingFile(type), "utf8")) as Recording;
  return { ...head, cases: decode(cases as unknown as PropertyMap) as unknown as Recording["cases"] };
}
