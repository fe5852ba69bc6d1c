import { RunError } from "@pulumi/pulumi";
import { z } from "zod";
import { type BackupSecret, backupSecrets } from "./components/backup/backup-config.ts";
import { sharedNameProblems } from "./components/dns/records.ts";
import type { SiteHeaders } from "./components/edge/edge-config.ts";
import { passwordKey, passwordWarnings, setPassword } from "./components/host/registries.ts";
import type { ResolvedImage } from "./components/image.ts";
import {
  ageWarnings,
  reuseProblems,
  type SetSecret,
  type StackRecords,
} from "./components/secrets/records.ts";
import { generateCommand, secretProblem } from "./components/secrets/secret.ts";
import type { System } from "./components/system.ts";
import { neededAlertSecrets } from "./components/watch/alerts-config.ts";
import { fromText, parseEntries } from "./config/entries.ts";
import { heartbeatProblems, optionalSecretProblems, takeOptionalSecrets } from "./config/optional-secrets.ts";
import { type BerthConfig, berthSchema } from "./config/schema.ts";

/**
 * Reads the configuration of a stack, once; every problem is reported at once, with its path, the value (never
 * a secret), what is allowed and the command that fixes it.
 */

export interface SystemConfig {
  readonly definition: System;
  readonly host: string;
  readonly domain: string;
  readonly headers: SiteHeaders;
  readonly edgeNetwork: number;
  readonly settings: unknown;
  /** Keys of the system's secrets; the values stay with the engine. */
  readonly secretKeys: readonly string[];
}

export interface Config extends Omit<BerthConfig, "systems"> {
  readonly systems: Readonly<Record<string, SystemConfig>>;
  /** Warnings: the configuration can be used, but a person should look at it. */
  readonly warnings: readonly string[];
  /** The image that `berth:images` gives for a name and version. */
  image(name: string, version: string): ResolvedImage;
}

export interface ConfigSource {
  /** For messages: `production`. */
  readonly stack: string;
  /** Full keys (`berth:hosts`) to values, objects as JSON text, secrets decrypted. */
  readonly values: Readonly<Record<string, string>>;
  readonly isSecret: (key: string) => boolean;
  /** What the other stacks' files say that this one must not. */
  readonly otherStacks?: readonly StackRecords[];
  /** Default now. */
  readonly now?: Date;
}

/** A rule about a parsed configuration; returns one sentence for each problem. */
export type ConfigurationRule = (configuration: {
  readonly stack: string;
  readonly berth: BerthConfig;
  readonly systems: Readonly<Record<string, SystemConfig>>;
}) => string[];

/** The rules that apply once the configuration has been parsed. */
export interface Policies {
  /** What must never be deployed: any sentence refuses the configuration. */
  readonly rules: readonly ConfigurationRule[];
  /** Warnings: the configuration can be used, but a person should look at it. */
  readonly warnings: readonly ConfigurationRule[];
}

/** All problems of a stack's configuration. Pulumi prints it without a stack trace. */
export class ConfigError extends RunError {
  readonly problems: readonly string[];
  constructor(stack: string, problems: readonly string[]) {
    const count = problems.length === 1 ? "1 problem" : `${problems.length} problems`;
    super(`Pulumi.${stack}.yaml: ${count}\n${problems.map((problem) => `  ✖ ${problem}`).join("\n")}`);
    this.problems = problems;
  }
}

/** Private key of a given certificate. Apart from the systems' own secrets, only this and the registries' passwords are secret. */
const privateKey = { key: "tlsPrivateKeyPem", full: "berth:tlsPrivateKeyPem" } as const;

/** Namespaces of Pulumi's providers; Berth does not check their keys. */
const providerNamespaces = ["hcloud", "docker", "command", "random", "postgresql", "tls", "pulumi"];

/**
 * Parses the configuration of a stack.
 * @param definitions every system
 * @throws ConfigError with every problem found.
 */
