import {
  all,
  ComponentResource,
  getStack,
  log,
  type Output,
  Config as PulumiConfig,
  runtime,
} from "@pulumi/pulumi";
import { type BackupSecret, backupSecrets } from "./components/backup/backup-config.ts";
import { hostBackups } from "./components/backup/backups.ts";
import { refuseUnknownSources, restoreFromBackups } from "./components/backup/restore.ts";
import { buildRepository } from "./components/build/repository.ts";
import { Dns } from "./components/dns/records.ts";
import { makeEdge } from "./components/edge/make-edge.ts";
import { Host } from "./components/host/host.ts";
import { passwordKey } from "./components/host/registries.ts";
import { sshKeys } from "./components/host/ssh-keys.ts";
import { otherStacksRecords, prepareFingerprints } from "./components/secrets/records.ts";
import { Alerts } from "./components/watch/alerts.ts";
import { neededAlertSecrets } from "./components/watch/alerts-config.ts";
import { parseConfig } from "./config.ts";
import { policies } from "./policy/configuration.ts";
import { systems as definitions } from "./stacks/index.ts";

// The SDK sends the engine three messages for debugging of each resource, one after the other, and waits for the last before it ends
// (@pulumi/pulumi/log): some 250 calls for Togather.
Object.assign(log, { debug: () => Promise.resolve() });

const stack = getStack();
// The environment variable with which the engine passes the keys of secrets; the SDK does not export its parsed form.
const secretKeys: readonly string[] = JSON.parse(process.env.PULUMI_CONFIG_SECRET_KEYS ?? "[]");
const isSecret = (key: string) => secretKeys.includes(key);
const otherStacks = otherStacksRecords(import.meta.dirname, stack);
const values = runtime.allConfig();
const recorded = (key: string) =>
  values["berth:secretRecords"]?.includes(`"${key}"`) || otherStacks.some(({ records }) => key in records);
await prepareFingerprints(Object.entries(values).filter(([key]) => isSecret(key) && recorded(key)));
const config = parseConfig({ stack, values, isSecret, otherStacks }, definitions, policies);
for (const warning of config.warnings) log.warn(warning);

const registries = Object.entries(config.registries).map(([address, registry]) => ({
  address,
  ...registry,
  password: new PulumiConfig("berth").requireSecret(passwordKey(address)),
}));
const keys = sshKeys(config.ssh.authorizedKeys, Object.keys(config.hosts), config.adopt);
const backing =
  config.backups === undefined
    ? undefined
    : {
        ...{ stack, environmentName: config.environment, config: config.backups },
        secrets: Object.fromEntries(
          Object.keys(backupSecrets).map((key) => [key, new PulumiConfig("berth").requireSecret(key)]),
        ) as Record<BackupSecret, Output<string>>,
      };
const machines = Object.entries(config.hosts).map(([name, host]) => {
  const machine = new Host(name, {
    config: host,
    ...(backing === undefined || host.restoreFrom === undefined
      ? {}
      : { restore: restoreFromBackups({ ...backing, beginEmpty: host.beginEmpty }) }),
    sshKeys: keys,
    adopt: config.adopt,
    ...config.ssh,
    registries,
    pulls: config.pulls,
  });
  const sites = Object.values(config.systems)
    .filter((system) => system.host === name)
    .flatMap(({ definition, domain, settings, headers }) =>
      definition.routes(domain, settings).map((route) => ({ domain: route.domain, headers })),
    )
    .filter(({ domain }, index, all) => all.findIndex((other) => other.domain === domain) === index);
  const domains = sites.map(({ domain }) => domain);
  const edge = makeEdge(host.edge.kind, {
    host: machine,
    onlyHost: Object.keys(config.hosts).length === 1,
    image: config.image(host.edge.kind, host.edge.version),
    sites,
    webSocketGraceSeconds: host.edge.webSocketGraceSeconds,
    tls: config.tls,
    ...(config.tls.kind === "certificate"
      ? { privateKeyPem: new PulumiConfig("berth").requireSecret("tlsPrivateKeyPem") }
      : {}),
  });
  return { name, machine, edge, domains };
});

const records: Dns[] = [];
if (config.dns !== undefined) {
  const addresses = machines.flatMap(({ machine, edge, domains }) =>
    domains.map(
      (domain) => [domain, { address: machine.connection.address, dependsOn: edge.ready }] as const,
    ),
  );
  const addresses6 = machines.flatMap(({ machine: { ipv6 }, edge: { ready6 }, domains }) =>
    ipv6 === undefined || ready6 === undefined
      ? []
      : domains.map((domain) => [domain, { address: ipv6, dependsOn: ready6 }] as const),
  );
  records.push(
    new Dns("dns", {
      ...config.dns,
      addresses: Object.fromEntries(addresses),
      addresses6: Object.fromEntries(addresses6),
      adopt: config.adopt,
    }),
  );
}
// A certificate authority validates at the address of the records.
for (const { edge } of machines) edge.certify(records);

