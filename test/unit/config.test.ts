import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { ConfigError, parseConfig } from "../../config.ts";
import { policies } from "../../policy/configuration.ts";
import { systems } from "../../stacks/index.ts";
import { completeConfig, givenCertificate, systemsOf, testSecrets } from "../program/committed-config.ts";

type Change = Record<string, unknown>;

/** Parses a committed stack with some keys changed; undefined takes one away. */
function parse(
  stack: string,
  change: Change = {},
  secretKeys = Object.keys(testSecrets),
  placed?: readonly string[],
) {
  const values: Record<string, string> = { ...completeConfig(stack, placed).values };
  for (const [key, value] of Object.entries(change)) {
    if (value === undefined) delete values[key];
    else values[key] = typeof value === "string" ? value : JSON.stringify(value);
  }
  return parseConfig({ stack, values, isSecret: (key) => secretKeys.includes(key) }, systems, policies);
}

function problems(change: Change, secretKeys?: string[]): readonly string[] {
  try {
    parse("production", change, secretKeys);
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
  return [];
}

const host = {
  serverType: "cx33",
  location: "fsn1",
  volumeGigabytes: 40,
  sshAllowedFrom: ["203.0.113.0/24"],
  edge: { kind: "nginx", version: "1.28.3" },
};
const placement = { host: "main", domain: "togather.example" };
const app = { version: "v1.0.0", replicas: 1, memoryMebibytes: 512, logLevel: "INFO" };

const acme = { kind: "acme", directory: "letsencrypt", email: "ops@togather.example" };

describe("the committed stacks", () => {
  test.each(["production", "staging", "development"])(
    "%s parses once a team's own values are added",
    (stack) => {
      const config = parse(stack, {}, undefined, systemsOf(stack));
      expect(Object.keys(config.systems)).toEqual(systemsOf(stack));
      expect(config.image("togather/app", "v1.0.0").reference).toMatch(
        /^ghcr\.io\/togather\/togather-server@sha256:/,
      );
    },
  );

  test("hold the same systems, each under a domain of its own", () => {
    const stacks = ["production", "staging", "development"].map((stack) =>
      parse(stack, {}, undefined, systemsOf(stack)),
    );
    // A registry is production's alone: the others deploy what production pulls from it.
    const [production = [], ...others] = stacks.map(({ systems }) =>
      Object.keys(systems).filter((name) => systems[name]?.definition.servesImages !== true),
    );
    expect(production.length).toBeGreaterThan(1);
    for (const systems of others) expect(systems).toEqual(production);
    const domains = stacks.flatMap(({ systems }) => Object.values(systems).map(({ domain }) => domain));
    expect(new Set(domains).size).toBe(domains.length);
  });

  test("the committed file of production: every missing value is reported", () => {
    const missing = problems({ "berth:ssh": undefined }).map((problem) => problem.split(": ")[0]);
    expect(missing).toEqual(["berth:ssh"]);
  });
});

describe("bad input", () => {
  const catalogue: [string, Change, string[]][] = [
    [
      "an unknown key",
      { "berth:hsots": "x" },
      [
        "berth:hsots: unknown key; use one of: environment, hosts, ssh, dns, adopt, systems, images, registries, builds, pulls, tls, backups, alerts, secretRecords",
      ],
    ],
    [
      "an unknown key in a system",
      { "togather:jwtSecert": "x" },
      [
        "togather:jwtSecert: unknown key; use one of: app, postgres, limits, snapshots, migrations, probe, jwtSecret, adminApiKey",
      ],
    ],
    [
      "an unknown nested key",
      { "berth:hosts": { main: { ...host, servertype: "cx33" } } },
      [
        "berth:hosts.main.servertype: unknown key; use one of: serverType, location, image, volumeGigabytes, sshAllowedFrom, sshOpenToEverybody, ipv6, sshPort, sshPortBefore, hostKey, restoreFrom, beginEmpty, edge",
      ],
    ],
    [
      "an unknown namespace",
      { "togehter:app": "x" },
      [
        'togehter:app: unknown namespace "togehter"; use one of: berth, togather, mfa, connected-repo, sertantai, gadgetbot, registry',
      ],
    ],
    [
      "a missing secret",
      { "togather:jwtSecret": undefined },
      [
        "togather:jwtSecret: missing; key that signs the JSON Web Tokens. Set it: openssl rand -base64 32 | npx pulumi config set --secret togather:jwtSecret --stack production",
      ],
    ],
    [
      "a secret that is too short",
      { "togather:adminApiKey": "abcdef" },
      [
        "togather:adminApiKey: [secret] has 3 bytes, needs at least 32. Set it: openssl rand -hex 32 | npx pulumi config set --secret togather:adminApiKey --stack production",
      ],
    ],
    [
      "a bad domain",
      { "berth:systems": { togather: { ...placement, domain: "https://togather.example/" } } },
      [
        'berth:systems.togather.domain: "https://togather.example/" is not a domain; use lower-case labels with dots, without scheme, port or path, as in app.example.org',
      ],
    ],
    [
      "a domain outside the zone",
      { "berth:systems": { togather: { ...placement, domain: "togather.test" } } },
      [
        'berth:systems.togather.domain: "togather.test" is in none of the zones of berth:dns; use a name in togather.example. ' +
          "Add its zone: npx pulumi config set --path 'berth:dns.otherZones[0]' ZONE --stack production",
      ],
    ],
    [
      "one address that two hosts adopt",
      {
        "berth:hosts": { main: host, other: host },
        "berth:adopt": { "main-address": 7, "other-address": 7, "main-data": 7 },
      },
      ["berth:adopt.other-address: the primary-ip 7 is main-address already; remove one of them"],
    ],
    [
      "a zone that is named twice, and one that only looks like the domain's",
      { "berth:dns": { zone: "gather.example", otherZones: ["togather.test", "gather.example"] } },
      [
        "berth:dns.otherZones.1: gather.example is listed twice; remove it",
        'berth:systems.togather.domain: "togather.example" is in none of the zones of berth:dns; use a name in gather.example, togather.test, gather.example. ' +
          "Add its zone: npx pulumi config set --path 'berth:dns.otherZones[2]' ZONE --stack production",
      ],
    ],
    [
      "a port clash",
      { "berth:hosts": { main: { ...host, sshPort: 443 } } },
      ["berth:hosts.main.sshPort: 443 is the edge's https port; choose another, as in 22"],
    ],
    [
      "an unknown server type",
      { "berth:hosts": { main: { ...host, serverType: "cx99" } } },
      [
        'berth:hosts.main.serverType: "cx99" is invalid; use one of: cx22, cx23, cx32, cx33, cx42, cx43, cx52, cx53, cax11, cax21, cax31, cax41, cpx11, cpx12, cpx21, cpx22, cpx31, cpx32, cpx41, cpx42, cpx51, cpx52, cpx62, ccx13, ccx23, ccx33, ccx43, ccx53, ccx63',
      ],
    ],
    [
      "a server that is too small",
      { "berth:hosts": { main: { ...host, serverType: "cpx11" } } },
      [
        expect.stringContaining(
          "berth:hosts.main.serverType: cpx11 has 2048 MiB, and the limits of what runs on it are 2560 MiB, 512 MiB too much; choose a larger type or lower the services' memoryMebibytes\n",
        ),
      ],
    ],
    [
      "an acknowledgement of another version",
      { "togather:app": { ...app, releaseAgain: "v1.1.0" } },
      [
        'togather:app.releaseAgain: "v1.1.0" is not the version that is deployed, v1.0.0; it acknowledges one version only. Remove it: npx pulumi config rm --path togather:app.releaseAgain',
      ],
    ],
    [
      "a previous slot that stays for days",
      { "togather:app": { ...app, keepPreviousMinutes: 10000 } },
      ["togather:app.keepPreviousMinutes: 10000 is too long; use 0 (the old slot goes at once) to 1440"],
    ],
    [
      "an image without digest in production",
      { "togather:app": { ...app, version: "v9.9.9" } },
      [
        'togather:app.version: "v9.9.9" of togather/app has no digest, and production deploys images only by digest; known: 16, 1.28.3, v1.0.0. ' +
          "Find it: docker buildx imagetools inspect ghcr.io/togather/togather-server:v9.9.9 --format '{{.Manifest.Digest}}', then set it: " +
          `npx pulumi config set --path 'berth:images["togather/app"].digests["v9.9.9"]' sha256:… --stack production`,
      ],
    ],
    [
      "an unknown system",
      { "berth:systems": { togather: placement, mfaa: placement } },
      [
        "berth:systems.mfaa: no such system; use one of: togather, mfa, connected-repo, sertantai, gadgetbot, registry",
      ],
    ],
    [
      "a system on an unknown host",
      { "berth:systems": { togather: { ...placement, host: "mian" } } },
      ['berth:systems.togather.host: no host "mian" in berth:hosts; use one of: main'],
    ],
    [
      "an invalid network",
      { "berth:hosts": { main: { ...host, sshAllowedFrom: ["everywhere"] } } },
      [
        'berth:hosts.main.sshAllowedFrom.0: "everywhere" is not a network; use CIDR notation, as in 203.0.113.7/32',
      ],
    ],
    [
      "no certificate",
      { "berth:tls": undefined },
      [
        "berth:tls: missing; who issues the certificate: npx pulumi config set --path berth:tls.kind acme, then .directory letsencrypt and .email",
      ],
    ],
    [
      "a certificate of an unknown kind",
      { "berth:tls": { kind: "letsencrypt" } },
      ['berth:tls.kind: "letsencrypt" is invalid; use one of: acme, certificate'],
    ],
    [
      "a certificate of no kind",
      { "berth:tls": { directory: "letsencrypt" } },
      ["berth:tls.kind: missing; use one of: acme, certificate"],
    ],
    [
      "an invalid ACME directory and e-mail address",
      { "berth:tls": { kind: "acme", directory: "http://acme.example/dir", email: "ops" } },
      [
        'berth:tls.directory: "http://acme.example/dir" is not an ACME directory; use letsencrypt, letsencrypt-staging, or an https:// URL',
        'berth:tls.email: "ops" is not an e-mail address; it is where the authority writes, as in ops@example.org',
      ],
    ],
    [
      "certificates that no browser trusts, in production",
      { "berth:tls": { ...acme, directory: "letsencrypt-staging" } },
      [
        "berth:tls.directory: letsencrypt-staging issues certificates that no browser trusts, and this is production; set it: npx pulumi config set --path berth:tls.directory letsencrypt --stack production",
      ],
    ],
    [
      "a certificate without its key",
      { "berth:tls": givenCertificate["berth:tls"] },
      [
        "berth:tlsPrivateKeyPem: missing; private key of berth:tls.certificatePem, PEM. Set it: cat key.pem | npx pulumi config set --secret berth:tlsPrivateKeyPem --stack production",
      ],
    ],
    [
      "an unencrypted key of a certificate",
      givenCertificate,
      [
        "berth:tlsPrivateKeyPem: is stored unencrypted. Set it: cat key.pem | npx pulumi config set --secret berth:tlsPrivateKeyPem --stack production",
      ],
    ],
    [
      "an admin API that is open to a host name",
      { "togather:app": { ...app, adminAllowedFrom: ["office.example"] } },
      [
        'togather:app.adminAllowedFrom.0: "office.example" is not a network; use CIDR notation, as in 203.0.113.7/32',
      ],
    ],
    [
      "a rate limit of zero",
      { "togather:limits": { requestsPerSecond: 0 } },
      ["togather:limits.requestsPerSecond: 0 is too small; use 1 or more"],
    ],
    [
      "text for a number",
      { "togather:app": { ...app, replicas: "two" } },
      ['togather:app.replicas: "two" has the wrong type; expected number'],
    ],
  ];

  test.each(catalogue)("%s", (_name, change, expected) => {
    expect(problems(change)).toEqual(expected);
  });

  test("an unencrypted secret", () => {
    const keys = Object.keys(testSecrets).filter((key) => key !== "togather:jwtSecret");
    expect(problems({}, keys)).toEqual([
      "togather:jwtSecret: is stored unencrypted. Set it: openssl rand -base64 32 | npx pulumi config set --secret togather:jwtSecret --stack production",
    ]);
  });

  test("a system's problems are reported together with Berth's own", () => {
    const change = { "berth:environment": "prod", "togather:jwtSecret": undefined };
    expect(problems(change).map((problem) => problem.split(": ")[0])).toEqual([
      "berth:environment",
      "togather:jwtSecret",
    ]);
  });

  test("all problems at once, after the name of the stack's file", () => {
    const change = {
      "togather:jwtSecret": undefined,
      "berth:hosts": { main: { ...host, sshPort: 80 } },
      "x:y": "z",
    };
    expect(() => parse("production", change)).toThrow(
      /^Pulumi\.production\.yaml: 3 problems\n {2}✖ x:y: .*\n {2}✖ /,
    );
  });
});

// Property: for every file the result is a configuration or a list of problems, and no problem contains a secret.
test("any value of any key is parsed or refused, and a secret is never printed", () => {
  const keys = Object.keys(completeConfig("production").values);
  fc.assert(
    fc.property(fc.constantFrom(...keys), fc.oneof(fc.string(), fc.json()), (key, text) => {
      const secret = `${text}canary-canary-canary`;
      const isSecret = key in testSecrets;
      for (const problem of problems({ [key]: isSecret ? secret : text })) {
        if (isSecret) expect(problem).not.toContain("canary-canary");
        expect(problem).toMatch(/^[a-z]+:?.*: /);
      }
    }),
    { numRuns: 300 },
  );
});