export function parseConfig(
  source: ConfigSource,
  definitions: readonly System[],
  policies: Policies,
): Config {
  const problems: string[] = [];
  const namespaces = splitNamespaces(source, definitions, problems);
  const berth = parseBerth(source, namespaces.get("berth") ?? new Map(), problems);
  // The systems' problems are reported even when Berth's own part is invalid, so that one run reports all of them.
  const placed = berth?.systems ?? namedSystems(namespaces.get("berth")?.get("systems"));

  const systems: Record<string, SystemConfig> = {};
  const secrets: SetSecret[] = [];
  for (const [systemName, placement] of Object.entries(placed)) {
    const definition = definitions.find((candidate) => candidate.name === systemName);
    if (definition === undefined) {
      const known = definitions.map((candidate) => candidate.name).join(", ");
      problems.push(`berth:systems.${systemName}: no such system; use one of: ${known}`);
      continue;
    }
    if (berth !== undefined && berth.hosts[placement.host] === undefined) {
      const known = Object.keys(berth.hosts).join(", ");
      problems.push(
        `berth:systems.${systemName}.host: no host "${placement.host}" in berth:hosts; use one of: ${known}`,
      );
    }
    const entries = namespaces.get(systemName) ?? new Map<string, string>();
    const settings = parseSystem(source, definition, entries, problems);
    for (const [key, spec] of Object.entries(definition.secrets)) {
      const value = entries.get(key);
      if (value !== undefined) secrets.push({ key: `${systemName}:${key}`, value, spec });
    }
    if (settings === undefined) continue;
    systems[systemName] = {
      definition,
      ...placement,
      settings,
      secretKeys: Object.keys(definition.secrets),
    };
  }
  if (berth === undefined) throw new ConfigError(source.stack, problems);
  const read = { stack: source.stack, berth, systems };
  for (const rule of policies.rules) problems.push(...rule(read));
  const { stack, otherStacks: others = [], now = new Date() } = source;
  problems.push(...reuseProblems(secrets, { stack, environment: berth.environment, others }));
  const zones = berth.dns === undefined ? [] : [berth.dns.zone, ...berth.dns.otherZones];
  const domains = Object.fromEntries(Object.entries(systems).map(([name, { domain }]) => [name, domain]));
  problems.push(...sharedNameProblems({ zones, domains }, others));
  if (problems.length > 0) throw new ConfigError(source.stack, problems);
  const warnings = [
    ...policies.warnings.flatMap((rule) => rule(read)),
    ...ageWarnings(secrets, berth.secretRecords, { stack, now }),
    ...passwordWarnings(berth.registries, { stack, now }),
  ];
  return { ...berth, systems, warnings, image: (image, version) => resolveImage(berth, image, version) };
}

const siteHeaders: SiteHeaders = { hstsIncludeSubDomains: true, frames: "deny" };

/** The names in `berth:systems`, which may be invalid otherwise. */
function namedSystems(text: string | undefined): BerthConfig["systems"] {
  return Object.fromEntries(
    namesIn(text).map((name) => [name, { host: "", domain: "", headers: siteHeaders, edgeNetwork: 1 }]),
  );
}

/** The names in a mapping that may be invalid otherwise. */
function namesIn(text: string | undefined): string[] {
  const mapping = z.record(z.string(), z.unknown()).safeParse(fromText(text ?? "{}"));
  return mapping.success ? Object.keys(mapping.data) : [];
}

function splitNamespaces(source: ConfigSource, definitions: readonly System[], problems: string[]) {
  const known = ["berth", ...definitions.map((definition) => definition.name)];
  const namespaces = new Map<string, Map<string, string>>();
  for (const [key, value] of Object.entries(source.values)) {
    const separator = key.indexOf(":");
    const namespace = key.slice(0, separator);
    if (providerNamespaces.includes(namespace)) continue;
    if (!known.includes(namespace)) {
      problems.push(`${key}: unknown namespace "${namespace}"; use one of: ${known.join(", ")}`);
      continue;
    }
    const entries = namespaces.get(namespace) ?? new Map<string, string>();
    entries.set(key.slice(separator + 1), value);
    namespaces.set(namespace, entries);
  }
  return namespaces;
}

function parseBerth(
  source: ConfigSource,
  entries: Map<string, string>,
  problems: string[],
): BerthConfig | undefined {
  const plain = new Map(entries);
  const value = plain.get(privateKey.key);
  plain.delete(privateKey.key);
  const passwords = takePasswords(plain);
  const optional = takeOptionalSecrets(plain);
  const fix = setCommand(privateKey.full, "cat key.pem", source.stack);
  const berth = parseEntries("berth", plain, berthSchema, problems);
  if (value === undefined) {
    if (berth?.tls.kind === "certificate") {
      problems.push(`${privateKey.full}: missing; private key of berth:tls.certificatePem, PEM. ${fix}`);
    }
  } else if (!source.isSecret(privateKey.full)) {
    problems.push(`${privateKey.full}: is stored unencrypted. ${fix}`);
  }
  const needed = [
    ...(plain.has("backups") ? (Object.keys(backupSecrets) as BackupSecret[]) : []),
    ...neededAlertSecrets(fromText(plain.get("alerts") ?? "")),
  ];
  problems.push(...optionalSecretProblems(optional, needed, source));
  problems.push(
    ...heartbeatProblems(optional.get("alertsHeartbeatUrl"), namesIn(plain.get("hosts")), source.stack),
  );
  checkPasswords(source, passwords, namesIn(plain.get("registries")), problems);
  return berth;
}

