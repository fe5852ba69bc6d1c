import { existsSync, readFileSync } from "node:fs";
import { prepareFingerprints } from "../../components/secrets/records.ts";
import { pebbleFiles } from "../acme/pebble.ts";
import type { LabHome } from "../home.ts";
import { ensureAuthority } from "../images/index.ts";
import { stackCertificate } from "./certificate.ts";
import { checkedConfiguration, formatOf, type StackConfiguration } from "./check.ts";
import { cloudToken } from "./cloud-access.ts";
import { generatedRecords, generatedSecrets } from "./generated-secrets.ts";
import { type Overrides, overriddenValues } from "./overrides.ts";
import type { PlannedStack } from "./planned-stack.ts";
import { registryPasswordFormat, registryPasswordKey, setRegistryLogin } from "./registry-login.ts";
import { labSshKey } from "./ssh-key.ts";

/** Creates what the plan needs (key, certificate, secrets, each once per lab) and returns the configuration for the engine. */
export async function configureStack(
  planned: PlannedStack,
  images: Overrides["images"],
  home: LabHome,
): Promise<StackConfiguration> {
  const { request, registryLogin } = planned;
  const { roots } = pebbleFiles(home);
  const generated = generatedSecrets(home.stateDir, request.stack);
  const registryPassword =
    registryLogin === undefined ? "" : generated.get(registryPasswordKey, registryPasswordFormat);
  setRegistryLogin(home, registryLogin, registryPassword);
  const secrets = planned.generatedKeys.map(
    (key) => [key, generated.get(key, formatOf(request.definitions, key))] as const,
  );
  await prepareFingerprints(secrets);
  const overrides: Overrides = {
    images,
    ssh: await labSshKey(home.stateDir),
    certificate: request.acme ? undefined : await stackCertificate(home, request.stack, planned.domains),
    authorityPem: (await ensureAuthority(home)).certificatePem,
    issuerPem: request.acme && existsSync(roots) ? readFileSync(roots, "utf8") : undefined,
    token: cloudToken(home),
    secret: (key) => generated.get(key, formatOf(request.definitions, key)),
    registryPassword,
    secretRecords: generatedRecords(home.stateDir, request.stack, secrets),
  };
  return checkedConfiguration(planned, overriddenValues(planned, overrides, home));
}

/**
 * Generates new values for `--rotate system:key`.
 * @throws when a key is not a secret of a system in `planned`, before any is rotated.
 */
export function rotateSecrets(planned: PlannedStack, keys: readonly string[], home: LabHome): void {
  const { stack, definitions } = planned.request;
  const allowed = [
    ...planned.generatedKeys,
    ...(planned.registryLogin === undefined ? [] : [registryPasswordKey]),
  ];
  for (const key of keys) {
    if (!allowed.includes(key)) {
      throw new Error(`--rotate: "${key}" is not a secret of this run; use one of: ${allowed.join(", ")}`);
    }
  }
  const generated = generatedSecrets(home.stateDir, stack);
  for (const key of keys) generated.rotate(key, formatOf(definitions, key));
}
