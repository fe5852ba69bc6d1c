import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { engineArguments } from "../../lab/docker/engine.ts";
import { bridgeName, networkAddress, vethName } from "../../lab/docker/names.ts";
import type { LabHome } from "../../lab/home.ts";
import { machineContainer } from "../../lab/machine/container.ts";
import { renderFirewall } from "../../lab/machine/firewall.ts";
import { hetznerMetadata, metaData } from "../../lab/machine/seed.ts";
import type { FirewallRule, MachineSpec } from "../../lab/machine/types.ts";

const home: LabHome = {
  name: "unit",
  cacheDir: "/cache",
  stateDir: "/cache/labs/unit",
  subnet: "198.18.9.0/24",
  gateway: "198.18.9.1",
};
const spec: MachineSpec = {
  image: "debian-13",
  name: "web-1",
  serverId: 42,
  address: "198.18.9.10",
  userData: "#cloud-config\n",
  sshKeys: ["ssh-ed25519 AAAA operator"],
  labels: { role: "web" },
};
const rule = (part: Partial<FirewallRule>): FirewallRule => ({
  direction: "in",
  protocol: "tcp",
  ips: ["0.0.0.0/0"],
  ...part,
});

describe("firewall rules", () => {
  test("a web server's firewall passes replies and allowed packets, nothing else", () => {
    const rules = [
      rule({ port: "22", ips: ["198.18.9.100/32", "2001:db8::/32"] }),
      rule({ port: "80-85" }),
      rule({ protocol: "udp", port: "443" }),
      rule({ protocol: "icmp" }),
    ];
    expect(renderFirewall(rules, true)).toBe(
      [
        "*mangle",
        ":BERTH-IN - [0:0]",
        ":BERTH-OUT - [0:0]",
        "-I PREROUTING 1 -i eth0 -j BERTH-IN",
        "-I POSTROUTING 1 -o eth0 -j BERTH-OUT",
        "-A BERTH-IN -m conntrack --ctstate ESTABLISHED,RELATED -j RETURN",
        "-A BERTH-IN -s 198.18.9.100/32 -p tcp --dport 22 -j RETURN",
        "-A BERTH-IN -s 0.0.0.0/0 -p tcp --dport 80:85 -j RETURN",
        "-A BERTH-IN -s 0.0.0.0/0 -p udp --dport 443 -j RETURN",
        "-A BERTH-IN -s 0.0.0.0/0 -p icmp -j RETURN",
        "-A BERTH-IN -j DROP",
        "COMMIT",
        "",
      ].join("\n"),
    );
  });

  test("of version 6 has its own networks, and lets neighbours find each other", () => {
    const rules = [
      rule({ port: "443", ips: ["0.0.0.0/0", "::/0"] }),
      rule({ protocol: "icmp", ips: ["2001:db8::/32"] }),
    ];
    expect(renderFirewall(rules, false, "ipv6").split("\n").slice(3, -3)).toEqual([
      ...[133, 134, 135, 136].map((type) => `-A BERTH-IN -p ipv6-icmp --icmpv6-type ${type} -j RETURN`),
      "-A BERTH-IN -m conntrack --ctstate ESTABLISHED,RELATED -j RETURN",
      "-A BERTH-IN -s ::/0 -p tcp --dport 443 -j RETURN",
      "-A BERTH-IN -s 2001:db8::/32 -p ipv6-icmp -j RETURN",
    ]);
  });

  test("without a firewall everything passes; an empty one allows nothing in", () => {
    expect(renderFirewall(undefined, false)).not.toContain("-A");
    expect(renderFirewall([], false)).toContain("-A BERTH-IN -j DROP");
    expect(renderFirewall([], false)).not.toContain("-A BERTH-OUT");
  });

  test("with one outbound rule only it and the metadata service are allowed out", () => {
    const rendered = renderFirewall([rule({ direction: "out", port: "443", ips: ["198.18.9.1/32"] })], false);
    expect(rendered).toContain(
      [
        "-A BERTH-OUT -d 169.254.169.254 -j RETURN",
        "-A BERTH-OUT -m conntrack --ctstate ESTABLISHED,RELATED -j RETURN",
        "-A BERTH-OUT -d 198.18.9.1/32 -p tcp --dport 443 -j RETURN",
        "-A BERTH-OUT -j DROP",
      ].join("\n"),
    );
  });

  test.each([
    [rule({ port: "https" }), 'firewall rule: "https" is not a port or a range; for example 443 or 80-85'],
    [rule({ protocol: "icmp", port: "8" }), 'firewall rule: icmp has no ports, "8" was given'],
    [
      rule({ port: "22", ips: ["anyone"] }),
      'firewall rule: "anyone" is not a network; for example 0.0.0.0/0 or 198.51.100.7/32',
    ],
    [
      rule({ port: "22", ips: ["10.0.0.0/8 -j RETURN\n-A BERTH-IN"] }),
      'firewall rule: "10.0.0.0/8 -j RETURN\n-A BERTH-IN" is not a network; for example 0.0.0.0/0 or 198.51.100.7/32',
    ],
  ])("refuses %j", (bad, message) => {
    expect(() => renderFirewall([bad], false)).toThrow(new Error(message));
  });

  test("for all rules, the last one drops everything else", () => {
    const port = fc.integer({ min: 1, max: 65535 }).map(String);
    const address = fc.ipV4().map((ip) => `${ip}/32`);
    const anyRule = fc.record({ port, ips: fc.array(address, { minLength: 1, maxLength: 5 }) });
    fc.assert(
      fc.property(fc.array(anyRule, { maxLength: 20 }), (rules) => {
        const chain = renderFirewall(rules.map(rule), false)
          .split("\n")
          .filter((line) => line.startsWith("-A BERTH-IN"));
        expect(chain.at(-1)).toBe("-A BERTH-IN -j DROP");
        expect(chain.filter((line) => line.endsWith("-j DROP"))).toHaveLength(1);
        expect(chain).toHaveLength(2 + rules.flatMap(({ ips }) => ips).length);
      }),
    );
  });
});