/** Takes the registries' passwords out of the entries, so that the schema does not see them. */
function takePasswords(entries: Map<string, string>): Map<string, string> {
  const passwords = new Map([...entries].filter(([key]) => key.startsWith(passwordKey(""))));
  for (const key of passwords.keys()) entries.delete(key);
  return passwords;
}

/** Each registry has an encrypted password, and each password belongs to a registry. */
function checkPasswords(
  source: ConfigSource,
  passwords: ReadonlyMap<string, string>,
  registries: readonly string[],
  problems: string[],
): void {
  for (const address of registries) {
    const key = passwordKey(address);
    const value = passwords.get(key);
    const fix = `Set it: ${setPassword(address, source.stack)}`;
    if (value === undefined) {
      problems.push(`berth:${key}: missing; password of ${address} in berth:registries. ${fix}`);
    } else if (!source.isSecret(`berth:${key}`)) {
      problems.push(`berth:${key}: is stored unencrypted. ${fix}`);
    } else if (!/^[\x20-\x7e]+$/.test(value)) {
      problems.push(`berth:${key}: [secret] is empty or has characters that are not printable ASCII. ${fix}`);
    }
  }
  const known = registries.map(passwordKey);
  for (const key of passwords.keys()) {
    if (known.includes(key)) continue;
    const allowed = known.map((each) => `berth:${each}`).join(", ") || "nothing";
    problems.push(
      `berth:${key}: not in berth:registries, which has: ${allowed}. Remove it: npx pulumi config rm berth:${key} --stack ${source.stack}`,
    );
  }
}

function parseSystem(
  source: ConfigSource,
  definition: System,
  entries: Map<string, string>,
  problems: string[],
) {
  const plain = new Map(entries);
  for (const [key, spec] of Object.entries(definition.secrets)) {
    const value = plain.get(key);
    plain.delete(key);
    const full = `${definition.name}:${key}`;
    const fix = setCommand(full, generateCommand(spec.format), source.stack);
    if (value === undefined) {
      problems.push(`${full}: missing; ${spec.description}. ${fix}`);
    } else if (!source.isSecret(full)) {
      problems.push(`${full}: is stored unencrypted. ${fix}`);
    } else {
      const problem = secretProblem(spec.format, value);
      if (problem !== undefined) problems.push(`${full}: [secret] ${problem}. ${fix}`);
    }
  }
  const { name, settings } = definition;
  const secretKeys = Object.keys(definition.secrets);
  const encrypted = [...plain.keys()].filter((key) => source.isSecret(`${name}:${key}`));
  for (const key of encrypted) {
    const own = secretKeys.map((secretKey) => `${name}:${secretKey}`).join(", ");
    problems.push(
      `${name}:${key}: [secret] contains an encrypted value, but settings are not secret and are stored unencrypted on the host; the secrets are ${own}. ` +
        `Set it without --secret, or declare a secret in stacks/${name}.ts`,
    );
  }
  // The problem of such a value is not printed, because it would show the value.
  const said: string[] = [];
  const parsed = parseEntries(name, plain, settings, said, secretKeys);
  const shown = (problem: string) =>
    !encrypted.some((key) => [":", "."].some((end) => problem.startsWith(`${name}:${key}${end}`)));
  problems.push(...said.filter(shown));
  return encrypted.length === 0 ? parsed : undefined;
}

function setCommand(key: string, producer: string, stack: string): string {
  return `Set it: ${producer} | npx pulumi config set --secret ${key} --stack ${stack}`;
}

function resolveImage(berth: BerthConfig, image: string, version: string): ResolvedImage {
  const entry = berth.images[image];
  if (entry === undefined)
    throw new Error(`image ${image} is not in berth:images, although the configuration was checked`);
  const digest = entry.digests[version];
  const reference = digest ? `${entry.repository}@${digest}` : `${entry.repository}:${version}`;
  return { name: image, version, reference, allowRoot: entry.allowRoot };
}
