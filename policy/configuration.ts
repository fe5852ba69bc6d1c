import { zoneOf } from "../components/dns/records.ts";
import { edgePorts } from "../components/edge/route.ts";
import { soldIn } from "../components/host/server-types.ts";
import type { ConfigurationRule, Policies } from "../config.ts";
import { adoptedServersAreKnown, adoptionIsRemembered, adoptionsAreKnown } from "./adoption.ts";
import { renewalsComeFirst, somebodyIsTold } from "./alerts.ts";
import {
  backupsAreOfSystems,
  backupsLeaveTheHost,
  drillsHaveTheirOwnTime,
  endpointLacksTheBucket,
  logsFitTheVolume,
  restoresHaveBackups,
  slotsAreToldInTime,
} from "./backups.ts";
import { drillsFit, memoryFits, processorsFit } from "./budget.ts";
import {
  buildsFit,
  imagesAreKnown,
  ownRegistryIsIndependent,
  registriesAreUsed,
  versionsAreFixed,
} from "./images.ts";
import {
  allowedNetworksHaveTheHostsFamilies,
  domainsOf,
  edgeNetworksHaveOneOwner,
  headersHaveOneOwner,
  routesFitTheEdge,
  routesHaveOneOwner,
} from "./routes.ts";
import { services } from "./services.ts";

/** sshd does not use a port of the edge. */
const sshHasItsOwnPort: ConfigurationRule = ({ berth }) =>
  Object.entries(berth.hosts).flatMap(([name, { sshPort, sshPortBefore }]) => [
    ...Object.entries(edgePorts)
      .filter(([, port]) => port === sshPort)
      .map(
        ([use, port]) =>
          `berth:hosts.${name}.sshPort: ${port} is the edge's ${use} port; choose another, as in 22`,
      ),
    ...(sshPortBefore === sshPort
      ? [`berth:hosts.${name}.sshPortBefore: ${sshPort} is sshPort too; remove it`]
      : []),
  ]);

/** A server type is available in its location. */
const typeIsSoldInLocation: ConfigurationRule = ({ berth }) =>
  Object.entries(berth.hosts).flatMap(([name, { serverType, location }]) => {
    const places = soldIn(serverType);
    if (places.includes(location)) return [];
    return [
      `berth:hosts.${name}.location: ${serverType} is not sold in ${location}; use ${places.join(", ")}, or another serverType`,
    ];
  });

/** SSH is open to everybody only if the configuration says so explicitly. */
const sshIsRestricted: ConfigurationRule = ({ stack, berth }) =>
  Object.entries(berth.hosts).flatMap(([name, { sshAllowedFrom, sshOpenToEverybody }]) => {
    const all = sshAllowedFrom.filter((network) => network.endsWith("/0"));
    if (all.length === 0 || sshOpenToEverybody) return [];
    return [
      `berth:hosts.${name}.sshAllowedFrom: ${all.join(", ")} lets everybody try to log in; list the networks of those who deploy, as in 203.0.113.7/32, ` +
        `or acknowledge it: npx pulumi config set --path berth:hosts.${name}.sshOpenToEverybody true --stack ${stack}`,
    ];
  });

/** No key is listed twice. */
const keysAreListedOnce: ConfigurationRule = ({ berth }) => {
  const seen = new Set<string>();
  return berth.ssh.authorizedKeys.flatMap((line, index) => {
    const [, key = ""] = line.split(/\s+/);
    if (!seen.has(key)) {
      seen.add(key);
      return [];
    }
    return [`berth:ssh.authorizedKeys.${index}: is listed twice; remove it`];
  });
};

/** A stack that is named after an environment is of that environment. */
const stackIsItsEnvironment: ConfigurationRule = ({ stack, berth: { environment } }) =>
  ["development", "staging", "production"].includes(stack) && stack !== environment
    ? [
        `berth:environment: ${environment} in the stack ${stack}; use ${stack}. Set it: npx pulumi config set berth:environment ${stack} --stack ${stack}`,
      ]
    : [];

