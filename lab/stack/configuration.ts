import { defaultImage } from "../../components/host/host-config.ts";
import type { Registry } from "../../components/host/registries.ts";
import { otherStacksRecords, type SecretRecords } from "../../components/secrets/records.ts";
import type { System } from "../../components/system.ts";
import { parseConfig } from "../../config.ts";
import { policies } from "../../policy/configuration.ts";
import { pebbleDirectory } from "../acme/pebble.ts";
import type { LabHome } from "../home.ts";
import { ensureAuthority } from "../images/index.ts";
import { type StackCertificate, stackCertificate } from "./certificate.ts";
import { cloudEndpoint, cloudToken, tokenCharacters } from "./cloud-access.ts";
import { inventedRecords, inventedSecrets, inventSecret } from "./invented-secrets.ts";
import {
  isRegistryPassword,
  neededLogin,
  overrideRegistries,
  registryPasswordFormat,
  registryPasswordKey,
  setRegistryLogin,
  withMadeUpPasswords,
} from "./registry-login.ts";
import { applySetting, parseSetting } from "./set-option.ts";
import { labSshKey, type SshKey } from "./ssh-key.ts";
import { isObject, type Json, readStackFile, toText } from "./stack-file.ts";

/** What the operator asks for. */
export interface StackRequest {
  readonly projectDir: string;
  readonly project: string;
  readonly stack: string;
  /** Every system there is. */
  readonly definitions: readonly System[];
  /** Systems to converge; left out, all of the stack file. */
  readonly systems?: readonly string[];
  /** `--set`, as typed. */
  readonly settings?: readonly string[];
  /** Certificates by ACME, from Pebble; left out, from the lab's own authority. */
  readonly acme?: boolean;
}

/** An image that the stack uses. */
export interface ImageUse {
  /** Key in `berth:images`. */
  readonly name: string;
  readonly version: string;
  /** `togather/app`; the edge has none. */
  readonly service?: string;
}

/** A stack file as the operator asked for it, checked. Nothing exists yet. */
export interface PlannedStack {
  readonly request: StackRequest;
  readonly values: Readonly<Record<string, Json>>;
  readonly systems: readonly string[];
  readonly images: readonly ImageUse[];
  /** What the hosts' servers are made from, each once: `debian-13`. */
  readonly machineImages: readonly string[];
  /** Of all systems in the stack file, so that adding one of them later needs no new certificate. */
  readonly domains: readonly string[];
  /** Secrets to make up, as full keys. */
  readonly inventedKeys: readonly string[];
  /** What the lab's registry asks for, where the images' registry does. */
  readonly registryLogin: Registry | undefined;
}

/** What the engine gets. */
export interface StackConfiguration {
  readonly config: Readonly<Record<string, string>>;
  readonly secretKeys: readonly string[];
}

/** What the lab puts in the place of the committed values; {@link overriddenValues} says where. */
interface Overrides {
  readonly images: ReadonlyMap<string, { readonly repository: string; readonly digest: string }>;
  readonly ssh: SshKey;
  /** From the lab's own authority; undefined when Pebble issues. */
  readonly certificate: StackCertificate | undefined;
  /** The lab's authority, PEM. */
  readonly authorityPem: string;
  readonly token: string;
  readonly secret: (key: string) => string;
  readonly registryPassword: string;
  /** Age and fingerprint of the secrets that are made up. */
  readonly secretRecords: SecretRecords;
}

const tokenKey = "hcloud:token";

/**
 * Reads the stack file, applies `--set` and checks the result with the program's own schema, before anything is made.
 * @throws ConfigError with all problems, or an error that names the option that is wrong.
 */
