import type { SecretRecords } from "../../components/secrets/records.ts";
import { alertSecretKeys, backupSecretKeys } from "../../config/optional-secrets.ts";
import { pebbleDirectory } from "../acme/pebble.ts";
import { labStore } from "../backups/address.ts";
import { hasIpv6 } from "../docker/index.ts";
import type { LabHome } from "../home.ts";
import type { StackCertificate } from "./certificate.ts";
import { cloudEndpoint } from "./cloud-access.ts";
import type { PlannedStack } from "./planned-stack.ts";
import { buildsOf } from "./pushes.ts";
import { overrideRegistries } from "./registry-login.ts";
import type { SshKey } from "./ssh-key.ts";
import { isObject, type Json, objectAt } from "./stack-file.ts";

/** The values with which the lab replaces committed ones; see {@link overriddenValues}. */
export interface Overrides {
  readonly images: ReadonlyMap<string, { readonly repository: string; readonly digest: string }>;
  readonly ssh: SshKey;
  /** From the lab's own authority; undefined when Pebble issues it. */
  readonly certificate: StackCertificate | undefined;
  /** The lab's authority, PEM. */
  readonly authorityPem: string;
  /** It and Pebble's, which no machine trusts; undefined when Pebble does not issue. */
  readonly issuerPem: string | undefined;
  readonly token: string;
  readonly secret: (key: string) => string;
  readonly registryPassword: string;
  /** Age and fingerprint of the generated secrets. */
  readonly secretRecords: SecretRecords;
}

export const tokenKey = "hcloud:token";

/** The configuration of a run with the lab's values, and the keys that are secret. */
export function overriddenValues(
  planned: PlannedStack,
  overrides: Overrides,
  home: LabHome,
): { readonly values: Readonly<Record<string, Json>>; readonly secretKeys: readonly string[] } {
  const values: Record<string, Json> = { ...planned.values };
  const imageMap = values["berth:images"];
  if (isObject(imageMap)) {
    values["berth:images"] = Object.fromEntries(
      Object.entries(imageMap).map(([name, entry]) => {
        const uses = planned.images.filter((image) => image.name === name);
        const digests: Record<string, string> = {};
        let repository: string | undefined;
        for (const { version } of uses) {
          const resolved = overrides.images.get(imageKey(name, version));
          if (resolved === undefined) continue;
          digests[version] = resolved.digest;
          repository = resolved.repository;
        }
        return [name, repository === undefined ? entry : { ...objectAt(entry), repository, digests }];
      }),
    );
  }
  const hosts = values["berth:hosts"];
  if (isObject(hosts)) {
    values["berth:hosts"] = Object.fromEntries(
      Object.entries(hosts).map(([name, host]) => [
        name,
        isObject(host)
          ? {
              ...host,
              sshAllowedFrom: sshAllowedFrom(home, host.sshAllowedFrom),
              // Where the kernel has none, a host is rehearsed without.
              ...(hasIpv6() ? {} : { ipv6: false }),
            }
          : host,
      ]),
    );
  }
  const { authorizedKeys: own } = objectAt(values["berth:ssh"]);
  const keys = Array.isArray(own) ? own.filter((key) => key !== overrides.ssh.publicKey) : [];
  values["berth:ssh"] = {
    authorizedKeys: [...keys, overrides.ssh.publicKey],
    identityFile: overrides.ssh.identityFile,
  };
  const { certificate } = overrides;
  if (certificate === undefined) {
    const { email } = objectAt(values["berth:tls"]);
    values["berth:tls"] = {
      kind: "acme",
      directory: pebbleDirectory(home),
      email: typeof email === "string" ? email : "lab@berth.example",
      trustedAuthorityPem: overrides.authorityPem,
      ...(overrides.issuerPem === undefined ? {} : { issuerPem: overrides.issuerPem }),
    };
  } else {
    const { chainPem: certificatePem } = certificate;
    values["berth:tls"] = { kind: "certificate", certificatePem, issuerPem: overrides.authorityPem };
    values["berth:tlsPrivateKeyPem"] = certificate.privateKeyPem;
  }
  values["berth:builds"] = buildsOf(planned.values, planned.registries);
  values[tokenKey] = overrides.token;
  values["hcloud:endpoint"] = cloudEndpoint(home);
  for (const key of planned.generatedKeys) values[key] = overrides.secret(key);
  // The records in the file are about the real secrets.
  values["berth:secretRecords"] = overrides.secretRecords;
  delete values["berth:backups"];
  // A rehearsal tells nobody.
  delete values["berth:alerts"];
  for (const key of [...backupSecretKeys, ...alertSecretKeys]) delete values[key];
  const backupKeys = planned.request.backups ? backupSecretKeys : [];
  if (planned.request.backups) {
    const store = labStore(home, overrides.authorityPem);
    values["berth:backups"] = { ...objectAt(planned.values["berth:backups"]), store };
    for (const key of backupKeys) values[key] = overrides.secret(key);
  }
  const given = certificate === undefined ? [] : ["berth:tlsPrivateKeyPem"];
  const secretKeys = [...given, tokenKey, ...planned.generatedKeys, ...backupKeys];
  overrideRegistries(values, secretKeys, planned.registryLogin, overrides.registryPassword);
  return { values, secretKeys };
}

/** This machine, and those of the stack's networks that are in the lab's range. */
function sshAllowedFrom(home: LabHome, own: Json | undefined): Json {
  const prefix = home.subnet.replace(/0\/24$/, "");
  const inLab = Array.isArray(own) ? own.filter((one) => String(one).startsWith(prefix)) : [];
  return [`${home.gateway}/32`, ...inLab];
}

/** Key of {@link Overrides}' images. */
export function imageKey(name: string, version: string): string {
  return `${name}@${version}`;
}
