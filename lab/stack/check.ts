import { otherStacksRecords } from "../../components/secrets/records.ts";
import type { SecretFormat } from "../../components/secrets/secret.ts";
import type { System } from "../../components/system.ts";
import { neededAlertSecrets } from "../../components/watch/alerts-config.ts";
import { backupSecretKeys } from "../../config/optional-secrets.ts";
import { parseConfig } from "../../config.ts";
import { policies } from "../../policy/configuration.ts";
import type { LabHome } from "../home.ts";
import { tokenCharacters } from "./cloud-access.ts";
import { generateSecret } from "./generated-secrets.ts";
import { imageKey, type Overrides, overriddenValues, tokenKey } from "./overrides.ts";
import type { PlannedStack } from "./planned-stack.ts";
import { registryPasswordFormat, registryPasswordKey, withGeneratedPasswords } from "./registry-login.ts";
import { isObject, type Json, objectAt, toText } from "./stack-file.ts";

/** What the engine gets. */
export interface StackConfiguration {
  readonly config: Readonly<Record<string, string>>;
  readonly secretKeys: readonly string[];
}

/**
 * Checks a plan before anything is created, with placeholders for values that are created later.
 * @throws ConfigError with all problems.
 */
export function checkPlan(planned: PlannedStack, home: LabHome): void {
  const substitutes = placeholders(planned);
  checkedConfiguration(planned, asWritten(planned, substitutes));
  checkedConfiguration(planned, overriddenValues(planned, substitutes, home));
}

/**
 * The values for the engine, checked with the program's schema and policies.
 * @throws ConfigError with all problems.
 */
export function checkedConfiguration(
  planned: PlannedStack,
  { values, secretKeys }: { values: Readonly<Record<string, Json>>; secretKeys: readonly string[] },
): StackConfiguration {
  const { stack, projectDir, definitions } = planned.request;
  const config = Object.fromEntries(Object.entries(values).map(([key, value]) => [key, toText(value)]));
  const secret = new Set(secretKeys);
  const otherStacks = otherStacksRecords(projectDir, stack);
  parseConfig(
    { stack, values: config, isSecret: (key) => secret.has(key), otherStacks },
    definitions,
    policies,
  );
  return { config, secretKeys };
}

/**
 * The stack file with its own values: the lab's replacements must not hide invalid ones. Only values that are not in the file before
 * the first `pulumi up` are filled in: secrets, digests, public keys of operators.
 */
function asWritten({ values, images, generatedKeys }: PlannedStack, substitutes: Overrides) {
  const written: Record<string, Json> = { ...values };
  const map = written["berth:images"];
  if (isObject(map)) {
    written["berth:images"] = Object.fromEntries(
      Object.entries(map).map(([name, entry]) => {
        const uses = images.filter((image) => image.name === name);
        const made = uses.map(({ version }) => [
          version,
          substitutes.images.get(imageKey(name, version))?.digest ?? "",
        ]);
        const { digests } = objectAt(entry);
        if (!isObject(entry) || (digests !== undefined && !isObject(digests))) return [name, entry];
        return [name, { ...entry, digests: { ...Object.fromEntries(made), ...objectAt(digests) } }];
      }),
    );
  }
  written["berth:ssh"] ??= { authorizedKeys: [substitutes.ssh.publicKey] };
  const secretKeys = [...generatedKeys, tokenKey];
  for (const key of generatedKeys) written[key] = substitutes.secret(key);
  if (objectAt(written["berth:tls"]).kind === "certificate") {
    written["berth:tlsPrivateKeyPem"] = "-----BEGIN PRIVATE KEY-----";
    secretKeys.push("berth:tlsPrivateKeyPem");
  }
  withGeneratedPasswords(written, secretKeys);
  if (written["berth:backups"] !== undefined) {
    for (const key of backupSecretKeys) written[key] = substitutes.secret(key);
    secretKeys.push(...backupSecretKeys);
  }
  for (const key of neededAlertSecrets(written["berth:alerts"])) {
    written[`berth:${key}`] =
      key === "alertsEmailPassword" ? "placeholder" : `https://placeholder.example/${key}/{host}`;
    secretKeys.push(`berth:${key}`);
  }
  return { values: written, secretKeys };
}

/** Placeholders for values that are created after the check. */
function placeholders({ request, images }: PlannedStack): Overrides {
  const digest = `sha256:${"0".repeat(64)}`;
  const certificate = "-----BEGIN CERTIFICATE-----\nplaceholder\n-----END CERTIFICATE-----\n";
  return {
    images: new Map(
      images.map(({ name, version, pushed }) => [
        imageKey(name, version),
        pushed ?? { repository: `registry.berth.lab:5000/${name}`, digest },
      ]),
    ),
    ssh: { publicKey: "ssh-ed25519 placeholder", identityFile: "placeholder" },
    certificate: request.acme
      ? undefined
      : { chainPem: certificate, privateKeyPem: "-----BEGIN PRIVATE KEY-----" },
    authorityPem: certificate,
    issuerPem: certificate,
    token: "0".repeat(tokenCharacters),
    secretRecords: {},
    registryPassword: "made-up",
    secret: (key) => generateSecret(formatOf(request.definitions, key)),
  };
}

/**
 * The format of a secret that the lab generates, by its full key.
 * @throws when no system declares it.
 */
export function formatOf(definitions: readonly System[], key: string): SecretFormat {
  if (key === registryPasswordKey) return registryPasswordFormat;
  if (backupSecretKeys.includes(key)) return { kind: "text", minimumLength: 32 };
  const [namespace = "", name = ""] = key.split(":");
  const spec = definitions.find((definition) => definition.name === namespace)?.secrets[name];
  if (spec === undefined) throw new Error(`no system declares the secret ${key}`);
  return spec.format;
}
