/** Jails of a host: addresses that keep failing get no connection to it for a while, to nothing that it runs. */

/**
 * Packets to the host itself pass INPUT, those to published ports of containers pass DOCKER-USER and never INPUT: a ban stands
 * in both, or it would stop one of sshd and the edge. Each needs a chain of its own name.
 */
const bans = ["INPUT", "DOCKER-USER"]
  .map(
    (chain) =>
      `iptables-allports[name=%(__name__)s-${chain}, chain=${chain}, protocol=all, blocktype=DROP, actname=${chain}]`,
  )
  .join("\n         ");

/** Debian 12 logs sshd to the journal only, so fail2ban needs that backend; containers log there too. */
const jails = (sshPort: number) => `[DEFAULT]
backend = systemd
bantime = 10m
action = ${bans}

[sshd]
enabled = true
port = ${sshPort}
maxretry = 5
findtime = 10m

[berth-edge]
enabled = true
maxretry = 30
findtime = 1m
`;

/**
 * What the edge refused, by the first fields of its access log, which no client can forge: 401 and 403 (no key, or not from
 * there) and 429 (too often). They are the lines that the edge writes to standard error, so no other request costs anything.
 */
const edgeFilter = `[Definition]
failregex = ^\\S+ \\S+: \\{"time":"[^"]+","client":"<ADDR>","status":(?:401|403|429),
journalmatch = BERTH_ROLE=edge PRIORITY=3
`;

/** Docker makes DOCKER-USER when it starts. */
const order = `[Unit]
Wants=docker.service
After=docker.service
`;

/** Files of fail2ban on a host, by path. */
export function fail2banFiles(sshPort: number): Readonly<Record<string, string>> {
  return {
    "/etc/fail2ban/jail.d/berth.conf": jails(sshPort),
    "/etc/fail2ban/filter.d/berth-edge.conf": edgeFilter,
    "/etc/systemd/system/fail2ban.service.d/berth.conf": order,
  };
}