export function planStack(request: StackRequest, home: LabHome): PlannedStack {
  const { stack, definitions } = request;
  const file = readStackFile(request.projectDir, request.project, stack);
  const placed = Object.keys(objectAt(file.values["berth:systems"]));
  const unknown = (request.systems ?? []).filter((name) => !placed.includes(name));
  // Of a file that places none, the schema says what is missing.
  if (unknown.length > 0 && placed.length > 0) {
    throw new Error(
      `no system ${unknown.map((name) => `"${name}"`).join(", ")} in Pulumi.${stack}.yaml; allowed: ${placed.join(", ")}`,
    );
  }
  const systems = request.systems ? placed.filter((name) => request.systems?.includes(name)) : placed;
  const used = definitions.filter((definition) => systems.includes(definition.name));
  const secrets = new Map(
    used.flatMap((definition) =>
      Object.entries(definition.secrets).map(([key, spec]) => [`${definition.name}:${key}`, spec] as const),
    ),
  );
  const inventable = [...secrets.keys(), "berth:tlsPrivateKeyPem", tokenKey];
  const undecryptable = file.encryptedKeys.filter(
    (key) => !inventable.includes(key) && !isSecretOf(definitions, key) && !isRegistryPassword(key),
  );
  if (undecryptable.length > 0) {
    throw new Error(
      `Pulumi.${stack}.yaml: ${undecryptable.join(", ")}: encrypted, and the lab has no key to decrypt it. The lab makes up the secrets that a system declares; ` +
        "declare it in System.secrets, or keep it in clear when it is none",
    );
  }

  let values: Record<string, Json> = { ...file.values };
  for (const setting of (request.settings ?? []).map(parseSetting)) {
    if (inventable.includes(setting.key)) {
      throw new Error(
        `--set: ${setting.key} is a secret, and a secret does not belong into an argument; the lab makes it up. For a new value: --rotate ${setting.key}`,
      );
    }
    values = applySetting(values, setting);
  }
  const allSystems = objectAt(values["berth:systems"]);
  const domains = definitions.flatMap((definition) => {
    const domain = objectAt(allSystems[definition.name]).domain;
    const settings = settingsOf(values, definition);
    if (typeof domain !== "string" || settings === undefined) return [];
    return definition.routes(domain, settings).map((route) => route.domain);
  });
  if (isObject(values["berth:systems"])) {
    values["berth:systems"] = Object.fromEntries(
      Object.entries(allSystems).filter(([name]) => systems.includes(name) || !placed.includes(name)),
    );
  }
  const images = imagesInUse(values, used);
  const planned: PlannedStack = {
    request,
    values,
    systems,
    images,
    registryLogin: neededLogin(values, images),
    machineImages: [
      ...new Set(
        Object.values(objectAt(values["berth:hosts"])).map((host) =>
          String(objectAt(host).image ?? defaultImage),
        ),
      ),
    ],
    domains: [...new Set(domains)],
    inventedKeys: [...secrets.keys()].filter((key) => values[key] === undefined),
  };
  const substitutes = placeholders(planned, secrets);
  parse(planned, asWritten(planned, substitutes));
  check(planned, substitutes, home);
  return planned;
}

/**
 * The stack file with what is there as it is there: what the lab puts in the place of something must not hide that it is wrong. Only
 * what belongs into no file before the first `pulumi up` is made up: secrets, digests, keys of those who deploy.
 */
function asWritten({ values, images, inventedKeys }: PlannedStack, substitutes: Overrides) {
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
  const secretKeys = [...inventedKeys, tokenKey];
  for (const key of inventedKeys) written[key] = substitutes.secret(key);
  if (objectAt(written["berth:tls"]).kind === "certificate") {
    written["berth:tlsPrivateKeyPem"] = "-----BEGIN PRIVATE KEY-----";
    secretKeys.push("berth:tlsPrivateKeyPem");
  }
  withMadeUpPasswords(written, secretKeys);
  return { values: written, secretKeys };
}

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
  return check(planned, overrides, home);
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
      throw new Error(`--rotate: "${key}" is no secret of this run; allowed: ${allowed.join(", ")}`);
    }
  }
  const invented = inventedSecrets(home.stateDir, stack);
  for (const key of keys) invented.rotate(key, formatOf(definitions, key));
}

function check(planned: PlannedStack, overrides: Overrides, home: LabHome): StackConfiguration {
  return parse(planned, overriddenValues(planned, overrides, home));
}

function parse(
  planned: PlannedStack,
  { values, secretKeys }: { values: Readonly<Record<string, Json>>; secretKeys: readonly string[] },
): StackConfiguration {
  const config = Object.fromEntries(Object.entries(values).map(([key, value]) => [key, toText(value)]));
  const secret = new Set(secretKeys);
  const { stack, projectDir, definitions } = planned.request;
  const otherStacks = otherStacksRecords(projectDir, stack);
  parseConfig(
    { stack, values: config, isSecret: (key) => secret.has(key), otherStacks },
    definitions,
    policies,
  );
  return { config, secretKeys };
}

