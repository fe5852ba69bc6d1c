import { readFileSync } from "node:fs";
import { parse } from "yaml";
import { leaveOut } from "../../lab/stack/plan.ts";
import type { Json } from "../../lab/stack/stack-file.ts";
import { sertantai } from "../../stacks/sertantai.ts";

/** The committed configurations, completed with the values that a team sets itself. */

/** Secrets that an operator would set, long enough to be found wherever they are printed. */
export const testSecrets: Readonly<Record<string, string>> = {
  "togather:jwtSecret": Buffer.from("canary-jwt-secret-0123456789abcdef").toString("base64"),
  "togather:adminApiKey": Buffer.from("canary-admin-api-key-0123456789ab").toString("hex"),
  "mfa:airtableAccessToken": "canary-airtable-access-token",
  "mfa:airtableBaseId": "canary-airtable-base-id",
  "mfa:jwtSecret": Buffer.from("canary-mfa-jwt-secret-0123456789abcdef").toString("base64"),
  "mfa:openaiApiKey": "canary-openai-api-key",
  "mfa:smtpServer": "canary.mail.example",
  "mfa:smtpPort": "58765",
  "mfa:smtpUser": "canary-smtp-user",
  "mfa:smtpPassword": "canary-smtp-password",
  "mfa:smtpFrom": "canary@mail.example",
  "connected-repo:sessionSecret": "canary-session-secret-0123456789abcdef",
  "connected-repo:googleClientSecret": "canary-google-client-secret",
  "gadgetbot:betterAuthSecret": Buffer.from("canary-better-auth-secret-0123456789").toString("base64"),
  "gadgetbot:zitadelMasterkey": "canaryZitadelMasterkey0123456789",
  "gadgetbot:zitadelAdminPassword": "Canary-zitadel-admin-password-1",
  // Those of every microservice too.
  ...Object.fromEntries(
    Object.entries(sertantai.secrets).map(([key, { format }]) => [
      `sertantai:${key}`,
      format.kind === "text"
        ? `canary-${key}-`.padEnd(format.minimumLength + 8, "0")
        : Buffer.from(`canary-${key}-0123456789abcdef`).toString("base64"),
    ]),
  ),
};

/** Versions of images that the stacks use, for all systems and for single ones. */
const versions: Readonly<Record<string, readonly string[]>> = {
  berth: ["1.28.3", "v1.0.0", "16"],
  mfa: ["3.6.12", "16-alpine", "7-alpine"],
  registry: ["3.0.0"],
  gadgetbot: ["3.6.12", "v4.17.3", "17"],
  sertantai: ["1.4.0", "7"],
};

/** A given certificate, instead of the committed stacks' ACME. */
export const givenCertificate: Readonly<Record<string, string>> = {
  "berth:tls": JSON.stringify({
    kind: "certificate",
    certificatePem: "-----BEGIN CERTIFICATE-----\nexample\n-----END CERTIFICATE-----\n",
  }),
  "berth:tlsPrivateKeyPem":
    "-----BEGIN PRIVATE KEY-----\ncanary-tls-private-key\n-----END PRIVATE KEY-----\n",
};

/** A registry with a login, and its password. */
export const givenLogin: Readonly<Record<string, string>> = {
  "berth:registries": JSON.stringify({ "ghcr.io": { user: "deploy" } }),
  "berth:registryPassword.ghcr.io": "canary-registry-password",
};

/** The systems of a stack's file. */
export function systemsOf(stack: string): string[] {
  const file: unknown = parse(readFileSync(new URL(`../../Pulumi.${stack}.yaml`, import.meta.url), "utf8"));
  return Object.keys((file as { config: { "berth:systems": object } }).config["berth:systems"]);
}

/** The committed configuration of a stack, completed with a team's values, with only these systems and their hosts; without backups and alerts. */
export function completeConfig(
  stack: string,
  systems: readonly string[] = ["togather"],
): { values: Record<string, string>; secretKeys: string[] } {
  const file: unknown = parse(readFileSync(new URL(`../../Pulumi.${stack}.yaml`, import.meta.url), "utf8"));
  const committed = (file as { config: Record<string, Json> }).config;
  const others = systemsOf(stack).filter((name) => !systems.includes(name));
  leaveOut(committed, others);
  delete committed["berth:backups"];
  delete committed["berth:alerts"];
  for (const key of Object.keys(committed))
    if (others.includes(key.split(":")[0] ?? "")) delete committed[key];
  // Zones of the other systems' domains alone.
  const dns = committed["berth:dns"] as { otherZones?: string[] };
  const domains = Object.values(committed["berth:systems"] as Record<string, { domain: string }>).map(
    ({ domain }) => domain,
  );
  const zones = dns.otherZones?.filter((zone) => domains.some((name) => `.${name}`.endsWith(`.${zone}`)));
  if (zones !== undefined) dns.otherZones = zones;
  const secrets = Object.fromEntries(
    Object.entries(testSecrets).filter(([key]) => systems.includes(key.split(":")[0] ?? "")),
  );
  const digest = `sha256:${"ab".repeat(32)}`;
  const known = ["berth", ...systems].flatMap((name) => versions[name] ?? []);
  const images = Object.fromEntries(
    Object.entries(committed["berth:images"] as Record<string, { repository: string }>)
      .filter(([image]) => !others.includes(image.split("/")[0] ?? ""))
      .map(([image, entry]) => [
        image,
        { ...entry, digests: Object.fromEntries(known.map((version) => [version, digest])) },
      ]),
  );
  const added = {
    "berth:images": images,
    "berth:ssh": { authorizedKeys: ["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIexample deploy@example"] },
    ...secrets,
  };
  const values = Object.fromEntries(
    Object.entries({ ...committed, ...added }).map(([key, value]) => [
      key,
      typeof value === "string" ? value : JSON.stringify(value),
    ]),
  );
  return {
    values,
    secretKeys: [...Object.keys(testSecrets), "berth:tlsPrivateKeyPem", ...Object.keys(givenLogin).slice(1)],
  };
}
