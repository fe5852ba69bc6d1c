import { defaultImage } from "../../components/host/host-config.ts";
import { registryOf } from "../../components/host/registries.ts";
import type { System } from "../../components/system.ts";
import { alertSecretKeys, backupSecretKeys } from "../../config/optional-secrets.ts";
import type { LabHome } from "../home.ts";
import { checkPlan } from "./check.ts";
import { tokenKey } from "./overrides.ts";
import type { ImageUse, PlannedStack, StackRequest } from "./planned-stack.ts";
import { type Pushes, pushesTo, readPushes, withPushes } from "./pushes.ts";
import { isRegistryPassword, neededLogin } from "./registry-login.ts";
import { applySetting, parseSetting } from "./set-option.ts";
import { isObject, type Json, objectAt, readStackFile } from "./stack-file.ts";

/**
 * Reads the stack file, applies `--set` and checks the result with the program's schema, before anything is created.
 * @throws ConfigError with all problems, or an error that names the invalid option.
 */
export function planStack(request: StackRequest, home: LabHome): PlannedStack {
  const { stack, definitions } = request;
  const file = readStackFile(request.projectDir, request.project, stack);
  const placed = Object.keys(objectAt(file.values["berth:systems"]));
  requirePlaced(request, placed);
  const wanted = placed.filter((name) => [request.systems, request.running].flat().includes(name));
  const systems = wanted.length > 0 ? wanted : placed.slice(0, 1);
  const used = definitions.filter((definition) => systems.includes(definition.name));
  const declared = used.flatMap(({ name, secrets }) => Object.keys(secrets).map((key) => `${name}:${key}`));
  const generatable = [
    ...declared,
    "berth:tlsPrivateKeyPem",
    tokenKey,
    ...backupSecretKeys,
    ...alertSecretKeys,
  ];
  refuseUndecryptable(request, file.encryptedKeys, generatable);
  const pushes = readPushes(home, stack);
  const values = withSettings(withPushes(file.values, pushes), request.settings ?? [], generatable);
  const domains = domainsOf(values, definitions);
  const builds = Object.keys(objectAt(values["berth:builds"]));
  leaveOut(
    values,
    placed.filter((name) => !systems.includes(name)),
  );
  const hosts = Object.values(objectAt(values["berth:hosts"]));
  const images = imagesInUse(values, used, pushes);
  const planned: PlannedStack = {
    request,
    values,
    systems,
    images,
    registries: used.flatMap(({ name, servesImages }) => {
      const { domain } = objectAt(objectAt(values["berth:systems"])[name]);
      return servesImages && typeof domain === "string" ? [domain] : [];
    }),
    builds,
    registryLogin: neededLogin(values, images),
    machineImages: [...new Set(hosts.map((host) => String(objectAt(host).image ?? defaultImage)))],
    domains,
    generatedKeys: declared.filter((key) => values[key] === undefined),
  };
  checkPlan(planned, home);
  return planned;
}

/** Removes systems from the values, with the hosts without another system, the builds that need either, and what is said of their backups. */
export function leaveOut(values: Record<string, Json>, systems: readonly string[]): void {
  const all = values["berth:systems"];
  const hosts = values["berth:hosts"];
  if (!isObject(all) || !isObject(hosts)) return;
  const left = Object.entries(all).filter(([name]) => !systems.includes(name));
  values["berth:systems"] = Object.fromEntries(left);
  const used = left.map(([, system]) => String(objectAt(system).host));
  const backups = values["berth:backups"];
  if (isObject(backups)) {
    const without = (of: Json | undefined) =>
      Object.fromEntries(Object.entries(objectAt(of)).filter(([name]) => !systems.includes(name)));
    const drill = objectAt(backups.drill);
    values["berth:backups"] = {
      ...backups,
      keepOf: without(backups.keepOf),
      drill: { ...drill, newest: without(drill.newest) },
    };
  }
  // Systems on unknown hosts are reported by the schema.
  if (used.every((host) => host in hosts))
    values["berth:hosts"] = Object.fromEntries(Object.entries(hosts).filter(([name]) => used.includes(name)));
  const builds = values["berth:builds"];
  if (!isObject(builds)) return;
  const gone = systems.flatMap((name) => objectAt(all[name]).domain ?? []);
  const kept = Object.entries(builds).filter(([, build]) => {
    const host = String(objectAt(build).host);
    const away = host in hosts && !used.includes(host);
    return !away && !gone.includes(registryOf(pushesTo(values, build) ?? ""));
  });
  values["berth:builds"] = Object.fromEntries(kept);
}

