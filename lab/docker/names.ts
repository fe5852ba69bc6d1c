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

/** Prefix of this lab's network namespaces. */
export function namespacePrefix(home: LabHome): string {
  return `berth-${home.name}-client-`;
}

/** The interface of a namespace's veth pair that is attached to the bridge. Linux allows 15 characters. */
export function vethName(namespace: string): string {
  return `bv${createHash("sha256").update(namespace).digest("hex").slice(0, 10)}`;
}