/** Each database has its own local tunnel port. */
const tunnelsHaveTheirOwnPorts: ConfigurationRule = ({ systems }) => {
  const owners = new Map<number, string>();
  return services(systems).flatMap(({ system, service: { name, tunnelPort } }) => {
    if (tunnelPort === undefined) return [];
    const owner = owners.get(tunnelPort);
    owners.set(tunnelPort, `${system}:${name}`);
    if (owner === undefined) return [];
    return [`${system}:${name}.tunnelPort: ${tunnelPort} is taken by ${owner}.tunnelPort; choose another`];
  });
};

/** Each domain is in a zone that Berth manages, and no zone is listed twice. */
const domainsAreInAZone: ConfigurationRule = ({ stack, berth: { dns }, systems }) => {
  if (dns === undefined) return [];
  const zones = [dns.zone, ...dns.otherZones];
  const twice = dns.otherZones.flatMap((zone, index) =>
    zones.indexOf(zone) === index + 1
      ? []
      : [`berth:dns.otherZones.${index}: ${zone} is listed twice; remove it`],
  );
  const outside = Object.entries(systems).flatMap(([name, system]) =>
    domainsOf(system)
      .filter((domain) => zoneOf(domain, dns) === undefined)
      .map(
        (domain) =>
          `berth:systems.${name}.domain: "${domain}" is in none of the zones of berth:dns; use a name in ${zones.join(", ")}. ` +
          `Add its zone: npx pulumi config set --path 'berth:dns.otherZones[${dns.otherZones.length}]' ZONE --stack ${stack}`,
      ),
  );
  return [...twice, ...outside];
};

/** Production does not use Let's Encrypt's staging, whose certificates browsers do not trust. */
const productionIsTrusted: ConfigurationRule = ({ stack, berth: { environment, tls } }) =>
  environment === "production" && tls.kind === "acme" && tls.directory === "letsencrypt-staging"
    ? [
        "berth:tls.directory: letsencrypt-staging issues certificates that no browser trusts, and this is production; " +
          `set it: npx pulumi config set --path berth:tls.directory letsencrypt --stack ${stack}`,
      ]
    : [];

/** Integration tests write test data into the database, so they do not run in production. */
const noTestsInProduction: ConfigurationRule = ({ stack, berth, systems }) =>
  services(systems).flatMap(({ system, service: { name, integrationTests } }) => {
    if (berth.environment !== "production" || !integrationTests) return [];
    return [
      `${system}:${name}.integrationTests: true is invalid in production, because the tests write into its database; use false. ` +
        `Set it: npx pulumi config set --path ${system}:${name}.integrationTests false --stack ${stack}`,
    ];
  });

const rules: readonly ConfigurationRule[] = [
  imagesAreKnown,
  memoryFits,
  processorsFit,
  sshHasItsOwnPort,
  typeIsSoldInLocation,
  sshIsRestricted,
  keysAreListedOnce,
  versionsAreFixed,
  stackIsItsEnvironment,
  tunnelsHaveTheirOwnPorts,
  domainsAreInAZone,
  adoptionsAreKnown,
  adoptedServersAreKnown,
  routesHaveOneOwner,
  routesFitTheEdge,
  edgeNetworksHaveOneOwner,
  headersHaveOneOwner,
  registriesAreUsed,
  ownRegistryIsIndependent,
  buildsFit,
  productionIsTrusted,
  noTestsInProduction,
  backupsAreOfSystems,
  drillsHaveTheirOwnTime,
  drillsFit,
  endpointLacksTheBucket,
  logsFitTheVolume,
  slotsAreToldInTime,
  restoresHaveBackups,
  renewalsComeFirst,
];

/** The rules about a configuration, what must never be deployed and what needs attention: one rule, one function, one message. */
export const policies: Policies = {
  rules,
  warnings: [adoptionIsRemembered, allowedNetworksHaveTheHostsFamilies, backupsLeaveTheHost, somebodyIsTold],
};
