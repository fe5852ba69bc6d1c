import { isIP } from "node:net";
import { run } from "../docker/host.ts";
import { hasIpv6 } from "../docker/ipv6.ts";
import type { FirewallRule } from "./types.ts";

/** Docker inside a machine uses `nat` and `filter`; `mangle` is processed before address translation and is used by nothing else. */
const inbound = "BERTH-IN";
const outbound = "BERTH-OUT";
const metadataAddress = "169.254.169.254";

type Family = "ipv4" | "ipv6";
const programs: Readonly<Record<Family, string>> = { ipv4: "iptables", ipv6: "ip6tables" };
/** Router and neighbour discovery (RFC 4861), without which there is no link to filter. */
const discovery = [133, 134, 135, 136];

/**
 * Renders Hetzner's firewall semantics for one family's `iptables-restore --noflush`: replies and packets that a rule allows pass,
 * all others are dropped. Without an `out` rule all outgoing packets pass; with one, only those that it allows and those to the
 * metadata service. With `undefined` everything passes.
 *
 * @throws on a rule that Hetzner's API would have refused (a bad port or network).
 */
export function renderFirewall(
  rules: readonly FirewallRule[] | undefined,
  addJumps: boolean,
  family: Family = "ipv4",
): string {
  const lines = ["*mangle", `:${inbound} - [0:0]`, `:${outbound} - [0:0]`];
  if (addJumps) {
    lines.push(`-I PREROUTING 1 -i eth0 -j ${inbound}`, `-I POSTROUTING 1 -o eth0 -j ${outbound}`);
  }
  if (rules) {
    lines.push(...renderChain(inbound, "-s", rulesOf(rules, "in"), family));
    const out = rulesOf(rules, "out");
    if (out.length > 0) {
      if (family === "ipv4") lines.push(`-A ${outbound} -d ${metadataAddress} -j RETURN`);
      lines.push(...renderChain(outbound, "-d", out, family));
    }
  }
  return [...lines, "COMMIT", ""].join("\n");
}

function rulesOf(rules: readonly FirewallRule[], direction: FirewallRule["direction"]): FirewallRule[] {
  return rules.filter((rule) => rule.direction === direction);
}

function renderChain(
  chain: string,
  side: "-s" | "-d",
  rules: readonly FirewallRule[],
  family: Family,
): string[] {
  return [
    ...(family === "ipv6"
      ? discovery.map((type) => `-A ${chain} -p ipv6-icmp --icmpv6-type ${type} -j RETURN`)
      : []),
    `-A ${chain} -m conntrack --ctstate ESTABLISHED,RELATED -j RETURN`,
    ...rules.flatMap((rule) =>
      rule.ips
        .filter((network) => network.includes(":") === (family === "ipv6"))
        .map(
          (network) =>
            `-A ${chain} ${side} ${cidr(network)} -p ${protocol(rule, family)}${port(rule)} -j RETURN`,
        ),
    ),
    `-A ${chain} -j DROP`,
  ];
}

function cidr(network: string): string {
  const [address = "", bits = "0"] = network.split("/");
  if (isIP(address) !== 0 && /^\d{1,3}$/.test(bits)) return network;
  throw new Error(`firewall rule: "${network}" is not a network; for example 0.0.0.0/0 or 198.51.100.7/32`);
}

function protocol({ protocol }: FirewallRule, family: Family): string {
  return protocol === "icmp" && family === "ipv6" ? "ipv6-icmp" : protocol;
}

function port(rule: FirewallRule): string {
  if (rule.port === undefined || rule.port === "any") return "";
  if (rule.protocol !== "tcp" && rule.protocol !== "udp") {
    throw new Error(`firewall rule: ${rule.protocol} has no ports, "${rule.port}" was given`);
  }
  if (!/^\d{1,5}(-\d{1,5})?$/.test(rule.port)) {
    throw new Error(`firewall rule: "${rule.port}" is not a port or a range; for example 443 or 80-85`);
  }
  return ` --dport ${rule.port.replace("-", ":")}`;
}

/** Applies the rules atomically in the network namespace of a running machine, given its first process. */
export async function applyFirewall(pid: number, rules: readonly FirewallRule[] | undefined): Promise<void> {
  const families: readonly Family[] = hasIpv6() ? ["ipv4", "ipv6"] : ["ipv4"];
  for (const family of families) {
    const program = programs[family];
    const inside = ["--target", String(pid), "--net"];
    const there = await run("nsenter", [
      ...inside,
      program,
      ...["--wait", "10", "-t", "mangle", "-S", "PREROUTING"],
    ]);
    await run("nsenter", [...inside, `${program}-restore`, "--noflush", "--wait", "10"], {
      input: renderFirewall(rules, !there.includes(`-j ${inbound}`), family),
    });
  }
}
