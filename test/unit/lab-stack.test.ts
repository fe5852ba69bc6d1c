import { readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { readAccess } from "../../lab/images/access.ts";
import { configureStack, rotateSecrets } from "../../lab/stack/configuration.ts";
import { imageKey } from "../../lab/stack/overrides.ts";
import { planStack } from "../../lab/stack/plan.ts";
import type { PlannedStack, StackRequest } from "../../lab/stack/planned-stack.ts";
import { recordPush } from "../../lab/stack/pushes.ts";
import { registryPasswordKey } from "../../lab/stack/registry-login.ts";
import { readStackFile } from "../../lab/stack/stack-file.ts";
import { systems as definitions } from "../../stacks/index.ts";
import { home, projectDir, stackFolder, withEmptyLabs } from "./lab-stack-fixtures.ts";

withEmptyLabs();

function request(more: Partial<StackRequest> = {}): StackRequest {
  return { projectDir, project: "berth", stack: "production", definitions, ...more };
}

const digest = `sha256:${"a".repeat(64)}`;

function imagesOf(planned: PlannedStack) {
  return new Map(
    planned.images.map(({ name, version }) => [imageKey(name, version), { repository: `r/${name}`, digest }]),
  );
}

describe("a planned stack", () => {
  test("lists the images in use and creates nothing", () => {
    const planned = planStack(request(), home);
    expect(planned.systems).toEqual(["togather"]);
    expect(planned.images.map(({ name }) => name)).toEqual(["nginx", "togather/app", "togather/postgres"]);
    // Those of the stack's other systems too: a certificate for all of them.
    expect(planned.domains).toEqual([
      ...["togather.example", "mfa.drvn.be", "api.connected-repo.example", "legal.sertantai.com"],
      ...["auth.sertantai.com", "ehs-enforcement.sertantai.com", "gadgetbot.vellandi.net"],
      ...["gadgetbot-auth.vellandi.net", "registry.shop.drvn.be"],
    ]);
    expect(planned.generatedKeys).toEqual(["togather:jwtSecret", "togather:adminApiKey"]);
    expect(() => statSync(join(home.stateDir, "secrets-production.json"))).toThrow("ENOENT");
  });

  test("unknown systems are refused with the allowed ones", () => {
    expect(() => planStack(request({ systems: ["nosuch"] }), home)).toThrow(
      'no system "nosuch" in Pulumi.production.yaml; use one of: togather, mfa, registry, connected-repo, gadgetbot, sertantai',
    );
  });

  test("without names it has the first system of the file; named systems are added to those that run, each only with its own host", () => {
    const hostsOf = (more: Partial<StackRequest>) => {
      const { systems, values } = planStack(request(more), home);
      return [systems, Object.keys(values["berth:hosts"] as object)];
    };
    expect(hostsOf({})).toEqual([["togather"], ["main"]]);
    expect(hostsOf({ systems: ["mfa"] })).toEqual([["mfa"], ["code"]]);
    expect(hostsOf({ running: ["mfa"] })).toEqual([["mfa"], ["code"]]);
    const both = [
      ["togather", "mfa"],
      ["main", "code"],
    ];
    expect(hostsOf({ systems: ["mfa"], running: ["togather"] })).toEqual(both);
    // A system that the file no longer has is removed by the next run.
    expect(hostsOf({ systems: ["mfa"], running: ["gone"] })).toEqual([["mfa"], ["code"]]);
    const beside = planStack(
      request({
        systems: ["mfa"],
        settings: ["berth:systems.mfa={host: main, domain: mfa.drvn.be, edgeNetwork: 2}"],
      }),
      home,
    );
    expect(Object.keys(beside.values["berth:hosts"] as object)).toEqual(["main"]);
  });

  test("an invalid value is refused with the configuration's message", () => {
    expect(() => planStack(request({ settings: ["togather:app.replicas=99"] }), home)).toThrow(
      "togather:app.replicas",
    );
  });

  test("a secret in an argument is refused, and the message does not contain it", () => {
    const refused = () => planStack(request({ settings: ["togather:jwtSecret=hunter2hunter2"] }), home);
    expect(refused).toThrow("--rotate togather:jwtSecret");
    expect(refused).not.toThrow("hunter2");
  });

  test("--rotate lists the secrets that exist", () => {
    expect(() => rotateSecrets(planStack(request(), home), ["togather:nosuch"], home)).toThrow(
      "use one of: togather:jwtSecret, togather:adminApiKey",
    );
  });

  test("with ACME the lab's Pebble issues for the committed address, without a given key", async () => {
    const planned = planStack(request({ acme: true }), home);
    const { config, secretKeys } = await configureStack(planned, imagesOf(planned), home);
    expect(JSON.parse(config["berth:tls"] ?? "")).toEqual({
      kind: "acme",
      directory: "https://198.18.99.1:14000/dir",
      email: "ops@togather.example",
      trustedAuthorityPem: readFileSync(join(home.stateDir, "ca.crt"), "utf8"),
    });
    expect(secretKeys).not.toContain("berth:tlsPrivateKeyPem");
    expect(config).not.toHaveProperty(["berth:tlsPrivateKeyPem"]);
  });

  test("a registry with a login is replaced by the lab's, which requires the login with a generated password", async () => {
    const settings = ['berth:registries={"ghcr.io": {"user": "deploy", "passwordExpires": "2999-01-31"}}'];
    const planned = planStack(request({ settings }), home);
    const images = new Map(
      planned.images.map(({ name, version }) => [
        imageKey(name, version),
        { repository: `registry.berth.lab:5000/${name}`, digest },
      ]),
    );
    const { config, secretKeys } = await configureStack(planned, images, home);
    expect(JSON.parse(config["berth:registries"] ?? "")).toEqual({
      "registry.berth.lab:5000": { user: "deploy", passwordExpires: "2999-01-31" },
    });
    expect(secretKeys).toContain(registryPasswordKey);
    const password = config[registryPasswordKey];
    expect(readAccess(home)).toEqual({ login: { user: "deploy", password } });

    rotateSecrets(planned, [registryPasswordKey], home);
    const rotated = (await configureStack(planned, images, home)).config[registryPasswordKey];
    expect(rotated).not.toBe(password);
    expect(readAccess(home)).toEqual({ login: { user: "deploy", password: rotated } });

    const without = planStack(request(), home);
    const plain = await configureStack(without, imagesOf(without), home);
    expect(plain.config).not.toHaveProperty(["berth:registries"]);
    expect(plain.config).not.toHaveProperty([registryPasswordKey]);
    expect(readAccess(home)).toEqual({});
  });

  test("SSH is open to this machine, and to a given network of the lab", async () => {
    const settings = ["berth:hosts.main.sshAllowedFrom=[203.0.113.0/24, 198.18.99.105/32]"];
    const planned = planStack(request({ settings }), home);
    const { config } = await configureStack(planned, imagesOf(planned), home);
    const { main } = JSON.parse(config["berth:hosts"] ?? "");
    expect(main.sshAllowedFrom).toEqual(["198.18.99.1/32", "198.18.99.105/32"]);
  });

  test("a rehearsal tells nobody: alerts are checked as they are written, and left out", async () => {
    const settings = ["berth:alerts.slack=true", "berth:alerts.heartbeatMinutes=5"];
    const planned = planStack(request({ settings }), home);
    const { config } = await configureStack(planned, imagesOf(planned), home);
    expect(Object.keys(config).filter((key) => key.startsWith("berth:alerts"))).toEqual([]);
    expect(() => planStack(request({ settings: ["berth:alerts={ diskPercent: 80 }"] }), home)).toThrow(
      "berth:alerts: tells nobody",
    );
  });

  test("the engine gets the committed configuration, except for the lab's values", async () => {
    const planned = planStack(request({ settings: ["togather:app.version=v1.1.0"] }), home);
    const images = imagesOf(planned);
    const first = await configureStack(planned, images, home);
    const { config, secretKeys } = first;
    expect(secretKeys).toEqual([
      "berth:tlsPrivateKeyPem",
      "hcloud:token",
      "togather:jwtSecret",
      "togather:adminApiKey",
    ]);
    const committed = readStackFile(projectDir, "berth", "production").values;
    // Other systems and their hosts are left out.
    const overridden = [
      "berth:images",
      // Its registry does not run.
      "berth:builds",
      "berth:ssh",
      "berth:hosts",
      "berth:systems",
      "berth:tls",
      // Only a run with --backups has a store.
      "berth:backups",
      "berth:alerts",
      "togather:app",
    ];
    for (const [key, value] of Object.entries(committed)) {
      if (overridden.includes(key)) continue;
      expect(config[key]).toBe(typeof value === "string" ? value : JSON.stringify(value));
    }
    expect(JSON.parse(config["berth:images"] ?? "")["togather/app"]).toEqual({
      repository: "r/togather/app",
      digests: { "v1.1.0": digest },
    });
    const { main } = JSON.parse(config["berth:hosts"] ?? "");
    expect(main).toMatchObject({ serverType: "cx33", sshAllowedFrom: ["198.18.99.1/32"] });
    expect(config["hcloud:token"]).toHaveLength(64);
    expect(config["hcloud:endpoint"]).toBe("http://127.18.99.1:8180/v1");
    expect(JSON.parse(config["berth:tls"] ?? "")).toEqual({
      kind: "certificate",
      issuerPem: readFileSync(join(home.stateDir, "ca.crt"), "utf8"),
      certificatePem: expect.stringMatching(/^-----BEGIN CERTIFICATE-----/),
    });
    // A second run sees the same key, certificate and secrets: nothing to do.
    expect(await configureStack(planned, images, home)).toEqual(first);
  });
});

describe("the file as written", () => {
  // Invalid values that were accepted once, because the lab replaced them or nothing checked them.
  const cases: [setting: string, says: string][] = [
    [
      'berth:images["togather/app"].repository=ghcr.io/togather/togather-server:v1',
      'berth:images.togather/app.repository: "ghcr.io/togather/togather-server:v1" is not an image repository; use host/name in lower case, without a tag',
    ],
    [
      'berth:images["togather/app"].repository=ghcr.io/Togather/Server',
      'berth:images.togather/app.repository: "ghcr.io/Togather/Server" is not an image repository',
    ],
    ["berth:tls.email=nobody", 'berth:tls.email: "nobody" is not an e-mail address'],
    [
      "berth:tls.directory=zerossl",
      'berth:tls.directory: "zerossl" is not an ACME directory; use letsencrypt, letsencrypt-staging, or an https:// URL',
    ],
    [
      "berth:hosts.main.location=ash",
      "berth:hosts.main.location: cx33 is not sold in ash; use fsn1, nbg1, hel1, or another serverType",
    ],
    [
      "berth:hosts.main.sshAllowedFrom=[0.0.0.0/0]",
      "berth:hosts.main.sshAllowedFrom: 0.0.0.0/0 lets everybody try to log in; list the networks of those who deploy, as in 203.0.113.7/32, " +
        "or acknowledge it: npx pulumi config set --path berth:hosts.main.sshOpenToEverybody true --stack production",
    ],
    [
      "berth:hosts.main.sshAllowedFrom=[203.0.113.7/24]",
      'berth:hosts.main.sshAllowedFrom.0: "203.0.113.7/24" names an address and a whole network; use 203.0.113.0/24 for the network, 203.0.113.7/32 for the address',
    ],
    [
      "togather:app.version=latest",
      'togather:app.version: "latest" can be another image tomorrow; use a version, as in v1.2.0',
    ],
    [
      "berth:environment=staging",
      "berth:environment: staging in the stack production; use production. Set it: npx pulumi config set berth:environment production --stack production",
    ],
    ['berth:ssh={ authorizedKeys: ["me"] }', 'berth:ssh.authorizedKeys.0: "me" is not an OpenSSH public key'],
  ];
  test.each(cases)("--set %s is refused", (setting, says) => {
    expect(() => planStack(request({ settings: [setting] }), home)).toThrow(says);
  });

  test("SSH is open to everybody if that is acknowledged", () => {
    const settings = [
      "berth:hosts.main.sshAllowedFrom=[0.0.0.0/0]",
      "berth:hosts.main.sshOpenToEverybody=true",
    ];
    expect(() => planStack(request({ settings }), home)).not.toThrow();
  });

  test("for an empty file everything that is missing is reported, whatever system is named", () => {
    const folder = stackFolder("");
    const plan = () =>
      planStack(request({ projectDir: folder, stack: "trial", systems: ["togather"] }), home);
    for (const key of ["environment", "hosts", "systems", "images", "tls"]) {
      expect(plan).toThrow(new RegExp(`berth:${key}: `));
    }
  });
});

describe("what a host of the lab builds", () => {
  const planned = (more: Partial<StackRequest> = {}) =>
    planStack(request({ systems: ["mfa", "registry"], ...more }), home);
  const pushed = {
    ...{ setting: "mfa:app", image: "mfa/app", version: "g0123456789ab", digest },
    repository: "registry.shop.drvn.be/mfa",
  };
  const configured = async (plan: PlannedStack) => {
    const images = new Map(
      plan.images.map(({ name, version, pushed: own }) => [
        imageKey(name, version),
        own ?? { repository: `r/${name}`, digest },
      ]),
    );
    const { config } = await configureStack(plan, images, home);
    return (key: string) => JSON.parse(config[key] ?? "");
  };

  test("is pushed to the stack's own registry, while the lab's has the image that serves", async () => {
    const value = await configured(planned());
    expect(value("berth:builds").mfa).toMatchObject({
      host: "code",
      repository: "registry.shop.drvn.be/mfa",
    });
    expect(value("berth:images")["mfa/app"]).toMatchObject({ repository: "r/mfa/app" });
  });

  test("is left out with its registry", async () => {
    const value = await configured(planned({ systems: ["mfa"] }));
    expect(value("berth:builds")).toEqual({});
    expect(planned({ systems: ["mfa"] }).builds).toEqual(["mfa"]);
  });

  test("is what every later run deploys, until another version is asked for", async () => {
    recordPush(home, "production", pushed);
    const value = await configured(planned());
    expect(value("mfa:app").version).toBe("g0123456789ab");
    expect(value("berth:images")["mfa/app"]).toMatchObject({
      repository: "registry.shop.drvn.be/mfa",
      digests: { g0123456789ab: digest },
    });
    const other = await configured(planned({ settings: ["mfa:app.version=v1.1.0"] }));
    expect(other("mfa:app").version).toBe("v1.1.0");
    expect(other("berth:images")["mfa/app"].repository).toBe("r/mfa/app");
    expect(other("berth:builds").mfa.repository).toBe("registry.shop.drvn.be/mfa");
  });

  test("does not move: another digest under a version that was pushed is refused", () => {
    recordPush(home, "production", pushed);
    recordPush(home, "production", pushed);
    const moved = { ...pushed, digest: `sha256:${"f".repeat(64)}` };
    expect(() => recordPush(home, "production", moved)).toThrow(
      /mfa\/app g0123456789ab was pushed to this lab as sha256:\w+, and its registry has sha256:f+ under that version now; push a new commit/,
    );
  });
});
