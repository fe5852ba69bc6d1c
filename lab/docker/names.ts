import { createHash } from "node:crypto";
import type { LabHome } from "../home.ts";

/** The lab's network in the outer engine. */
export function networkName(home: LabHome): string {
  return `berth-${home.name}`;
}

/** The lab's bridge on this machine. Linux allows 15 characters: longer names end in a hash. */
export function bridgeName(home: LabHome): string {
  const name = networkName(home);
  if (name.length <= 15) return name;
  return `${name.slice(0, 10)}${createHash("sha256").update(name).digest("hex").slice(0, 5)}`;
}

/** An address of the lab's network: `networkAddress(home, 10)` is the first machine's. */
export function networkAddress(home: LabHome, host: number): string {
  return home.subnet.replace(/0\/24$/, String(host));
}

/**
 * First 48 bits of the lab's IPv6 addresses, by its IPv4 network: 198.18.7.0/24 has `fd62:6572:1207`. They are unique local addresses, since the range
 * for benchmarks (RFC 5180) is one /48 for everybody. All of them are on the lab's bridge.
 */
export function prefix6(home: LabHome): string {
  const [, second, third] = home.subnet.split(".").map(Number);
  return `fd62:6572:${(((second ?? 0) << 8) | (third ?? 0)).toString(16)}`;
}

/** The IPv6 network of whoever has that IPv4 address, without its length: `network6(home, 10)` is the first machine's, which has its `::1`. */
export function network6(home: LabHome, host: number): string {
  return `${prefix6(home)}:${host.toString(16)}::`;
}

/** Prefix of this lab's network namespaces. */
export function namespacePrefix(home: LabHome): string {
  return `berth-${home.name}-client-`;
}

/** The interface of a namespace's veth pair that is attached to the bridge. Linux allows 15 characters. */
export function vethName(namespace: string): string {
  return `bv${createHash("sha256").update(namespace).digest("hex").slice(0, 10)}`;
}
