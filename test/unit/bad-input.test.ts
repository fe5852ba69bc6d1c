import { describe, expect, test } from "vitest";
import { parseConfig } from "../../config.ts";
import { policies } from "../../policy/configuration.ts";
import { systems } from "../../stacks/index.ts";
import { changed, problems, secretKeys } from "./changed-config.ts";

/**
 * The catalogue of bad input, the namespace `berth`: production's file with one value changed, and every resulting problem. Systems have a
 * file of their own; test/unit/config.test.ts has the input whose problem is not one value.
 */

const cases: [path: string, value: unknown, problems: string][] = [
  [
    "berth:environment",
    "prod",
    'berth:environment: "prod" is invalid; use one of: development, staging, production',
  ],
  [
    "berth:hosts.main.location",
    "mars1",
    'berth:hosts.main.location: "mars1" is invalid; use one of: fsn1, nbg1, hel1, ash, hil, sin',
  ],
  [
    "berth:hosts.main.image",
    "ubuntu-22.04",
    'berth:hosts.main.image: "ubuntu-22.04" is invalid; use one of: debian-13, debian-12, ubuntu-24.04',
  ],
  [
    "berth:hosts.main.volumeGigabytes",
    9,
    "berth:hosts.main.volumeGigabytes: 9 is too small; use 10 to 10240",
  ],
  [
    "berth:hosts.main.volumeGigabytes",
    20000,
    "berth:hosts.main.volumeGigabytes: 20000 is too large; use 10 to 10240",
  ],
  [
    "berth:hosts.main.volumeGigabytes",
    "40 GB",
    'berth:hosts.main.volumeGigabytes: "40 GB" is not a whole number; use 10 to 10240',
  ],
  [
    "berth:hosts.main.sshAllowedFrom",
    [],
    "berth:hosts.main.sshAllowedFrom: [] is empty; name the networks that may connect, as in 203.0.113.7/32",
  ],
  [
    "berth:hosts.main.sshAllowedFrom",
    ["203.0.113.7:22"],
    'berth:hosts.main.sshAllowedFrom.0: "203.0.113.7:22" is not a network; use CIDR notation, as in 203.0.113.7/32',
  ],
  [
    "berth:hosts.main.sshAllowedFrom",
    ["203.0.113.0/33"],
    'berth:hosts.main.sshAllowedFrom.0: "203.0.113.0/33" is not a network; use CIDR notation, as in 203.0.113.7/32',
  ],
  [
    "berth:hosts.main.edge.kind",
    "caddy",
    'berth:hosts.main.edge.kind: "caddy" is invalid; use one of: nginx, traefik',
  ],
  [
    "berth:systems.togather.edgeNetwork",
    0,
    "berth:systems.togather.edgeNetwork: 0 is not an edge network; use a number from 1 to 8",
  ],
  [
    "berth:systems.togather.edgeNetwork",
    9,
    "berth:systems.togather.edgeNetwork: 9 is not an edge network; use a number from 1 to 8",
  ],
  ["berth:hosts.main.sshPort", 0, "berth:hosts.main.sshPort: 0 is not a port; use 1 to 65535"],
  ["berth:hosts.main.sshPort", 70000, "berth:hosts.main.sshPort: 70000 is not a port; use 1 to 65535"],
  [
    "berth:hosts.main.sshPort",
    443,
    "berth:hosts.main.sshPort: 443 is the edge's https port; choose another, as in 22",
  ],
  [
    "berth:hosts.main.edge.kind",
    "caddy",
    'berth:hosts.main.edge.kind: "caddy" is invalid; use one of: nginx, traefik',
  ],
  [
    "berth:hosts.main.edge",
    { kind: "traefik", version: "3.6.12" },
    `berth:hosts.main.edge.version: "3.6.12" of traefik has no digest, and production deploys images only by digest; known: 16, 1.28.3, v1.0.0. Find it: docker buildx imagetools inspect docker.io/library/traefik:3.6.12 --format '{{.Manifest.Digest}}', then set it: npx pulumi config set --path 'berth:images["traefik"].digests["3.6.12"]' sha256:… --stack production`,
  ],
  [
    "berth:hosts.main.edge",
    { kind: "traefik", version: "latest" },
    `berth:hosts.main.edge.version: "latest" of traefik has no digest, and production deploys images only by digest; known: 16, 1.28.3, v1.0.0. Find it: docker buildx imagetools inspect docker.io/library/traefik:latest --format '{{.Manifest.Digest}}', then set it: npx pulumi config set --path 'berth:images["traefik"].digests["latest"]' sha256:… --stack production
berth:hosts.main.edge.version: "latest" can be another image tomorrow; use a version, as in v1.2.0`,
  ],
  ["berth:hosts.main.edge.version", "", 'berth:hosts.main.edge.version: "" is empty'],
  [
    "berth:hosts.Main",
    {},
    "berth:hosts.Main: is not a name; use lower-case letters and digits, at most 20, a letter first",
  ],
  [
    "berth:ssh.authorizedKeys",
    [],
    "berth:ssh.authorizedKeys: [] is empty; add the public key you deploy with: cat ~/.ssh/id_ed25519.pub",
  ],
  [
    "berth:ssh.authorizedKeys",
    ["deploy@example"],
    'berth:ssh.authorizedKeys.0: "deploy@example" is not an OpenSSH public key; use the line that cat ~/.ssh/id_ed25519.pub prints',
  ],
  [
    "berth:dns.zone",
    "https://togather.example",
    'berth:dns.zone: "https://togather.example" is not a domain; use lower-case labels with dots, without scheme, port or path, as in app.example.org',
  ],
  [
    "berth:adopt.main-adress",
    4711,
    "berth:adopt.main-adress: nothing with this name can be adopted; use one of: main-server, main-address, main-data, ssh-key-30162d76d9ff, dns-zone, dns-togather.example, dns-togather.example-aaaa",
  ],
  [
    "berth:adopt.main-address",
    "203.0.113.7",
    'berth:adopt.main-address: "203.0.113.7" is not the id of a primary-ip; use its number, as hcloud primary-ip list prints it',
  ],
  [
    "berth:adopt.[dns-togather.example]",
    4711,
    'berth:adopt.dns-togather.example: "4711" is not the id of a record; use togather.example/@/A',
  ],
  [
    "berth:adopt.main-server",
    4711,
    "berth:hosts.main.hostKey: missing; the server is adopted and has its own host key. Print it on the server: cut -d ' ' -f 1,2 /etc/ssh/ssh_host_ed25519_key.pub, then set it: npx pulumi config set --path berth:hosts.main.hostKey 'ssh-ed25519 …' --stack production\n" +
      "berth:adopt.main-address: missing; the server is adopted and keeps its address. Find the id: hcloud primary-ip list, then set it: npx pulumi config set --path berth:adopt.main-address ID --stack production",
  ],
  [
    "berth:hosts.main.hostKey",
    "ssh-rsa AAAA",
    'berth:hosts.main.hostKey: "ssh-rsa AAAA" is not an Ed25519 host key; use the two words that ssh-keyscan -t ed25519 ADDRESS prints after the address',
  ],
  [
    "berth:hosts.main.sshAllowedFrom",
    ["2001:db8:4::7/64"],
    'berth:hosts.main.sshAllowedFrom.0: "2001:db8:4::7/64" names an address and a whole network; use 2001:db8:4::/64 for the network, 2001:db8:4::7/128 for the address',
  ],
  [
    "togather:app.adminAllowedFrom",
    ["2001:db8:4::7/64"],
    'togather:app.adminAllowedFrom.0: "2001:db8:4::7/64" names an address and a whole network; use 2001:db8:4::/64 for the network, 2001:db8:4::7/128 for the address',
  ],
  [
    "togather:app.adminAllowedFrom",
    ["::ffff:203.0.113.7/128"],
    'togather:app.adminAllowedFrom.0: "::ffff:203.0.113.7/128" is a network of IPv4 that is written as IPv6, which no client comes from; use 203.0.113.7/32',
  ],
  ["berth:hosts.main.ipv6", "dual", 'berth:hosts.main.ipv6: "dual" has the wrong type; expected boolean'],
  [
    "berth:hosts.main.hostKey",
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIexample",
    "berth:hosts.main.ipv6: true is invalid with hostKey, since Berth does not change the addresses of a server that was adopted; remove it: npx pulumi config rm --path berth:hosts.main.ipv6 --stack production",
  ],
  [
    "berth:adopt.main-address6",
    4711,
    "berth:adopt.main-address6: nothing with this name can be adopted; use one of: main-server, main-address, main-data, ssh-key-30162d76d9ff, dns-zone, dns-togather.example, dns-togather.example-aaaa",
  ],
  ["berth:dns.ttlSeconds", 5, "berth:dns.ttlSeconds: 5 is too small; use 60 or more"],
  [
    "berth:systems.togather.domain",
    "Togather.example",
    'berth:systems.togather.domain: "Togather.example" is not a domain; use lower-case labels with dots, without scheme, port or path, as in app.example.org',
  ],
  [
    "berth:systems.togather.domain",
    "togather.example:8443",
    'berth:systems.togather.domain: "togather.example:8443" is not a domain; use lower-case labels with dots, without scheme, port or path, as in app.example.org',
  ],
  [
    "berth:systems.togather.domain",
    "203.0.113.7",
    'berth:systems.togather.domain: "203.0.113.7" is not a domain; use lower-case labels with dots, without scheme, port or path, as in app.example.org',
  ],
  [
    "berth:systems.togather.path",
    "/",
    "berth:systems.togather.path: unknown key; use one of: host, domain, headers, edgeNetwork",
  ],
  [
    "berth:images.[togather/app].repository",
    "ghcr.io/togather/togather-server:v1",
    'berth:images.togather/app.repository: "ghcr.io/togather/togather-server:v1" is not an image repository; use host/name in lower case, without a tag',
  ],
  [
    "berth:images.[togather/app].digests.[v1.0.0]",
    "sha256:abc",
    'berth:images.togather/app.digests.v1.0.0: "sha256:abc" is not a digest; use sha256: and 64 hex digits',
  ],
  [
    "berth:images.[togather/app].tag",
    "v1",
    "berth:images.togather/app.tag: unknown key; use one of: repository, digests, allowRoot",
  ],
  [
    "berth:images.[togather/app].allowRoot",
    "yes",
    'berth:images.togather/app.allowRoot: "yes" has the wrong type; expected boolean',
  ],
  [
    "berth:registries.[https://ghcr.io]",
    { user: "deploy" },
    "berth:registries.https://ghcr.io: is not a registry's address; use what its images' repositories begin with, as in ghcr.io or registry.example.org:5000\nberth:registryPassword.https_//ghcr.io: missing; password of https://ghcr.io in berth:registries. Set it: cat password.txt | npx pulumi config set --secret berth:registryPassword.https_//ghcr.io --stack production",
  ],
  [
    "berth:registries.[ghcr.io]",
    { user: "deploy" },
    "berth:registryPassword.ghcr.io: missing; password of ghcr.io in berth:registries. Set it: cat password.txt | npx pulumi config set --secret berth:registryPassword.ghcr.io --stack production",
  ],
  [
    "berth:registries.[ghcr.io]",
    { user: "", passwordExpires: "soon", password: "x" },
    'berth:registries.ghcr.io.user: "" is empty\nberth:registries.ghcr.io.passwordExpires: "soon" is not a date; use a form like "2027-01-31", with the quotes\nberth:registries.ghcr.io.password: unknown key; use one of: user, passwordExpires\nberth:registryPassword.ghcr.io: missing; password of ghcr.io in berth:registries. Set it: cat password.txt | npx pulumi config set --secret berth:registryPassword.ghcr.io --stack production',
  ],
  [
    "berth:registryPassword.ghcr.io",
    "hunter2hunter2",
    "berth:registryPassword.ghcr.io: not in berth:registries, which has: nothing. Remove it: npx pulumi config rm berth:registryPassword.ghcr.io --stack production",
  ],
  ["berth:pulls.deadlineSeconds", 5, "berth:pulls.deadlineSeconds: 5 is too small; use 30 or more"],
  ["berth:pulls.stalledSeconds", 5000, "berth:pulls.stalledSeconds: 5000 is too large; use 900 or less"],
  [
    "berth:secretRecords.[togather:jwtSecret]",
    { fingerprint: "x", since: "yesterday" },
    'berth:secretRecords.togather:jwtSecret.fingerprint: "x" is not a fingerprint; use 16 hex digits, as npm run ops -- record-secrets writes them\nberth:secretRecords.togather:jwtSecret.since: "yesterday" is not a date; use a form like "2026-01-28", with the quotes',
  ],
];

