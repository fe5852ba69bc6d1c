import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";

interface ProcessInfo {
  readonly pid: number;
  /** The command line, shortened. */
  readonly command: string;
}

/** A TCP socket of this machine, as /proc/net/tcp shows it. IPv4 only, as everything in the lab. */
interface Socket {
  readonly local: { readonly address: string; readonly port: number };
  readonly remote: { readonly address: string; readonly port: number };
  readonly listening: boolean;
  readonly inode: string;
}

/** Every process of this machine that this user may see. */
export function processes(): ProcessInfo[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map((name) => ({ pid: Number(name), command: commandOf(Number(name)) }))
    .filter(({ command }) => command !== "");
}

/**
 * The process that listens on an address and port, for the message that it is taken; undefined when there is none, or none that this
 * user can see.
 */
export function whoListens(address: string, port: number): ProcessInfo | undefined {
  const inodes = tcpSockets()
    .filter(
      ({ local, listening }) =>
        listening && local.port === port && (local.address === address || local.address === "0.0.0.0"),
    )
    .map(({ inode }) => inode);
  return owners(inodes)[0];
}

/** The ssh processes with a connection to an address that `isMine` accepts: masters of shared connections, mostly. */
export function sshProcessesTo(isMine: (address: string) => boolean): ProcessInfo[] {
  const inodes = tcpSockets()
    .filter(({ remote, listening }) => !listening && isMine(remote.address))
    .map(({ inode }) => inode);
  return owners(inodes).filter(({ pid }) => nameOf(pid) === "ssh");
}

/**
 * Ends a process by SIGTERM, then by SIGKILL.
 * @returns false when it still runs `seconds` after each signal.
 */
export async function endProcess(pid: number, seconds: number): Promise<boolean> {
  for (const signal of ["SIGTERM", "SIGKILL"] as const) {
    try {
      process.kill(pid, signal);
    } catch {
      return true;
    }
    const deadline = Date.now() + seconds * 1000;
    while (Date.now() < deadline) {
      if (!isAlive(pid)) return true;
      await sleep(50);
    }
  }
  return false;
}

/** False for a process that has ended, including zombies. */
export function isAlive(pid: number): boolean {
  const state = /^State:\s+(\S)/m.exec(readOr(`/proc/${pid}/status`))?.[1];
  return state !== undefined && state !== "Z";
}

/** When a process started, in clock ticks since boot: with the pid it identifies a process uniquely. */
export function startTicks(pid: number): string {
  const stat = readOr(`/proc/${pid}/stat`);
  // The preceding field, the name, may contain spaces and parentheses.
  return (
    stat
      .slice(stat.lastIndexOf(")") + 2)
      .split(" ")
      .at(19) ?? ""
  );
}

function tcpSockets(): Socket[] {
  return readOr("/proc/net/tcp")
    .trim()
    .split("\n")
    .slice(1)
    .map((line) => {
      const [, local = "", remote = "", state, , , , , , inode = ""] = line.trim().split(/\s+/);
      return { local: endpoint(local), remote: endpoint(remote), listening: state === "0A", inode };
    });
}

/** `0100007F:1F90`, the address in the machine's byte order (little-endian on all that the lab runs on). */
function endpoint(text: string): { address: string; port: number } {
  const [address = "", port = ""] = text.split(":");
  const bytes = [...(address.match(/../g) ?? [])].reverse().map((byte) => Number.parseInt(byte, 16));
  return { address: bytes.join("."), port: Number.parseInt(port, 16) };
}

function owners(inodes: readonly string[]): ProcessInfo[] {
  const wanted = new Set(inodes.map((inode) => `socket:[${inode}]`));
  if (wanted.size === 0) return [];
  return processes().filter(({ pid }) => {
    try {
      return readdirSync(`/proc/${pid}/fd`).some((fd) => wanted.has(readlinkOr(`/proc/${pid}/fd/${fd}`)));
    } catch {
      return false;
    }
  });
}

function commandOf(pid: number): string {
  const line = readOr(`/proc/${pid}/cmdline`)
    .replace(/[\0\s]+/g, " ")
    .trim();
  return line.length > 120 ? `${line.slice(0, 119)}…` : line;
}

function nameOf(pid: number): string {
  return readOr(`/proc/${pid}/comm`).trim();
}

function readOr(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}

function readlinkOr(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return "";
  }
}
