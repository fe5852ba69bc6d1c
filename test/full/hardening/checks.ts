import { idsOf } from "./page.ts";

/** How a control is checked: by a question to a machine, or for what a machine of the lab cannot have, by lines that Berth writes on a host. */

/** What a machine answers: all of it, without blanks at the ends. */
export interface MachineCheck {
  readonly run: string;
  readonly says: string | RegExp;
}

/** Lines of a file that Berth writes on every host. */
export interface WrittenCheck {
  readonly path: string;
  readonly lines: readonly string[];
  /** Why no machine of the lab can be asked. */
  readonly notHere: string;
}

export type Check = MachineCheck | WrittenCheck;

export const nothing = "";

/** An option in effect, as sshd names and writes it. */
export const sshd = (option: string, value: string): MachineCheck => ({
  run: `sudo sshd -T | sed -n 's/^${option} //p'`,
  says: value,
});

/** An option in effect of the client for any host. */
export const ssh = (option: string, value: string): MachineCheck => ({
  run: `ssh -T -G host.example | sed -n 's/^${option} //p'`,
  says: value,
});

/** Parameters of the network, which a machine of the lab has for itself. */
export const network = (values: Readonly<Record<string, number>>): MachineCheck => ({
  run: `sudo sysctl --values ${Object.keys(values).join(" ")} | paste -sd ' '`,
  says: Object.values(values).join(" "),
});

/** Of IPv4, IPv6 or both, for all interfaces and for new ones. */
export const interfaces = (name: string, value: number, versions: readonly string[] = ["ipv4"]) =>
  network(
    Object.fromEntries(
      versions.flatMap((version) =>
        ["all", "default"].map((of) => [`net.${version}.conf.${of}.${name}`, value]),
      ),
    ),
  );

export const kernel = (...lines: readonly string[]): WrittenCheck => ({
  path: "/etc/sysctl.d/90-berth.conf",
  lines,
  notHere: "the kernel is that of the machine that the lab runs on, whose settings it leaves alone",
});

/** `644 root:root` of each of the files. */
export const files = (paths: string, mode: string): MachineCheck => ({
  run: `sudo stat --format '%a %U:%G' ${paths} | sort -u`,
  says: mode,
});

/** None of the files is there, on a host whose Docker listens on no TCP port and trusts no authority of its own. */
export const absent = (paths: string): MachineCheck => ({ run: `ls -d ${paths} 2>/dev/null`, says: nothing });

/** All running containers have the same answer. */
export const containers = (template: string, answer: string | RegExp): MachineCheck => ({
  run: `docker ps --quiet | xargs docker inspect --format '${template}' | sort -u`,
  says: answer,
});

/** No running container has what the extended regular expression matches. */
export const containersHaveNo = (template: string, pattern: string): MachineCheck => ({
  run: `docker ps --quiet | xargs docker inspect --format '${template}' | grep -E '${pattern}' || true`,
  says: nothing,
});

export const docker = (template: string, answer: string | RegExp): MachineCheck => ({
  run: `docker info --format '${template}'`,
  says: answer,
});

/** Daemon's options, of its settings and its command line. */
export const daemonHasNo = (option: string): MachineCheck => ({
  run: `{ cat /etc/docker/daemon.json; ps -o args= -C dockerd; } | grep -o -E -e '${option}' || true`,
  says: nothing,
});

export const notInstalled = (...names: readonly string[]): MachineCheck => ({
  run: `dpkg-query --show --showformat '\${db:Status-Abbrev}\${Package}\\n' ${names.join(" ")} 2>/dev/null | grep '^i' || true`,
  says: nothing,
});

/** The list itself asks it of older versions alone. */
export const newerThan = (version: string): MachineCheck => ({
  run: `dpkg --compare-versions "$(ssh -V 2>&1 | sed -E 's/^OpenSSH_([0-9.]+).*/\\1/')" ge ${version} && echo newer`,
  says: "newer",
});

export const group = (ids: string, check: Check): Record<string, Check> =>
  Object.fromEntries(idsOf(ids).map((id) => [id, check]));

export function isWritten(check: Check): check is WrittenCheck {
  return "path" in check;
}
