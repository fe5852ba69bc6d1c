import { z } from "zod";

/** Networks of clients, as people write them. */

/** Client network in CIDR notation, without host bits: what `203.0.113.7/24` means is a guess. */
export const network = z
  .union([z.cidrv4(), z.cidrv6()], {
    error: "is not a network; use CIDR notation, as in 203.0.113.7/32",
  })
  .refine((text) => problemOf(parse(text)) === undefined, {
    error: ({ input }) => problemOf(parse(String(input))) ?? "",
  });

/**
 * The networks, those of IPv6 at least as large as what one client has: a /64, within which it takes any address it likes (RFC 4291, 2.5.4;
 * RFC 8981).
 */
export function ofWholeClients(networks: readonly string[]): string[] {
  const widened = networks.map(parse).map((each) => {
    const bits = each.width === 128 ? Math.min(each.bits, clientPrefixBits) : each.bits;
    return each.bits === bits ? each.text : `${addressText(firstOf({ ...each, bits }), 128)}/${bits}`;
  });
  return [...new Set(widened)];
}

/** What of an IPv6 address tells clients apart, in bits. Docker Hub limits by it too (docker.com/blog/docker-hub-registry-ipv6-support-now-generally-available). */
export const clientPrefixBits = 64;

interface Network {
  readonly text: string;
  readonly address: string;
  readonly bits: number;
  readonly number: bigint;
  /** 32 or 128. */
  readonly width: number;
}

function parse(text: string): Network {
  const [address = "", bits = ""] = text.split("/");
  const width = address.includes(":") ? 128 : 32;
  return { text, address, bits: Number(bits), number: numberOf(address), width };
}

function problemOf(network: Network): string | undefined {
  const { address, bits, number, width } = network;
  if (width === 128 && number >> 32n === 0xffffn) {
    const inside = bits >= 96 ? `${addressText(number & 0xffffffffn, 32)}/${bits - 96}` : "0.0.0.0/0";
    return `is a network of IPv4 that is written as IPv6, which no client comes from; use ${inside}`;
  }
  const first = firstOf(network);
  if (first === number) return undefined;
  return `names an address and a whole network; use ${addressText(first, width)}/${bits} for the network, ${address}/${width} for the address`;
}

/** First address of a network. */
function firstOf({ number, bits, width }: Network): bigint {
  const rest = BigInt(width - bits);
  return (number >> rest) << rest;
}

function numberOf(address: string): bigint {
  if (!address.includes(":")) return join(address.split(".").map(Number), 8n);
  const [, before = "", dotted] = /^(.*:)(\d+(?:\.\d+){3})$/.exec(address) ?? [];
  if (dotted !== undefined) {
    const low = numberOf(dotted);
    return numberOf(`${before}${(low >> 16n).toString(16)}:${(low & 0xffffn).toString(16)}`);
  }
  const [head = "", tail] = address.split("::");
  const groups = (part: string) =>
    part === "" ? [] : part.split(":").map((group) => Number.parseInt(group, 16));
  const [left, right] = [groups(head), groups(tail ?? "")];
  const zeros = Array<number>(tail === undefined ? 0 : 8 - left.length - right.length).fill(0);
  return join([...left, ...zeros, ...right], 16n);
}

function join(parts: readonly number[], bits: bigint): bigint {
  return parts.reduce((sum, part) => (sum << bits) | BigInt(part), 0n);
}

/** An address as RFC 5952 writes it. */
function addressText(number: bigint, width: number): string {
  const bits = width === 32 ? 8 : 16;
  const parts = Array.from({ length: width / bits }, (_, index) =>
    Number((number >> BigInt(width - bits * (index + 1))) & (width === 32 ? 0xffn : 0xffffn)),
  );
  if (width === 32) return parts.join(".");
  // The URL parser writes one so.
  return new URL(`http://[${parts.map((part) => part.toString(16)).join(":")}]`).hostname.slice(1, -1);
}
