import { edgeNetworkCount, missingFeatures } from "../components/edge/kinds.ts";
import { type Route, routeProblems, routeText } from "../components/edge/route.ts";
import type { ConfigurationRule, SystemConfig } from "../config.ts";

/** The rules about routes and about the networks between the edge and the services. */

/** A path of a domain belongs to one system. */
export const routesHaveOneOwner: ConfigurationRule = ({ systems }) => {
  const owners = new Map<string, string>();
  return Object.entries(systems).flatMap(([name, system]) =>
    routesOf(system).flatMap((route) => {
      const key = routeText(route);
      const owner = owners.get(key);
      owners.set(key, name);
      if (owner === undefined) return [];
      return [`berth:systems.${name}.domain: ${key} is already a route of ${owner}; choose another domain`];
    }),
  );
};

/** Every route can be rendered, and its host's kind of edge supports what it uses. */
export const routesFitTheEdge: ConfigurationRule = ({ berth, systems }) =>
  Object.entries(systems).flatMap(([name, system]) =>
    routesOf(system).flatMap((route) => {
      const kind = berth.hosts[system.host]?.edge.kind;
      return [
        ...routeProblems(route).map((problem) => `${name}: the route ${routeText(route)}: ${problem}`),
        ...(kind === undefined ? [] : missingFeatures(kind, route)).map(
          (problem) => `berth:hosts.${system.host}.edge.kind: ${problem}. ${name} has it`,
        ),
      ];
    }),
  );

/** No two systems of a host share an edge network, so that their containers cannot reach each other without the edge. */
export const edgeNetworksHaveOneOwner: ConfigurationRule = ({ stack, systems }) => {
  const owners = new Map<string, string>();
  const at = (host: string, number: number) => `${host} ${number}`;
  // A suggested number counts as used, so that all problems can be solved at once.
  const taken = new Set(Object.values(systems).map(({ host, edgeNetwork }) => at(host, edgeNetwork)));
  return Object.entries(systems).flatMap(([name, { host, edgeNetwork }]) => {
    const owner = owners.get(at(host, edgeNetwork));
    owners.set(at(host, edgeNetwork), owner ?? name);
    if (owner === undefined) return [];
    const path = `berth:systems.${name}.edgeNetwork`;
    const numbers = Array.from({ length: edgeNetworkCount }, (_, index) => index + 1);
    const free = numbers.find((number) => !taken.has(at(host, number)));
    if (free !== undefined) taken.add(at(host, free));
    const fix =
      free === undefined
        ? `${host} has none left; place ${name} on another host`
        : `${free} is free: npx pulumi config set --path ${path} ${free} --stack ${stack}`;
    return [
      `${path}: ${edgeNetwork} is ${owner}'s, and systems that share one can bypass the edge to reach each other; ${fix}`,
    ];
  });
};

/** Systems that share a domain have the same headers. */
export const headersHaveOneOwner: ConfigurationRule = ({ systems }) => {
  const owners = new Map<string, [system: string, headers: string]>();
  return Object.entries(systems).flatMap(([name, system]) =>
    domainsOf(system).flatMap((domain) => {
      const own = JSON.stringify(system.headers);
      const [owner, others] = owners.get(domain) ?? [];
      owners.set(domain, [name, own]);
      if (owner === undefined || others === own) return [];
      return [`berth:systems.${name}.headers: ${domain} has other headers in ${owner}; a domain has one set`];
    }),
  );
};

/** A reminder: a client that has IPv6 comes with it, so a list of IPv4 networks alone shuts it out, and where there is no IPv6 a network of it is nobody's. */
export const allowedNetworksHaveTheHostsFamilies: ConfigurationRule = ({ berth, systems }) =>
  Object.entries(systems).flatMap(([name, system]) => {
    const ipv6 = berth.hosts[system.host]?.ipv6 ?? false;
    const said = routesOf(system).flatMap(({ allowFrom = [] }) => {
      const own = allowFrom.filter((network) => network.includes(":"));
      if (ipv6 === own.length > 0 || allowFrom.length === 0) return [];
      return [
        ipv6
          ? `${name}: only ${allowFrom.join(", ")} may use a part of it, and ${system.host} has IPv6: whoever there has IPv6 too comes with it and gets 403; add their IPv6 networks`
          : `${name}: ${own.join(", ")} may use a part of it, and nobody comes from there, since ${system.host} has no IPv6; set ipv6 in berth:hosts.${system.host}, or remove it`,
      ];
    });
    return [...new Set(said)];
  });

function routesOf({ definition, domain, settings }: SystemConfig): readonly Route[] {
  return definition.routes(domain, settings);
}

/** Every domain that a route of the system uses, once. */
export function domainsOf(system: SystemConfig): string[] {
  return [...new Set(routesOf(system).map(({ domain }) => domain))];
}