function requirePlaced({ stack, systems = [] }: StackRequest, placed: readonly string[]): void {
  const unknown = systems.filter((name) => !placed.includes(name));
  // A file without systems is reported by the schema.
  if (unknown.length === 0 || placed.length === 0) return;
  throw new Error(
    `no system ${unknown.map((name) => `"${name}"`).join(", ")} in Pulumi.${stack}.yaml; use one of: ${placed.join(", ")}`,
  );
}

function refuseUndecryptable(
  { stack, definitions }: StackRequest,
  encryptedKeys: readonly string[],
  generatable: readonly string[],
): void {
  const undecryptable = encryptedKeys.filter(
    (key) => !generatable.includes(key) && !isSecretOf(definitions, key) && !isRegistryPassword(key),
  );
  if (undecryptable.length === 0) return;
  throw new Error(
    `Pulumi.${stack}.yaml: ${undecryptable.join(", ")}: encrypted, and the lab has no key to decrypt it. The lab generates the secrets that a system declares; ` +
      "declare it in System.secrets, or store it unencrypted when it is not secret",
  );
}

/** The values with each `--set` applied. */
function withSettings(
  values: Readonly<Record<string, Json>>,
  settings: readonly string[],
  generatable: readonly string[],
): Record<string, Json> {
  let changed: Record<string, Json> = { ...values };
  for (const setting of settings.map(parseSetting)) {
    if (generatable.includes(setting.key)) {
      throw new Error(
        `--set: ${setting.key} is a secret, and a secret must not be in an argument; the lab generates it. For a new value: --rotate ${setting.key}`,
      );
    }
    changed = applySetting(changed, setting);
  }
  return changed;
}

/** The domains of all systems in the stack file, each once. */
function domainsOf(values: Readonly<Record<string, Json>>, definitions: readonly System[]): string[] {
  const systems = objectAt(values["berth:systems"]);
  const domains = definitions.flatMap((definition) => {
    const { domain } = objectAt(systems[definition.name]);
    const settings = settingsOf(values, definition);
    if (typeof domain !== "string" || settings === undefined) return [];
    return definition.routes(domain, settings).map((route) => route.domain);
  });
  return [...new Set(domains)];
}

function imagesInUse(
  values: Readonly<Record<string, Json>>,
  definitions: readonly System[],
  pushes: Pushes,
): readonly ImageUse[] {
  const uses: ImageUse[] = [];
  for (const host of Object.values(objectAt(values["berth:hosts"]))) {
    const { kind, version } = objectAt(objectAt(host).edge);
    if (typeof kind === "string" && typeof version === "string") uses.push({ name: kind, version });
  }
  for (const definition of definitions) {
    const settings = settingsOf(values, definition);
    if (settings === undefined) continue;
    for (const service of definition.services(settings)) {
      uses.push({
        name: service.image,
        version: service.version,
        service: `${definition.name}/${service.name}`,
        pushed: pushes.images[service.image]?.[service.version],
      });
    }
  }
  return uses;
}

/** A system's settings; undefined when they are invalid, which parseConfig reports together with all other problems. */
function settingsOf(values: Readonly<Record<string, Json>>, definition: System): unknown {
  const prefix = `${definition.name}:`;
  const own = Object.entries(values).filter(([key]) => key.startsWith(prefix));
  const settings = Object.fromEntries(own.map(([key, value]) => [key.slice(prefix.length), value]));
  for (const key of Object.keys(definition.secrets)) delete settings[key];
  const parsed = definition.settings.safeParse(settings);
  return parsed.success ? parsed.data : undefined;
}

function isSecretOf(definitions: readonly System[], key: string): boolean {
  const [namespace = "", name = ""] = key.split(":");
  return definitions.some((definition) => definition.name === namespace && name in definition.secrets);
}
