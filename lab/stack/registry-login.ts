import { rmSync } from "node:fs";
import { passwordKey, type Registry, registryOf } from "../../components/host/registries.ts";
import type { SecretFormat } from "../../components/secrets/secret.ts";
import type { LabHome } from "../home.ts";
import { registryFiles } from "../images/access.ts";
import { registryAddress } from "../images/index.ts";
import { writePrivateFile } from "../write-file.ts";
import { isObject, type Json } from "./stack-file.ts";

/** The password of the lab's registry, which replaces every registry that a stack logs in to. */
export const registryPasswordKey = `berth:${passwordKey(registryAddress)}`;
export const registryPasswordFormat: SecretFormat = { kind: "text", minimumLength: 32 };

const passwordPrefix = `berth:${passwordKey("")}`;

export function isRegistryPassword(key: string): boolean {
  return key.startsWith(passwordPrefix);
}

/** The login for a run's images, if the stack file has one for their registry: the lab's registry then requires it. */
export function neededLogin(
  values: Readonly<Record<string, Json>>,
  images: readonly { readonly name: string }[],
): Registry | undefined {
  const [registries, map] = [values["berth:registries"], values["berth:images"]];
  if (!isObject(registries) || !isObject(map)) return undefined;
  for (const { name } of images) {
    const entry = map[name];
    const repository = isObject(entry) ? entry.repository : undefined;
    const found = typeof repository === "string" ? registries[registryOf(repository)] : undefined;
    if (!isObject(found) || typeof found.user !== "string") continue;
    const { user, passwordExpires: day } = found;
    return { user, ...(typeof day === "string" ? { passwordExpires: day } : {}) };
  }
  return undefined;
}

/** Adds generated passwords for those that the file needs and does not have. */
export function withGeneratedPasswords(values: Record<string, Json>, secretKeys: string[]): void {
  const registries = values["berth:registries"];
  if (!isObject(registries)) return;
  for (const address of Object.keys(registries)) {
    const key = `berth:${passwordKey(address)}`;
    if (values[key] !== undefined) continue;
    values[key] = "made-up";
    secretKeys.push(key);
  }
}

/** Replaces the stack's registries by the lab's. */
export function overrideRegistries(
  values: Record<string, Json>,
  secretKeys: string[],
  login: Registry | undefined,
  password: string,
): void {
  for (const key of Object.keys(values)) if (isRegistryPassword(key)) delete values[key];
  delete values["berth:registries"];
  if (login === undefined) return;
  values["berth:registries"] = { [registryAddress]: { ...login } };
  values[registryPasswordKey] = password;
  secretKeys.push(registryPasswordKey);
}

/** Makes the lab's registry require this login, or none. */
export function setRegistryLogin(home: LabHome, login: Registry | undefined, password: string): void {
  const { login: file } = registryFiles(home);
  if (login === undefined) rmSync(file, { force: true });
  else writePrivateFile(file, JSON.stringify({ user: login.user, password }));
}
