import { stringify } from "yaml";
import { readScript } from "./command.ts";
import { deployUser, hostFiles, packages } from "./host-files.ts";

export interface CloudInitArgs {
  /** Hetzner's name of the image: `debian-13`. */
  readonly image: string;
  readonly authorizedKeys: readonly string[];
  readonly hostKeyPrivate: string;
  readonly hostKeyPublic: string;
  readonly sshPorts: readonly number[];
  /** Networks that the edge's jail never bans. */
  readonly sshAllowedFrom: readonly string[];
  readonly ipv6: boolean;
}

/**
 * User data of a host, for distribution packages only: the deploy user, the host key that the program made, a hardened
 * sshd, Docker with a single-node Swarm, and the rule that keeps containers from the metadata service (which would show
 * them this very document, host key included). Contains a private key: treat the result as secret.
 */
export function cloudInit(args: CloudInitArgs): string {
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
    // Docker's command is a package of its own there, which docker.io only recommends.
    packages: [...packages, ...(args.image === "debian-13" ? ["docker-cli"] : [])],
    write_files: [
      ...Object.entries(hostFiles(args)).map(([path, { content, mode }]) => ({
        path,
        permissions: mode,
        content,
      })),
      {
        path: "/usr/local/sbin/berth-first-boot",
        permissions: "0755",
        content: `#!/bin/bash\n${["swarm", "first-boot"].map((name) => readScript(import.meta.url, `./scripts/${name}.sh`)).join("")}`,
      },
    ],
    runcmd: [["/usr/local/sbin/berth-first-boot"]],
  };
  return `#cloud-config\n${stringify(document, { lineWidth: 0 })}`;
}
