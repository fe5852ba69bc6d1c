import { scrypt, scryptSync } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { parse } from "yaml";
import { z } from "zod";
import { canBeGuessed, generateCommand, type SecretSpec } from "./secret.ts";

/**
 * What a stack's file says, in clear, about the secrets that it holds encrypted: since when each has its value, and a
 * fingerprint by which another environment notices that it was given the same one. `npm run ops -- record-secrets` keeps it.
 */
export const secretRecordsSchema = z.record(
  z.string(),
  z.strictObject({
    /** {@link fingerprint} of the value. */
    fingerprint: z
      .string()
      .regex(
        /^[0-9a-f]{16}$/,
        "is not a fingerprint; use 16 hex digits, as npm run ops -- record-secrets writes them",
      ),
    /** The day on which the value was set. */
    since: z.iso.date('is not a date; use a form like "2026-01-28", with the quotes'),
  }),
);

export type SecretRecords = z.infer<typeof secretRecordsSchema>;

/** What another stack's file says that this one must not say too. */
export interface StackRecords {
  readonly stack: string;
  readonly environment: string;
  readonly records: SecretRecords;
  /** Zones of its `berth:dns`, and domains of its systems. */
  readonly zones?: readonly string[];
  readonly domains?: readonly string[];
}

/** Fingerprints that this process has made: several checks ask for each. */
const fingerprints = new Map<string, string>();
const cost = { N: 2 ** 14, r: 8, p: 1, maxmem: 64 * 2 ** 20 };
const bytes = 8;
const saltOf = (key: string) => `berth:${key}`;
const nameOf = (key: string, value: string) => JSON.stringify([key, value]);

/**
 * Names a value without telling it: slow on purpose, salted with the key's name, and shortened. It is committed, so a value that
 * can be guessed could be found by trying; the formats of secrets ask for far more than anybody can try.
 */
export function fingerprint(key: string, value: string): string {
  const known = fingerprints.get(nameOf(key, value));
  if (known !== undefined) return known;
  const made = scryptSync(value, saltOf(key), bytes, cost).toString("hex");
  fingerprints.set(nameOf(key, value), made);
  return made;
}

/** Makes the fingerprints of several values at the same time, on Node's threads: {@link fingerprint} then has them. */
export async function prepareFingerprints(
  secrets: readonly (readonly [key: string, value: string])[],
): Promise<void> {
  const make = promisify<string, string, number, typeof cost, Buffer>(scrypt);
  await Promise.all(
    secrets.map(async ([key, value]) => {
      const made = await make(value, saltOf(key), bytes, cost);
      fingerprints.set(nameOf(key, value), made.toString("hex"));
    }),
  );
}

/** What the stack files of a folder say, but for one stack's. What cannot be read there is its own stack's problem. */
export function otherStacksRecords(projectDir: string, stack: string): StackRecords[] {
  const file = z.object({
    config: z.object({
      "berth:environment": z.string(),
      "berth:secretRecords": secretRecordsSchema.default({}),
      "berth:dns": z
        .object({ zone: z.string(), otherZones: z.array(z.string()).default([]) })
        .transform(({ zone, otherZones }) => [zone, ...otherZones])
        .catch([]),
      "berth:systems": z
        .record(z.string(), z.object({ domain: z.string() }))
        .transform((systems) => Object.values(systems).map(({ domain }) => domain))
        .catch([]),
    }),
  });
  return readdirSync(projectDir).flatMap((name) => {
    const other = /^Pulumi\.([A-Za-z0-9_-]+)\.yaml$/.exec(name)?.[1];
    if (other === undefined || other === stack) return [];
    const content = file.safeParse(readYaml(join(projectDir, name)));
    if (!content.success) return [];
    const { config } = content.data;
    return [
      {
        ...{ stack: other, environment: config["berth:environment"], records: config["berth:secretRecords"] },
        ...{ zones: config["berth:dns"], domains: config["berth:systems"] },
      },
    ];
  });
}

function readYaml(path: string): unknown {
  try {
    return parse(readFileSync(path, "utf8"));
  } catch {
    return undefined;
  }
}

/** A secret with its value, as the checks need it. */
export interface SetSecret {
  /** `togather:jwtSecret`. */
  readonly key: string;
  readonly value: string;
  readonly spec: SecretSpec;
}

/** What is wrong with secrets that another environment has too: never the value. */
export function reuseProblems(
  secrets: readonly SetSecret[],
  about: { readonly stack: string; readonly environment: string; readonly others: readonly StackRecords[] },
): string[] {
  return secrets.flatMap(({ key, value, spec }) => {
    if (canBeGuessed(spec.format)) return [];
    const candidates = about.others.filter(
      ({ environment, records }) => environment !== about.environment && records[key] !== undefined,
    );
    if (candidates.length === 0) return [];
    const own = fingerprint(key, value);
    return candidates
      .filter(({ records }) => records[key]?.fingerprint === own)
      .map(
        (other) =>
          `${key}: [secret] is the one of the stack ${other.stack} (${other.environment}); each environment has secrets of its own. ` +
          `Set it: ${generateCommand(spec.format)} | npx pulumi config set --secret ${key} --stack ${about.stack}`,
      );
  });
}

const dayMilliseconds = 86_400_000;

/** What a person should do about secrets although they work: rotate those past their age, record those without a record. */
export function ageWarnings(
  secrets: readonly SetSecret[],
  records: SecretRecords,
  about: { readonly stack: string; readonly now: Date },
): string[] {
  const recordable = secrets.filter(({ spec }) => !canBeGuessed(spec.format));
  const recorded = recordable.filter(({ key, value }) => {
    const record = records[key];
    return record !== undefined && record.fingerprint === fingerprint(key, value);
  });
  const past = recorded.flatMap(({ key, spec }) => {
    const days = daysSince(records[key]?.since, about.now);
    if (spec.rotateAfterDays === undefined || days <= spec.rotateAfterDays) return [];
    return [
      `${key}: is ${days} days old, to be rotated after ${spec.rotateAfterDays}. Rotate it: ${generateCommand(spec.format)} | ` +
        `npx pulumi config set --secret ${key} --stack ${about.stack}, then npm run ops -- record-secrets --stack ${about.stack}`,
    ];
  });
  const unknown = recordable.filter((secret) => !recorded.includes(secret)).map(({ key }) => key);
  if (unknown.length === 0) return past;
  return [
    ...past,
    `${unknown.join(", ")}: set, but not recorded, so neither age nor use in another environment is seen. ` +
      `Record it: npm run ops -- record-secrets --stack ${about.stack}`,
  ];
}

/** Whole days from the beginning of a day until now. */
export function daysSince(day: string | undefined, now: Date): number {
  return Math.floor((now.getTime() - Date.parse(day ?? "")) / dayMilliseconds);
}

/** The records after a look at the values: kept where the value is the same, of today where it is new, gone with the secret. */
export function updatedRecords(
  values: Readonly<Record<string, string>>,
  records: SecretRecords,
  today: string,
): SecretRecords {
  return Object.fromEntries(
    Object.entries(values).map(([key, value]) => {
      const now = { fingerprint: fingerprint(key, value), since: today };
      const known = records[key];
      return [key, known?.fingerprint === now.fingerprint ? known : now];
    }),
  );
}
