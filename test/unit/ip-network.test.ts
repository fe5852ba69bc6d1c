import { describe, expect, test } from "vitest";
import { network, ofWholeClients } from "../../components/ip-network.ts";

const problem = (text: string) => network.safeParse(text).error?.issues[0]?.message;

describe("a network", () => {
  test.each([
    "203.0.113.7/32",
    "0.0.0.0/0",
    "::/0",
    "2001:db8::/32",
    "2001:DB8::/32",
    "2001:db8:0:0:1::/80",
    "2001:db8::7/128",
    "64:ff9b::203.0.113.7/128",
  ])("%s", (text) => {
    expect(problem(text)).toBeUndefined();
  });

  test.each([
    ["203.0.113.7/24", "use 203.0.113.0/24 for the network, 203.0.113.7/32 for the address"],
    ["2001:db8::7/64", "use 2001:db8::/64 for the network, 2001:db8::7/128 for the address"],
    ["2001:db8:1:2:3::/56", "use 2001:db8:1::/56 for the network, 2001:db8:1:2:3::/128 for the address"],
    ["::ffff:203.0.113.7/128", "no client comes from; use 203.0.113.7/32"],
    ["::ffff:203.0.113.0/120", "no client comes from; use 203.0.113.0/24"],
    ["fe80::1%eth0/64", "is not a network"],
    ["2001:db8::/129", "is not a network"],
    ["2001:db8::7", "is not a network"],
  ])("%s is none", (text, says) => {
    expect(problem(text)).toContain(says);
  });

  test("is at least what one client has", () => {
    const networks = [
      "203.0.113.7/32",
      "2001:db8::7/128",
      "2001:db8::8/128",
      "2001:db8:1::/48",
      "2001:db8:2:3:4::/80",
    ];
    expect(ofWholeClients(networks)).toEqual([
      "203.0.113.7/32",
      "2001:db8::/64",
      "2001:db8:1::/48",
      "2001:db8:2:3::/64",
    ]);
  });
});