function overriddenValues(planned: PlannedStack, overrides: Overrides, home: LabHome) {
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
        isObject(host) ? { ...host, sshAllowedFrom: sshAllowedFrom(home, host.sshAllowedFrom) } : host,
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
    };
  } else {
    values["berth:tls"] = { kind: "certificate", certificatePem: certificate.chainPem };
    values["berth:tlsPrivateKeyPem"] = certificate.privateKeyPem;
  }
  values[tokenKey] = overrides.token;
  values["hcloud:endpoint"] = cloudEndpoint(home);
  for (const key of planned.inventedKeys) values[key] = overrides.secret(key);
  // Those that the file has are about the real secrets.
  values["berth:secretRecords"] = overrides.secretRecords;
  const given = certificate === undefined ? [] : ["berth:tlsPrivateKeyPem"];
  const secretKeys = [...given, tokenKey, ...planned.inventedKeys];
  overrideRegistries(values, secretKeys, planned.registryLogin, overrides.registryPassword);
  return { values, secretKeys };
}

/** This machine, and of the stack's own networks those that are the lab's. */
function sshAllowedFrom(home: LabHome, own: Json | undefined): Json {
  const prefix = home.subnet.replace(/0\/24$/, "");
  const inLab = Array.isArray(own) ? own.filter((one) => String(one).startsWith(prefix)) : [];
  return [`${home.gateway}/32`, ...inLab];
}

/** Key of {@link Overrides}' images. */
export function imageKey(name: string, version: string): string {
  return `${name}@${version}`;
}

function imagesInUse(
  values: Readonly<Record<string, Json>>,
  definitions: readonly System[],
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
      });
    }
  }
  return uses;
}

/** A system's settings; undefined when something is wrong with them, which parseConfig says together with all other problems. */
function settingsOf(values: Readonly<Record<string, Json>>, definition: System): unknown {
  const prefix = `${definition.name}:`;
  const own = Object.entries(values).filter(([key]) => key.startsWith(prefix));
  const settings = Object.fromEntries(own.map(([key, value]) => [key.slice(prefix.length), value]));
  for (const key of Object.keys(definition.secrets)) delete settings[key];
  const parsed = definition.settings.safeParse(settings);
  return parsed.success ? parsed.data : undefined;
}

/** Stands for what is made after the check, so that the check can run first. */
function placeholders(
  planned: PlannedStack,
  secrets: ReadonlyMap<string, { readonly format: Parameters<typeof inventSecret>[0] }>,
): Overrides {
  const digest = `sha256:${"0".repeat(64)}`;
  return {
    images: new Map(
      planned.images.map(({ name, version }) => [
        imageKey(name, version),
        { repository: `registry.berth.lab:5000/${name}`, digest },
      ]),
    ),
    ssh: { publicKey: "ssh-ed25519 placeholder", identityFile: "placeholder" },
    certificate: planned.request.acme
      ? undefined
      : { chainPem: "-----BEGIN CERTIFICATE-----", privateKeyPem: "-----BEGIN PRIVATE KEY-----" },
    authorityPem: "-----BEGIN CERTIFICATE-----",
    token: "0".repeat(tokenCharacters),
    secretRecords: {},
    registryPassword: "made-up",
    secret: (key) => {
      const spec = secrets.get(key);
      return spec === undefined ? "" : inventSecret(spec.format);
    },
  };
}

function formatOf(definitions: readonly System[], key: string) {
  if (key === registryPasswordKey) return registryPasswordFormat;
  const [namespace = "", name = ""] = key.split(":");
  const spec = definitions.find((definition) => definition.name === namespace)?.secrets[name];
  if (spec === undefined) throw new Error(`${key} is declared by no system`);
  return spec.format;
}

function isSecretOf(definitions: readonly System[], key: string): boolean {
  const [namespace = "", name = ""] = key.split(":");
  return definitions.some((definition) => definition.name === namespace && name in definition.secrets);
}

function objectAt(value: Json | undefined): { readonly [key: string]: Json } {
  return isObject(value) ? value : {};
}
