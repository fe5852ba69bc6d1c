import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Document, isScalar, parseDocument, Scalar, visit } from "yaml";
import { z } from "zod";
import {
  daysSince,
  type SecretRecords,
  secretRecordsSchema,
  updatedRecords,
} from "../components/secrets/records.ts";
import { canBeGuessed } from "../components/secrets/secret.ts";
import type { System } from "../components/system.ts";
import { renderTable } from "../components/table.ts";
import type { RunCommand } from "./run.ts";

/** `pulumi config --show-secrets --json`: the only place where values are read; only fingerprints of them are used. */
const shownConfig = z.record(
  z.string(),
  z.object({ value: z.string().default(""), secret: z.boolean().default(false) }),
);

interface RecordedSecrets {
  readonly file: string;
  readonly secrets: readonly {
    readonly key: string;
    readonly since: string;
    readonly change: "new" | "rotated" | "same";
  }[];
}

/**
 * Writes the date of each secret's current value and its fingerprint into Pulumi.<stack>.yaml. To be run after each
 * `pulumi config set --secret`, and committed with it. The values are decrypted by pulumi and never printed.
 */
export async function recordSecrets(options: {
  readonly projectDir: string;
  readonly stack: string;
  readonly definitions: readonly System[];
  readonly run: RunCommand;
  readonly now?: Date;
}): Promise<RecordedSecrets> {
  const { projectDir, stack, definitions, run } = options;
  const name = `Pulumi.${stack}.yaml`;
  const path = join(projectDir, name);
  const document = parseDocument(readFileSync(path, "utf8"));
  const [problem] = document.errors;
  if (problem !== undefined) throw new Error(`${name}: not YAML: ${problem.message}`);
  const before = secretRecordsSchema.catch({}).parse(document.toJS()?.config?.["berth:secretRecords"] ?? {});
  const args = ["config", "--show-secrets", "--json", "--stack", stack, "--non-interactive"];
  const shown = shownConfig.parse(JSON.parse(await run("pulumi", args, { timeoutSeconds: 60 })));
  const values: Record<string, string> = {};
  for (const definition of definitions) {
    for (const [key, { format }] of Object.entries(definition.secrets)) {
      const full = `${definition.name}:${key}`;
      const entry = shown[full];
      if (entry === undefined) continue;
      if (!entry.secret) throw new Error(`${name}: ${full}: is stored in clear; set it with --secret first`);
      if (!canBeGuessed(format)) values[full] = entry.value;
    }
  }
  const today = (options.now ?? new Date()).toISOString().slice(0, 10);
  const after = updatedRecords(values, before, today);
  writeRecords(document, after);
  writeFileSync(path, document.toString({ lineWidth: 0 }));
  return {
    file: name,
    secrets: Object.entries(after).map(([key, { fingerprint, since }]) => ({
      key,
      since,
      change:
        before[key] === undefined ? "new" : before[key].fingerprint === fingerprint ? "same" : "rotated",
    })),
  };
}

/** Quoted, because some YAML parsers read a date as a time and sixteen hex digits as a number. */
function writeRecords(document: Document, records: SecretRecords): void {
  const node = document.createNode(records);
  visit(node, {
    Scalar: (key, scalar) => {
      if (key === "value" && isScalar(scalar)) scalar.type = Scalar.QUOTE_DOUBLE;
    },
  });
  document.setIn(["config", "berth:secretRecords"], node);
}

export function renderRecorded({ file, secrets }: RecordedSecrets): string {
  if (secrets.length === 0) return `${file}: no secret is set`;
  const rows = secrets.map(({ key, since, change }) => [key, since, change]);
  return `${renderTable(["secret", "since", "change"], rows)}\n\nWritten into ${file}; commit it.`;
}

/**
 * The rotation interval in days of a Swarm secret's value, if it is exceeded. The Swarm secret is found by the
 * name of its resource, `togather_app-jwt-secret` for `togather:jwtSecret`.
 */
export function overdue(
  resource: string,
  createdAt: string,
  definitions: readonly System[],
  now = new Date(),
): number | undefined {
  for (const { name, secrets } of definitions) {
    for (const [key, { rotateAfterDays }] of Object.entries(secrets)) {
      const words = key.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
      if (rotateAfterDays === undefined) continue;
      if (!resource.startsWith(`${name}_`) || !resource.endsWith(`-${words}`)) continue;
      if (daysSince(createdAt, now) > rotateAfterDays) return rotateAfterDays;
    }
  }
  return undefined;
}