describe("names", () => {
  test("interface names have at most 15 characters and differ between labs", () => {
    fc.assert(
      fc.property(fc.stringMatching(/^[a-z][a-z0-9-]{0,15}$/), (name) => {
        expect(bridgeName({ ...home, name }).length).toBeLessThanOrEqual(15);
        expect(vethName(name).length).toBeLessThanOrEqual(15);
      }),
    );
    expect(bridgeName(home)).toBe("berth-unit");
    expect(bridgeName({ ...home, name: "a-long-lab-one" })).not.toBe(
      bridgeName({ ...home, name: "a-long-lab-two" }),
    );
  });

  test("addresses are in the lab's network", () => {
    expect(networkAddress(home, 10)).toBe("198.18.9.10");
    expect(networkAddress({ ...home, subnet: "198.18.0.0/24" }, 224)).toBe("198.18.0.224");
  });
});

describe("the lab's own engine", () => {
  test("keeps everything below its folder and sets up neither bridge nor packet filter", () => {
    const args = engineArguments("/cache/docker");
    expect(args).toContain("--iptables=false");
    expect(args.join(" ")).toContain("--bridge none");
    for (const path of args.filter((arg) => arg.includes("/"))) expect(path).toContain("/cache/docker/");
  });
});

describe("a machine's container", () => {
  const container = machineContainer(home, spec, "berth/machine:test");
  test("has the server's name, address and seed, and is found again by its labels", () => {
    expect(container.name).toBe("berth-unit-machine-42");
    expect(container.Hostname).toBe("web-1");
    expect(container.NetworkingConfig?.EndpointsConfig?.["berth-unit"]?.IPAMConfig?.IPv4Address).toBe(
      "198.18.9.10",
    );
    expect(container.HostConfig?.Binds).toEqual([
      "berth-unit-machine-42:/var/lib/docker",
      "/cache/labs/unit/machines/42/seed:/var/lib/cloud/seed/nocloud:ro",
    ]);
    expect(container.Labels).toEqual({
      "berth.lab": "unit",
      "berth.role": "machine",
      "berth.server.id": "42",
      "berth.server.name": "web-1",
      "berth.server.address": "198.18.9.10",
      "berth.label.role": "web",
    });
  });

  test("never contains user data, which has keys", () => {
    const secret = "a-host-key-that-must-not-show";
    const rendered = JSON.stringify(machineContainer(home, { ...spec, userData: secret }, "image"));
    expect(rendered).not.toContain(secret);
  });

  test("gets Hetzner's meta-data", () => {
    expect(metaData(spec)).toEqual({
      "instance-id": "42",
      "local-hostname": "web-1",
      "public-keys": ["ssh-ed25519 AAAA operator"],
    });
    expect(hetznerMetadata(spec)).toMatchObject({ hostname: "web-1", "public-ipv4": "198.18.9.10" });
  });
});
