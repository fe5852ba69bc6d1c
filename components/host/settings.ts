import { local } from "@pulumi/command";
import { type ComponentResourceOptions, interpolate, mergeOptions } from "@pulumi/pulumi";
import { hostText, readScript, wholeScript } from "./command.ts";
import { type Connection, shellAssignments, sshCommand } from "./connection.ts";
import {
  deployUser,
  fileModesPath,
  hostFiles,
  kernelSettingsPath,
  packages,
  sshdConfigPath,
} from "./host-files.ts";
import { keepingFiles } from "./kept-files.ts";
import { hostPaths } from "./paths.ts";

export interface SettingsArgs {
  /** How this run reaches the host. */
  readonly connection: Connection;
  /** Where sshd is to listen; a new connection to the first one must come in. */
  readonly sshPorts: readonly [number, ...number[]];
  readonly authorizedKeys: readonly string[];
  /** Networks that the edge's jail never bans. */
  readonly sshAllowedFrom: readonly string[];
  readonly ipv6: boolean;
  /** When it changes, the file system is enlarged. */
  readonly volumeGigabytes: number;
}

/** Installing packages included. */
const deadlineSeconds = 400;

/** After this time sshd's old settings and the old keys come back when no new connection has come in. */
const undoSeconds = 120;

/**
 * Keeps a running host as it is declared, where cloud-init made it so at first: keys of the deploy user, sshd's settings and ports,
 * jails, the kernel's and Docker's daemon settings, the journal's limits, packages, the file system of the data volume. It runs again when one of
 * them changes, and changes what differs only. Keys and sshd's settings are kept when a new connection has come in with them; else
 * the old ones are back after two minutes at most. Docker's daemon settings take effect when dockerd starts again, which is not
 * done here: it stops every service of the host.
 */
export function hostSettings(
  name: string,
  args: SettingsArgs,
  opts: ComponentResourceOptions,
): local.Command {
  const { connection, sshPorts } = args;
  const files = hostFiles(args);
  const kept = keepingFiles(
    name,
    [...Object.keys(files), `/home/${deployUser}/.ssh/authorized_keys`],
    readScript(import.meta.url, "./scripts/settings.sh"),
  );
  const parameters = shellAssignments({
    ...kept.parameters,
    FILES: JSON.stringify(files, undefined, 1),
    AUTHORIZED_KEYS: args.authorizedKeys.map((key) => key.trim()).join("\n"),
    PACKAGES: packages.join(" "),
    USER_NAME: deployUser,
    SSHD_CONFIG: sshdConfigPath,
    KERNEL_SETTINGS: kernelSettingsPath,
    FILE_MODES: fileModesPath,
    UNDO_SECONDS: undoSeconds,
    VOLUME_GIGABYTES: args.volumeGigabytes,
    DATA_VOLUME: hostPaths.dataVolume,
    DOCKER_RESTART_PENDING: hostPaths.dockerRestartPending,
  });
  return new local.Command(
    name,
    {
      interpreter: ["/bin/sh", "-c", readScript(import.meta.url, "./scripts/try-settings.sh")],
      create: interpolate`${name} on ${hostText(connection)}`,
      environment: {
        HOST: connection.host,
        SSH_COMMAND: sshCommand(connection),
        NEW_SSH_COMMAND: sshCommand({ ...connection, port: sshPorts[0] }, "alone"),
        DEADLINE_SECONDS: String(deadlineSeconds),
      },
      stdin: interpolate`${parameters}${wholeScript(kept.body)}`,
      logging: "none",
      addPreviousOutputInEnv: false,
    },
    mergeOptions(opts, {
      additionalSecretOutputs: ["stdout", "stderr"],
      customTimeouts: { create: `${deadlineSeconds + 60}s`, update: `${deadlineSeconds + 60}s` },
    }),
  );
}
