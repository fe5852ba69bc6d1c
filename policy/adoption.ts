import { recordResource6, relativeName, zoneOf, zoneResource } from "../components/dns/records.ts";
import { sshKeyName } from "../components/host/ssh-keys.ts";
import type { BerthConfig } from "../config/schema.ts";
import type { ConfigurationRule } from "../config.ts";
import { domainsOf } from "./routes.ts";

interface Adoptable {
  /** What Hetzner calls it. */
  readonly kind: string;
  /** The only id that it can have; any number when left out. */
  readonly id?: string;
}

/** Everything that `berth:adopt` can name. */
export function adoptable(
  berth: BerthConfig,
  domains: readonly string[],
  /** Of them those that have AAAA records. */
  domains6: readonly string[] = [],
): ReadonlyMap<string, Adoptable> {
  const { dns } = berth;
  const names = new Map<string, Adoptable>();
  for (const host of Object.keys(berth.hosts)) {
    names.set(`${host}-server`, { kind: "server" });
    names.set(`${host}-address`, { kind: "primary-ip" });
    names.set(`${host}-data`, { kind: "volume" });
  }
  for (const key of berth.ssh.authorizedKeys) names.set(sshKeyName(key), { kind: "ssh-key" });
  if (dns === undefined) return names;
  for (const zone of [dns.zone, ...dns.otherZones])
    names.set(zoneResource("dns", zone, dns), { kind: "zone" });
  for (const domain of domains) {
    const zone = zoneOf(domain, dns);
    if (zone !== undefined) {
      names.set(`dns-${domain}`, { kind: "record", id: `${zone}/${relativeName(domain, zone)}/A` });
      if (!domains6.includes(domain)) continue;
      names.set(recordResource6("dns", domain), {
        kind: "record",
        id: `${zone}/${relativeName(domain, zone)}/AAAA`,
      });
    }
  }
  return names;
}

/** Each adopted name exists in the program, its id is valid for its kind, and no id is used twice. */
export const adoptionsAreKnown: ConfigurationRule = ({ berth, systems }) => {
  const placed = Object.values(systems);
  const names = adoptable(
    berth,
    placed.flatMap(domainsOf),
    placed.filter(({ host }) => berth.hosts[host]?.ipv6).flatMap(domainsOf),
  );
  const owners = new Map<string, string>();
  return Object.entries(berth.adopt).flatMap(([name, id]) => {
    const path = `berth:adopt.${name}`;
    const found = names.get(name);
    if (found === undefined) {
      return [`${path}: nothing with this name can be adopted; use one of: ${[...names.keys()].join(", ")}`];
    }
    const { kind, id: only } = found;
    if (only === undefined ? !/^[1-9]\d*$/.test(id) : id !== only) {
      const allowed = only ?? `its number, as hcloud ${kind} list prints it`;
      return [`${path}: ${JSON.stringify(id)} is not the id of a ${kind}; use ${allowed}`];
    }
    const owner = owners.get(`${kind} ${id}`);
    owners.set(`${kind} ${id}`, name);
    return owner === undefined ? [] : [`${path}: the ${kind} ${id} is ${owner} already; remove one of them`];
  });
};

/** An adopted server, which was not created with Berth's user data, keeps its host key, which must be stated, and its addresses. */
export const adoptedServersAreKnown: ConfigurationRule = ({ stack, berth }) =>
  Object.entries(berth.hosts).flatMap(([name, { hostKey, ipv6 }]) => {
    if (ipv6 && hostKey !== undefined) {
      return [
        `berth:hosts.${name}.ipv6: true is invalid with hostKey, since Berth does not change the addresses of a server that was adopted; remove it: ` +
          `npx pulumi config rm --path berth:hosts.${name}.ipv6 --stack ${stack}`,
      ];
    }
    if (berth.adopt[`${name}-server`] === undefined) return [];
    const set = (path: string, value: string) =>
      `npx pulumi config set --path ${path} ${value} --stack ${stack}`;
    return [
      ...(hostKey === undefined
        ? [
            `berth:hosts.${name}.hostKey: missing; the server is adopted and has its own host key. Print it on the server: cut -d ' ' -f 1,2 /etc/ssh/ssh_host_ed25519_key.pub, ` +
              `then set it: ${set(`berth:hosts.${name}.hostKey`, "'ssh-ed25519 …'")}`,
          ]
        : []),
      ...(berth.adopt[`${name}-address`] === undefined
        ? [
            `berth:adopt.${name}-address: missing; the server is adopted and keeps its address. Find the id: hcloud primary-ip list, ` +
              `then set it: ${set(`berth:adopt.${name}-address`, "ID")}`,
          ]
        : []),
    ];
  });

/** A reminder: changes of adopted resources are ignored as long as they are listed. */
export const adoptionIsRemembered: ConfigurationRule = ({ stack, berth }) =>
  Object.keys(berth.adopt).map(
    (name) =>
      `berth:adopt: ${name} is adopted unchanged, and its changes are ignored. After the first up with it, see what Berth would change: ` +
      `npx pulumi config rm --path 'berth:adopt["${name}"]' --stack ${stack}, then npx pulumi preview --diff --stack ${stack}`,
  );
