import { type Input, interpolate, type Output, output } from "@pulumi/pulumi";

/**
 * The one transport to a host: OpenSSH, its host key pinned, one ControlMaster shared by host commands, the docker
 * provider and the forwarded database sockets. The first ones of a run may come at once, before there is one to share: as many
 * as Pulumi works on in parallel (four for each core by default), which Berth's MaxStartups of sshd lets in.
 */
export interface Connection {
  /** Name in `berth:hosts`. */
  readonly host: string;
  readonly address: Output<string>;
  readonly port: number;
  readonly user: string;
  /** `ssh-ed25519 AAAA…`, the key that the program made and cloud-init handed over. */
  readonly hostKey: Output<string>;
  /** Private key file; undefined leaves the choice to ssh (agent, default keys). */
  readonly identityFile?: string;
}

/** Folder of the shared connections' sockets, for the user alone; %d is the user's home, to ssh. */
const socketFolder = "%d/.cache/berth/ssh";

/** How long an idle shared connection stays open, in seconds. */
const controlPersistSeconds = 60;

/**
 * Options of every ssh call, as the docker provider's `sshOpts` takes them. The pinned key travels in the options
 * themselves (KnownHostsCommand, OpenSSH 8.5 or newer), so there is no known_hosts file that could be missing or stale. The
 * same command makes the folder of the shared connections, which ssh does not: it runs before ssh listens there, whoever started
 * ssh, a `pulumi refresh` or `destroy` too, which do not run the program.
 */
export function sshOptions(connection: Connection, sharing: "shared" | "alone" = "shared"): Output<string[]> {
  return output(connection.hostKey).apply((hostKey) => {
    const alias = `berth-${connection.host}`;
    const options = [
      `HostKeyAlias=${alias}`,
      sharing === "alone"
        ? `KnownHostsCommand=/bin/echo ${alias} ${hostKey.trim()}`
        : `KnownHostsCommand=/bin/sh -c "umask 077; mkdir -p ${socketFolder}; echo ${alias} ${hostKey.trim()}"`,
      "UserKnownHostsFile=/dev/null",
      "GlobalKnownHostsFile=/dev/null",
      "StrictHostKeyChecking=yes",
      "BatchMode=yes",
      "ConnectTimeout=10",
      "ServerAliveInterval=5",
      "ServerAliveCountMax=3",
      ...(sharing === "alone"
        ? ["ControlMaster=no", "ControlPath=none"]
        : [
            "ControlMaster=auto",
            `ControlPath=${socketFolder}/%C`,
            `ControlPersist=${controlPersistSeconds}s`,
          ]),
    ];
    const identity = connection.identityFile
      ? ["-o", `IdentityFile=${connection.identityFile}`, "-o", "IdentitiesOnly=yes"]
      : [];
    return [...options.flatMap((option) => ["-o", option]), ...identity];
  });
}

/** `ssh … user@address`, quoted for a POSIX shell. */
export function sshCommand(connection: Connection, sharing: "shared" | "alone" = "shared"): Output<string> {
  return interpolate`ssh ${sshOptions(connection, sharing).apply((options) => options.map(shellQuote).join(" "))} -p ${connection.port} ${connection.user}@${connection.address}`;
}

/** The docker provider's `host`. */
export function dockerHost(connection: Connection): Output<string> {
  return interpolate`ssh://${connection.user}@${connection.address}:${connection.port}`;
}

/** Quotes a word for a POSIX shell; plain words stay readable. */
export function shellQuote(word: string): string {
  return /^[A-Za-z0-9_@%+=:,./~-]+$/.test(word) && !word.startsWith("~")
    ? word
    : `'${word.replaceAll("'", `'\\''`)}'`;
}

/** `name='value'` lines for a shell script, values quoted. */
export function shellAssignments(values: Record<string, Input<string | number>>): Output<string> {
  return output(values).apply((resolved) =>
    Object.entries(resolved)
      .map(([name, value]) => `${name}=${shellQuote(String(value))}\n`)
      .join(""),
  );
}
