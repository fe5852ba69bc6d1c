import { readScript } from "./command.ts";
import { fail2banFiles } from "./fail2ban.ts";
import { diskFloorMebibytes } from "./paths.ts";

/** The user that deploys: in the docker group, sudo without a password, keys only. */
export const deployUser = "deploy";

/** Packages that a host needs, by the names that Debian and Ubuntu have in common. */
export const packages = [
  "docker.io",
  "fail2ban",
  "certbot",
  "openssl",
  "netcat-openbsd",
  "curl",
  "jq",
  "unattended-upgrades",
] as const;

export interface HostFile {
  readonly content: string;
  /** As chmod takes it: `0644`. */
  readonly mode: string;
}

/**
 * Every file of the system's that Berth writes on a host, by path: cloud-init writes them on a new one, `<host>-settings` keeps
 * them as they are declared. All belong to root.
 */
export function hostFiles(args: {
  readonly sshPorts: readonly number[];
  readonly sshAllowedFrom: readonly string[];
  readonly ipv6: boolean;
}): Readonly<Record<string, HostFile>> {
  const text = (content: string): HostFile => ({ content, mode: "0644" });
  const script = (path: string): HostFile => ({ content: readScript(import.meta.url, path), mode: "0755" });
  return {
    [sshdConfigPath]: text(sshdConfig(args.sshPorts)),
    "/etc/systemd/journald.conf.d/berth.conf": text(journal),
    "/etc/docker/daemon.json": text(`${JSON.stringify(dockerDaemon, undefined, 2)}\n`),
    "/usr/local/sbin/berth-remove-stale-vxlan": script("./scripts/remove-stale-vxlan.sh"),
    "/etc/systemd/system/docker.service.d/berth.conf": text(dockerUnit),
    "/etc/apt/apt.conf.d/52berth": text(upgrades),
    ...Object.fromEntries(
      Object.entries(fail2banFiles(args)).map(([path, content]) => [path, text(content)]),
    ),
    "/usr/local/sbin/berth-metadata-guard": script("./scripts/metadata-guard.sh"),
    "/etc/systemd/system/berth-metadata-guard.service": text(metadataGuardUnit),
    "/usr/local/sbin/berth-access": script("./scripts/access.sh"),
    "/usr/local/sbin/berth-prune-images": script("./scripts/prune-images.sh"),
    "/etc/systemd/system/berth-prune-images.service": text(pruneUnit),
    "/etc/systemd/system/berth-prune-images.timer": text(pruneTimer),
  };
}

/** Where sshd's settings are: what could lock everybody out is tried before it is kept. */
export const sshdConfigPath = "/etc/ssh/sshd_config.d/10-berth.conf";

/**
 * Security updates of the distribution, daily. Docker's own packages are left out: an update restarts dockerd, and every service of
 * the host with it (docs/decisions/0006-updates-and-firewall.md).
 */
const upgrades = `APT::Periodic::Update-Package-Lists "1";
APT::Periodic::Unattended-Upgrade "1";
Unattended-Upgrade::Package-Blacklist { "^docker"; "^containerd"; "^runc"; };
Unattended-Upgrade::Automatic-Reboot "false";
`;

/**
 * Source of the values: dev-sec's ssh-baseline. Its MaxStartups of 10:30:60 drops first connections of a run: Pulumi works on four
 * resources for each core (16 on 4 cores, 64 on 16), and until one connection stands there is none to share.
 */
function sshdConfig(ports: readonly number[]): string {
  return [
    ...ports.map((port) => `Port ${port}`),
    "PermitRootLogin no",
    "PasswordAuthentication no",
    "KbdInteractiveAuthentication no",
    "AuthenticationMethods publickey",
    `AllowUsers ${deployUser}`,
    "MaxAuthTries 3",
    "LoginGraceTime 30",
    "MaxStartups 100:30:200",
    // Sessions share one connection: parallel host commands, the docker provider and database connections.
    "MaxSessions 64",
    "X11Forwarding no",
    "AllowAgentForwarding no",
    "AllowTcpForwarding no",
    "AllowStreamLocalForwarding no",
    "PermitTunnel no",
    "ClientAliveInterval 30",
    "ClientAliveCountMax 3",
    "",
  ].join("\n");
}

/** Labels of containers that their journal entries carry: what belongs to whom, also when the container is gone. */
const loggedLabels = [
  "berth.system",
  "berth.resource",
  "berth.role",
  "com.docker.swarm.service.name",
  "com.docker.swarm.task.name",
];

/**
 * Containers log to the host's journal, which outlives them: a slot that is gone can still be read. The fields are named as
 * the labels, in capitals: BERTH_SYSTEM, COM_DOCKER_SWARM_SERVICE_NAME. live-restore is left out because Swarm mode does
 * not allow it.
 */
const dockerDaemon = {
  "log-driver": "journald",
  "log-opts": { labels: loggedLabels.join(","), tag: "{{.Name}}" },
  "no-new-privileges": true,
};

/** The minus: dockerd starts in any case. */
const dockerUnit = `[Service]
ExecStartPre=-/usr/local/sbin/berth-remove-stale-vxlan
`;

/**
 * Kept over restarts and bounded. All containers' lines come from one sender, Docker, and count together: the default of
 * 10,000 lines in 30 seconds would drop some of what an edge and an app write at 200 requests a second.
 */
const journal = `[Journal]
Storage=persistent
SystemMaxUse=2G
SystemKeepFree=1G
MaxRetentionSec=90day
RateLimitIntervalSec=30s
RateLimitBurst=200000
`;

const metadataGuardUnit = `[Unit]
Description=Keeps containers from the cloud's metadata service
After=docker.service
PartOf=docker.service

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/usr/local/sbin/berth-metadata-guard

[Install]
WantedBy=docker.service
`;

const pruneUnit = `[Unit]
Description=Removes images that nothing needs
After=docker.service

[Service]
Type=oneshot
TimeoutStartSec=30min
Environment=FLOOR_MEBIBYTES=${diskFloorMebibytes}
ExecStart=/usr/local/sbin/berth-prune-images
`;

const pruneTimer = `[Unit]
Description=Removes images that nothing needs

[Timer]
OnCalendar=daily
RandomizedDelaySec=1h
Persistent=true

[Install]
WantedBy=timers.target
`;
