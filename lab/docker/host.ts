import { constants } from "node:fs";
import { access } from "node:fs/promises";
import { delimiter, join } from "node:path";
import { isPackageFolder } from "../../ops/search-path.ts";
import type { Progress } from "../progress.ts";

/** PATH with the system folders: an ordinary login on Debian has no `/usr/sbin`, where dockerd and losetup are. */
export const hostPath: string = [process.env.PATH ?? "", "/usr/sbin", "/sbin", "/usr/bin", "/bin"].join(
  delimiter,
);

/**
 * Runs a command of this machine and returns its standard output. Arguments are visible to every user of the machine:
 * pass secrets and long texts through `input`.
 *
 * @throws with the command, its exit code and its error output; when it takes longer than `timeoutSeconds` (60).
 */
export async function run(
  command: string,
  args: readonly string[],
  options: { readonly input?: string; readonly timeoutSeconds?: number } = {},
): Promise<string> {
  const seconds = options.timeoutSeconds ?? 60;
  // Loaded when the first process is started: it has more modules than the command that starts none.
  const { execa } = await import("execa");
  const result = await execa(command, args, {
    env: { PATH: hostPath, LC_ALL: "C" },
    input: options.input ?? "",
    timeout: seconds * 1000,
    reject: false,
  });
  if (result.timedOut) {
    throw new Error(`${command} ${args.join(" ")}: no end after ${seconds} s; it printed: ${result.stderr}`);
  }
  if (result.failed) {
    const reason = result.stderr || result.originalMessage || result.stdout;
    throw new Error(`${command} ${args.join(" ")}: exit code ${result.exitCode ?? "none"}: ${reason}`);
  }
  return result.stdout;
}

/** Like {@link run}; returns false when the command fails. */
export async function succeeds(command: string, args: readonly string[]): Promise<boolean> {
  return run(command, args).then(
    () => true,
    () => false,
  );
}

/** Commands that the lab runs on this machine, and the Debian package of each. */
const packageOf = {
  dockerd: "docker.io",
  iptables: "iptables",
  ip: "iproute2",
  nsenter: "util-linux",
  flock: "util-linux",
  losetup: "mount",
  "mkfs.ext4": "e2fsprogs",
  "mkfs.xfs": "xfsprogs",
  debootstrap: "debootstrap",
  restic: "restic",
} as const;
type HostTool = keyof typeof packageOf;

/**
 * The path of a command of this machine, or undefined. Skips the folders of the project's packages, which npm puts in front of
 * the PATH: their `pulumi` is a launcher that downloads the command line.
 */
export async function findCommand(command: string): Promise<string | undefined> {
  for (const folder of hostPath.split(delimiter)) {
    if (isPackageFolder(folder)) continue;
    const candidate = join(folder, command);
    if (
      folder !== "" &&
      (await access(candidate, constants.X_OK).then(
        () => true,
        () => false,
      ))
    ) {
      return candidate;
    }
  }
  return undefined;
}

/**
 * Makes sure that the commands exist; as root, installs the Debian packages of missing ones.
 *
 * @throws the command to run, when it cannot install them.
 */
export async function ensureTools(tools: readonly HostTool[], progress: Progress): Promise<void> {
  const missing: HostTool[] = [];
  for (const tool of tools) if ((await findCommand(tool)) === undefined) missing.push(tool);
  if (missing.length === 0) return;
  const packages = [...new Set(missing.map((tool) => packageOf[tool]))];
  const byHand = `apt-get update && apt-get install -y --no-install-recommends ${packages.join(" ")}`;
  const what = `the lab needs ${missing.join(", ")} on this machine`;
  if ((await findCommand("apt-get")) === undefined) {
    throw new Error(
      `${what}, and there is no apt-get to install them; install them with your system's package manager`,
    );
  }
  if (!isRoot()) throw new Error(`${what}; install them with: sudo sh -c '${byHand}'`);
  progress(`installing ${packages.join(", ")}`);
  const apt = ["DEBIAN_FRONTEND=noninteractive", "apt-get", "-o", "DPkg::Lock::Timeout=120"];
  try {
    await run("env", [...apt, "update"], { timeoutSeconds: 180 });
    await run("env", [...apt, "install", "-y", "--no-install-recommends", ...packages], {
      timeoutSeconds: 600,
    });
  } catch (error) {
    throw new Error(`${what}, and installing them failed; try yourself: ${byHand}`, { cause: error });
  }
}

export function isRoot(): boolean {
  return process.getuid?.() === 0;
}

/** @throws the command to run, when this is not root. */
export function requireRoot(purpose: string): void {
  if (isRoot()) return;
  throw new Error(
    `${purpose} needs root on this machine; run the same command under sudo: sudo -E npm start`,
  );
}
