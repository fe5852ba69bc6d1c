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
    [kernelSettingsPath]: text(kernelSettings),
    "/etc/modprobe.d/berth.conf": text(unusedFileSystems),
    [fileModesPath]: text(fileModes),
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

/** The kernel's parameters: after the distribution's own files, before /etc/sysctl.conf. */
export const kernelSettingsPath = "/etc/sysctl.d/90-berth.conf";

/** Modes of the distribution's files, for systemd-tmpfiles: at boot, and when this file changes. */
export const fileModesPath = "/etc/tmpfiles.d/berth.conf";

/**
 * Source of the values: dev-sec's ssh-baseline; where they differ from it, docs/security.md says why. Its MaxStartups of 10:30:60 drops
 * first connections of a run: Pulumi works on four resources for each core (16 on 4 cores, 64 on 16), and until one connection stands
 * there is none to share.
 */
function sshdConfig(ports: readonly number[]): string {
  return [
    ...ports.map((port) => `Port ${port}`),
    // The one key that the program made and everybody pins: a package that makes others changes nothing.
    "HostKey /etc/ssh/ssh_host_ed25519_key",
    "Ciphers chacha20-poly1305@openssh.com,aes256-gcm@openssh.com,aes128-gcm@openssh.com,aes256-ctr,aes192-ctr,aes128-ctr",
    "KexAlgorithms sntrup761x25519-sha512@openssh.com,curve25519-sha256@libssh.org,diffie-hellman-group-exchange-sha256",
    "MACs hmac-sha2-512-etm@openssh.com,hmac-sha2-256-etm@openssh.com,umac-128-etm@openssh.com,hmac-sha2-512,hmac-sha2-256",
    // Says with which key somebody came in.
    "LogLevel VERBOSE",
    "DebianBanner no",
    "PermitRootLogin no",
    "PasswordAuthentication no",
    "KbdInteractiveAuthentication no",
    "AuthenticationMethods publickey",
    "IgnoreUserKnownHosts yes",
    "KerberosOrLocalPasswd no",
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
    "PrintLastLog no",
    "TCPKeepAlive no",
    "ClientAliveInterval 30",
    "ClientAliveCountMax 3",
    "",
  ].join("\n");
}

/**
 * Source of the values: dev-sec's linux-baseline; where they differ from it, docs/security.md says why. New network namespaces, those of
 * containers too, begin with these values of IPv4 and the kernel's own of IPv6 (kernel, net.core.devconf_inherit_init_net). Google's images
 * ship the strict rp_filter, and Docker itself sets the two of ARP in its containers (moby/libnetwork#2270). The asterisk: systemd's
 * own file sets each interface to the loose filter, and the larger value counts.
 */
const kernelSettings = `net.ipv4.conf.all.rp_filter = 1
net.ipv4.conf.default.rp_filter = 1
net.ipv4.conf.*.rp_filter = 1
net.ipv4.icmp_ignore_bogus_error_responses = 1
net.ipv4.icmp_echo_ignore_broadcasts = 1
net.ipv4.icmp_ratelimit = 100
net.ipv4.icmp_ratemask = 88089
net.ipv4.conf.all.arp_ignore = 1
net.ipv4.conf.all.arp_announce = 2
net.ipv4.tcp_rfc1337 = 1
net.ipv4.tcp_syncookies = 1
net.ipv4.conf.all.shared_media = 1
net.ipv4.conf.default.shared_media = 1
net.ipv4.conf.all.accept_source_route = 0
net.ipv4.conf.default.accept_source_route = 0
net.ipv6.conf.all.accept_source_route = 0
net.ipv6.conf.default.accept_source_route = 0
net.ipv4.conf.all.accept_redirects = 0
net.ipv4.conf.default.accept_redirects = 0
net.ipv4.conf.all.secure_redirects = 0
net.ipv4.conf.default.secure_redirects = 0
net.ipv4.conf.all.send_redirects = 0
net.ipv4.conf.default.send_redirects = 0
net.ipv4.conf.all.log_martians = 1
net.ipv4.conf.default.log_martians = 1
net.ipv6.conf.all.accept_redirects = 0
net.ipv6.conf.default.accept_redirects = 0
kernel.sysrq = 0
fs.suid_dumpable = 0
kernel.randomize_va_space = 2
fs.protected_fifos = 1
fs.protected_hardlinks = 1
fs.protected_regular = 2
fs.protected_symlinks = 1
kernel.yama.ptrace_scope = 2
`;

/** Not squashfs, which Ubuntu's snaps are, and not vfat, from which a server with UEFI boots. */
const unusedFileSystems = ["cramfs", "freevxfs", "jffs2", "hfs", "hfsplus", "udf"]
  .map((name) => `install ${name} /bin/true\n`)
  .join("");

const fileModes = `z /etc/ssh/sshd_config 0600 root root
z /etc/crontab 0600 root root
${["d", "hourly", "daily", "weekly", "monthly", "yearly"].map((when) => `z /etc/cron.${when} 0700 root root\n`).join("")}`;

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
  // Nothing runs on Docker's default bridge but builds, which need not reach each other.
  icc: false,
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
