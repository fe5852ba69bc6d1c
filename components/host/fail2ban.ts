import { ofWholeClients } from "../ip-network.ts";

/** Jails of a host: an address that keeps failing is shut out of what it failed at, and of nothing else. */

export interface JailArgs {
  readonly sshPorts: readonly number[];
  /** Networks that the edge's jail never bans: who deploys from there and tests the site must not shut colleagues out. */
  readonly sshAllowedFrom: readonly string[];
  /** The edge answers over IPv6: it says of which network a client is, and that is what its jail counts and bans. */
  readonly ipv6: boolean;
}

/**
 * Addresses of the host's own containers, which the edge sees when one asks another by its public name: one that passes on its users' wrong
 * passwords must not be shut out. Docker's default address pools begin here (docs.docker.com/engine/network, "Subnet allocation").
 */
const ownContainers = "172.16.0.0/12";

/**
 * Packets to the host itself pass INPUT, those to published ports of containers pass DOCKER-USER and never INPUT. The only published
 * ports are the edge's, 80 and 443. Debian 12 logs sshd to the journal only, so fail2ban needs that backend; containers log there too.
 */
const jails = ({ sshPorts, sshAllowedFrom, ipv6 }: JailArgs) => `[DEFAULT]
backend = systemd
bantime = 10m

[sshd]
enabled = true
port = ${sshPorts.join(",")}
action = iptables-multiport[name=%(__name__)s, chain=INPUT, port="%(port)s", protocol=tcp, blocktype=DROP]
maxretry = 5
findtime = 10m

[berth-edge]
enabled = true
action = iptables-allports[name=%(__name__)s, chain=DOCKER-USER, protocol=all, blocktype=DROP]
ignoreip = 127.0.0.1/8 ::1 ${ownContainers} ${(ipv6 ? ofWholeClients(sshAllowedFrom) : sshAllowedFrom).join(" ")}
maxretry = 30
findtime = 1m
`;

/**
 * What the edge refused itself (401, 403), and what a service refused on a route that says so (`banOn`): the lines of its access
 * log that it writes to standard error. No client can forge their first fields, and no other request costs anything.
 */
export const edgeRefusal = `^\\S+ \\S+: \\{"time":"[^"]+","client":"<ADDR>","status":4\\d\\d,`;

/** The same where the edge says the client's network: `203.0.113.7/32`, `2001:db8::7/64`. fail2ban clears the host bits. */
export const edgeRefusalByNetwork = `^\\S+ \\S+: \\{"time":"[^"]+","client":"[^"]+","status":4\\d\\d,"network":"<SUBNET>",`;

const edgeFilter = (refusal: string) => `[Definition]
failregex = ${refusal}
journalmatch = BERTH_ROLE=edge PRIORITY=3
`;

/** Docker makes DOCKER-USER when it starts. */
const order = `[Unit]
Wants=docker.service
After=docker.service
`;

/** Files of fail2ban on a host, by path. */
export function fail2banFiles(args: JailArgs): Readonly<Record<string, string>> {
  return {
    "/etc/fail2ban/jail.d/berth.conf": jails(args),
    "/etc/fail2ban/filter.d/berth-edge.conf": edgeFilter(args.ipv6 ? edgeRefusalByNetwork : edgeRefusal),
    "/etc/systemd/system/fail2ban.service.d/berth.conf": order,
  };
}