describe("bad input", () => {
  test.each(cases)("%s = %j", (path, value, says) => {
    expect(problems(changed(path, value))).toEqual(says.split("\n"));
  });

  test("an encrypted setting is refused without showing its value, and other problems are still reported", () => {
    const input = {
      ...changed("togather:app.logLevel", "canary"),
      "togather:snapshots": '{"keep":0}',
    };
    const encrypted = [...secretKeys, "togather:app"];
    const isSecret = (key: string) => encrypted.includes(key);
    expect(() => parseConfig({ stack: "production", values: input, isSecret }, systems, policies)).toThrow(
      "togather:app: [secret] contains an encrypted value, but settings are not secret and are stored unencrypted on the host; the secrets are togather:jwtSecret, togather:adminApiKey. " +
        "Set it without --secret, or declare a secret in stacks/togather.ts\n  ✖ togather:snapshots.keep: 0 is too small; use 1 or more",
    );
    expect(() =>
      parseConfig({ stack: "production", values: input, isSecret }, systems, policies),
    ).not.toThrow("canary");
  });

  test("several problems are reported at once", () => {
    const input = {
      ...changed("togather:app.replicas", 0),
      "togather:snapshots": '{"keep":0}',
      "berth:environment": "prod",
      "togather:adminApiKey": "xyz",
    };
    expect(problems(input).map((problem) => problem.split(": ")[0])).toEqual([
      "berth:environment",
      "togather:adminApiKey",
      "togather:app.replicas",
      "togather:snapshots.keep",
    ]);
  });
});
