import { stringify } from "yaml";
import { readScript } from "./command.ts";
import { fail2banFiles } from "./fail2ban.ts";

/** The user that deploys: in the docker group, sudo without a password, keys only. */
export const deployUser = "deploy";

export interface CloudInitArgs {
  readonly authorizedKeys: readonly string[];
  readonly hostKeyPrivate: string;
  readonly hostKeyPublic: string;
  readonly sshPort: number;
}

/**
 * User data of a host, for distribution packages only: the deploy user, the host key that the program made, a hardened
 * sshd, Docker with a single-node Swarm, and the rule that keeps containers from the metadata service (which would show
 * them this very document, host key included). Contains a private key: treat the result as secret.
 */
export function cloudInit(args: CloudInitArgs): string {
  const file = (path: string, script: string, permissions = "0644") => ({
    path,
    permissions,
    content: script,
  });
  const document = {
    // Always there, so that nothing is generated and messages read the same everywhere.
    locale: "C.UTF-8",
    groups: ["docker"],
    users: [
      {
        name: deployUser,
        groups: ["docker"],
        shell: "/bin/bash",
        sudo: "ALL=(ALL) NOPASSWD:ALL",
        lock_passwd: true,
        ssh_authorized_keys: [...args.authorizedKeys],
      },
    ],
    disable_root: true,
    ssh_pwauth: false,
    ssh_deletekeys: true,
    ssh_keys: { ed25519_private: args.hostKeyPrivate, ed25519_public: args.hostKeyPublic },
    package_update: true,
    packages: ["docker.io", "fail2ban", "certbot", "openssl", "netcat-openbsd", "curl", "jq"],
    write_files: [
      file("/etc/ssh/sshd_config.d/10-berth.conf", sshdConfig(args.sshPort)),
      file("/etc/systemd/journald.conf.d/berth.conf", journal),
      file("/etc/docker/daemon.json", `${JSON.stringify(dockerDaemon, undefined, 2)}\n`),
      ...Object.entries(fail2banFiles(args.sshPort)).map(([path, content]) => file(path, content)),
      file(
        "/usr/local/sbin/berth-first-boot",
        readScript(import.meta.url, "./scripts/first-boot.sh"),
        "0755",
      ),
      file(
        "/usr/local/sbin/berth-metadata-guard",
        readScript(import.meta.url, "./scripts/metadata-guard.sh"),
        "0755",
      ),
      file("/etc/systemd/system/berth-metadata-guard.service", metadataGuardUnit),
    ],
    runcmd: [["/usr/local/sbin/berth-first-boot"]],
  };
  return `#cloud-config\n${stringify(document, { lineWidth: 0 })}`;
}

/**
 * Source of the values: dev-sec's ssh-baseline. Its MaxStartups of 10:30:60 drops first connections of a run: Pulumi works on four
 * resources for each core (16 on 4 cores, 64 on 16), and until one connection stands there is none to share.
 */
function sshdConfig(port: number): string {
  return [
    `Port ${port}`,
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
