import type { LabHome } from "../home.ts";
import { ensureAuthority } from "../images/index.ts";
import { stackCertificate } from "./certificate.ts";
import { checkedConfiguration, formatOf, type StackConfiguration } from "./check.ts";
import { cloudToken } from "./cloud-access.ts";
import { inventedRecords, inventedSecrets } from "./invented-secrets.ts";
import { type Overrides, overriddenValues } from "./overrides.ts";
import type { PlannedStack } from "./planned-stack.ts";
import { registryPasswordFormat, registryPasswordKey, setRegistryLogin } from "./registry-login.ts";
import { labSshKey } from "./ssh-key.ts";

/** Makes what the plan needs (key, certificate, secrets, each once a lab) and returns what the engine gets. */
export async function configureStack(
  planned: PlannedStack,
  images: Overrides["images"],
  home: LabHome,
): Promise<StackConfiguration> {
  const { request, registryLogin } = planned;
  const invented = inventedSecrets(home.stateDir, request.stack);
  const registryPassword =
    registryLogin === undefined ? "" : invented.get(registryPasswordKey, registryPasswordFormat);
  setRegistryLogin(home, registryLogin, registryPassword);
  const overrides: Overrides = {
    images,
    ssh: await labSshKey(home.stateDir),
    certificate: request.acme ? undefined : await stackCertificate(home, request.stack, planned.domains),
    authorityPem: (await ensureAuthority(home)).certificatePem,
    token: cloudToken(home),
    secret: (key) => invented.get(key, formatOf(request.definitions, key)),
    registryPassword,
    secretRecords: inventedRecords(
      home.stateDir,
      request.stack,
      planned.inventedKeys.map((key) => [key, invented.get(key, formatOf(request.definitions, key))]),
    ),
  };
  return checkedConfiguration(planned, overriddenValues(planned, overrides, home));
}

/**
 * Makes up new values for `--rotate system:key`.
 * @throws when a key is no secret of a system that `planned` converges, before any is rotated.
 */
export function rotateSecrets(planned: PlannedStack, keys: readonly string[], home: LabHome): void {
  const { stack, definitions } = planned.request;
  const allowed = [
    ...planned.inventedKeys,
    ...(planned.registryLogin === undefined ? [] : [registryPasswordKey]),
  ];
  for (const key of keys) {
    if (!allowed.includes(key)) {
      throw new Error(`--rotate: "${key}" is not a secret of this run; use one of: ${allowed.join(", ")}`);
    }
  }
  const invented = inventedSecrets(home.stateDir, stack);
  for (const key of keys) invented.rotate(key, formatOf(definitions, key));
}
