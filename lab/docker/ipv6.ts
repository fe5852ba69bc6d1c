import { existsSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import type { LabHome } from "../home.ts";
import { run } from "./host.ts";
import { bridgeName, network6, prefix6 } from "./names.ts";

/** Hetzner's gateway for IPv6, on every server's link. */
export const gateway6 = "fe80::1";

/** Whether this machine's kernel has IPv6. */
export function hasIpv6(): boolean {
  return existsSync("/proc/net/if_inet6");
}

/**
 * Gives the lab's bridge its IPv6 addresses, so that all who are on it and this machine reach each other. Docker is not asked for it: whether and how it
 * does that depends on its version. They go with the bridge.
 */
export async function ensureIpv6(home: LabHome): Promise<void> {
  const bridge = bridgeName(home);
  await writeFile(`/proc/sys/net/ipv6/conf/${bridge}/disable_ipv6`, "0");
  for (const address of [`${network6(home, 1)}1/48`, `${gateway6}/64`]) {
    await run("ip", ["-6", "address", "replace", address, "dev", bridge, "nodad"]);
  }
}

/**
 * Gives the network of a running machine, by its first process, IPv6 as Hetzner does: everybody of the lab is on its link. Its own address it has only
 * where it had one at its first boot, when cloud-init set it; one that came later is the machine's own business.
 */
export async function plugIpv6(home: LabHome, pid: number, address: string | undefined): Promise<void> {
  if (!hasIpv6()) return;
  await ensureIpv6(home);
  const inside = ["--target", String(pid), "--net"];
  const ip = (...args: string[]) => run("nsenter", [...inside, "ip", "-6", ...args]);
  // Docker turned it off, for what comes to the machine later too.
  await run("nsenter", [...inside, "sh", "-c", "echo 0 >/proc/sys/net/ipv6/conf/all/disable_ipv6"]);
  await ip("route", "replace", `${prefix6(home)}::/48`, "dev", "eth0");
  if (address === undefined) return;
  await ip("address", "replace", `${address}/64`, "dev", "eth0", "nodad");
  await ip("route", "replace", "default", "via", gateway6, "dev", "eth0");
}