/** Seconds until the edge serves a new registry: its certificate, which the same run requests, and its DNS record. */
const registryWaitSeconds = 300;

/** Hosts that run an image of a registry, and those that build any. The others need no login, and do not wait for it. */
function hostsThatUse(registry: string): string[] {
  const ofRegistry = (image: string) => config.images[image]?.repository.startsWith(`${registry}/`) ?? false;
  return [
    ...Object.values(config.systems)
      .filter(({ definition, settings }) =>
        definition.services(settings).some(({ image }) => ofRegistry(image)),
      )
      .map(({ host }) => host),
    ...Object.values(config.builds).map(({ host }) => host),
  ];
}

const registriesFirst = Object.entries(config.systems).toSorted(
  ([, one], [, other]) =>
    Number(other.definition.servesImages ?? false) - Number(one.definition.servesImages ?? false),
);
const parents: Record<string, ComponentResource> = {};
const built = registriesFirst.map(([name, system]) => {
  const place = machines.find(({ name: host }) => host === system.host);
  if (place === undefined) throw new Error(`host ${system.host} of ${name} was checked, but is not there`);
  const secrets = new PulumiConfig(name);
  const versions = system.definition.services(system.settings);
  const parent = new ComponentResource("berth:index:System", name);
  parents[name] = parent;
  const { registry, ...result } = system.definition.build({
    environment: config.environment,
    domain: system.domain,
    host: place.machine,
    edge: place.edge.forSystem(system.edgeNetwork),
    settings: system.settings,
    secret: (key) => secrets.requireSecret(key),
    image: (service) => {
      const spec = versions.find((candidate) => candidate.name === service);
      if (spec === undefined) throw new Error(`${name} declares no service "${service}"`);
      return config.image(spec.image, spec.version);
    },
    parent,
  });
  if (registry !== undefined) {
    const { user, password, ready, passwordSetting } = registry;
    const setPassword = `npx pulumi config set --path ${passwordSetting} NUMBER --stack ${stack}, with the next number`;
    const login = {
      ...{ address: system.domain, user, password, setPassword, waitSeconds: registryWaitSeconds },
      ...(config.tls.issuerPem === undefined ? {} : { authorityPem: config.tls.issuerPem }),
    };
    const hostsWithLogin = [system.host, ...hostsThatUse(system.domain)];
    for (const { name: host, machine } of machines)
      if (hostsWithLogin.includes(host)) machine.logIn(login, ready);
  }
  const routes = system.definition.routes(system.domain, system.settings);
  const urls = routes.map((route) => `https://${route.domain}${route.path}`);
  return [name, { domain: system.domain, host: system.host, urls, ...result }] as const;
});

for (const [name, build] of Object.entries(config.builds)) {
  const machine = machines.find(({ name: host }) => host === build.host)?.machine;
  const image = config.images[build.image];
  if (machine === undefined || image === undefined) throw new Error(`berth:builds.${name} was checked`);
  const { repository = image.repository } = build;
  buildRepository(name, { host: machine, build, repository, stack }, { parent: machine });
}

for (const { name, machine } of machines)
  refuseUnknownSources(name, config.hosts[name]?.beginEmpty ?? [], machine.stored);
const measured = machines.map(({ machine }) =>
  backing === undefined ? {} : hostBackups(machine, backing, parents),
);

for (const { name, machine, domains } of machines) {
  if (config.alerts === undefined) continue;
  const berth = new PulumiConfig("berth");
  const secrets = Object.fromEntries(
    neededAlertSecrets(config.alerts).map((key) => [key, berth.requireSecret(key)]),
  );
  new Alerts(`${name}-alerts`, { host: machine, stack, config: config.alerts, secrets, domains });
}

/** Address and host key of each host. */
export const hosts: Output<Record<string, unknown>> = all(
  Object.fromEntries(machines.map(({ name, machine }) => [name, machine.summary()])),
);
/** Services with their host, version and slot. */
export const systems: Output<Record<string, unknown>> = all(Object.fromEntries(built));
/** How the backups were when a run last restored them: by system and database, age and time in seconds. `ops status` has what came after. */
export const backups: Output<Record<string, unknown>> = all(
  Object.fromEntries(measured.flatMap((each) => Object.entries(each))),
);
