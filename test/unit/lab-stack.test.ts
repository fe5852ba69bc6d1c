import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, beforeEach, describe, expect, test } from "vitest";
import { type SecretFormat, secretProblem } from "../../components/secrets/secret.ts";
import type { LabHome } from "../../lab/home.ts";
import { readAccess } from "../../lab/images/access.ts";
import { configureStack, rotateSecrets } from "../../lab/stack/configuration.ts";
import { inventedSecrets, inventSecret } from "../../lab/stack/invented-secrets.ts";
import { imageKey } from "../../lab/stack/overrides.ts";
import { planStack } from "../../lab/stack/plan.ts";
import type { PlannedStack, StackRequest } from "../../lab/stack/planned-stack.ts";
import { registryPasswordKey } from "../../lab/stack/registry-login.ts";
import { applySetting, parseSetting } from "../../lab/stack/set-option.ts";
import { readStackFile } from "../../lab/stack/stack-file.ts";
import { systems as definitions } from "../../stacks/index.ts";

const root = mkdtempSync(join(tmpdir(), "berth-stack-"));
const projectDir = new URL("../..", import.meta.url).pathname;
let home: LabHome;
let count = 0;

beforeEach(() => {
  count += 1;
  const stateDir = join(root, String(count));
  mkdirSync(stateDir);
  home = { name: "unit", cacheDir: root, stateDir, subnet: "198.18.99.0/24", gateway: "198.18.99.1" };
});
afterAll(() => rmSync(root, { recursive: true }));

function request(more: Partial<StackRequest> = {}): StackRequest {
  return { projectDir, project: "berth", stack: "production", definitions, ...more };
}

function stackFolder(yaml: string): string {
  const folder = mkdtempSync(join(root, "project-"));
  writeFileSync(join(folder, "Pulumi.trial.yaml"), yaml);
  return folder;
}

describe("a stack file", () => {
  test("keys without a namespace are the project's; encrypted values are named, not read", () => {
    const folder = stackFolder("config:\n  colour: blue\n  a:b: {c: 1}\n  a:key: {secure: v1:abc}\n");
    const file = readStackFile(folder, "berth", "trial");
    expect(file.values).toEqual({ "berth:colour": "blue", "a:b": { c: 1 } });
    expect(file.encryptedKeys).toEqual(["a:key"]);
  });

  test("says which stacks there are", () => {
    expect(() => readStackFile(projectDir, "berth", "prod")).toThrow(
      '--stack: there is no stack "prod"; use one of: development, production, staging',
    );
    expect(() => readStackFile(projectDir, "berth", "../production")).toThrow("there is no stack");
  });

  test("refuses an encrypted value inside another", () => {
    const folder = stackFolder("config:\n  a:b:\n    c: {secure: v1:abc}\n");
    expect(() => readStackFile(folder, "berth", "trial")).toThrow(
      "Pulumi.trial.yaml: a:b: holds an encrypted value inside",
    );
  });

  test("says where it is no YAML", () => {
    expect(() => readStackFile(stackFolder("config: [a"), "berth", "trial")).toThrow("line 1");
  });
});

describe("--set", () => {
  const values = { "a:b": { version: "16", replicas: 1, list: ["x"], nested: { "na/me": { deep: "old" } } } };
  test.each([
    ["a:b.version=17", { version: "17" }],
    ["a:b.replicas=2", { replicas: 2 }],
    ["a:b.added=true", { added: true }],
    ["a:b.list[0]=y", { list: ["y"] }],
    ["a:b.list[1]=z", { list: ["x", "z"] }],
    ['a:b.nested["na/me"].deep=a=b', { nested: { "na/me": { deep: "a=b" } } }],
    ["a:b.added.further={x: [1]}", { added: { further: { x: [1] } } }],
  ])("%s", (argument, changed) => {
    const before = structuredClone(values);
    expect(applySetting(values, parseSetting(argument))).toEqual({ "a:b": { ...values["a:b"], ...changed } });
    expect(values).toEqual(before);
  });

  test.each([
    ["a:b.version", '"a:b.version" has no "=value"'],
    ["version=1", '"version" does not begin with namespace:key'],
    ["a:b..x=1", '"..x" in "a:b..x" is not a path'],
    ["a:b[x]=1", '"[x]" in "a:b[x]" is not a path'],
  ])("refuses %s", (argument, message) => {
    expect(() => parseSetting(argument)).toThrow(message);
  });

  test.each([
    ["a:b.version.x=1", 'a:b.version is not an object, so it has no field "x"'],
    ["a:b.version[0]=1", "a:b.version is not a list"],
    ["a:b.list[5]=1", "a:b.list has 1 entries; [5] would leave a gap"],
  ])("refuses %s for what is there", (argument, message) => {
    expect(() => applySetting(values, parseSetting(argument))).toThrow(message);
  });
});

describe("invented secrets", () => {
  const format: fc.Arbitrary<SecretFormat> = fc.oneof(
    fc.record({
      kind: fc.constantFrom("base64" as const, "hex" as const),
      bytes: fc.integer({ min: 1, max: 96 }),
    }),
    fc.record({ kind: fc.constant("text" as const), minimumLength: fc.integer({ min: 1, max: 200 }) }),
    fc.record({ kind: fc.constant("characters" as const), length: fc.integer({ min: 1, max: 200 }) }),
  );

  test("every invented value is one that the configuration accepts, canary or not", () => {
    fc.assert(
      fc.property(format, fc.boolean(), (wanted, canary) => {
        expect(secretProblem(wanted, inventSecret(wanted, canary))).toBeUndefined();
      }),
    );
  });

  test("stay the same until they are rotated, and only their owner can read them", () => {
    const hex: SecretFormat = { kind: "hex", bytes: 32 };
    const first = inventedSecrets(home.stateDir, "trial").get("a:key", hex);
    expect(inventedSecrets(home.stateDir, "trial").get("a:key", hex)).toBe(first);
    expect(inventedSecrets(home.stateDir, "other").get("a:key", hex)).not.toBe(first);
    const rotated = inventedSecrets(home.stateDir, "trial").rotate("a:key", hex);
    expect(rotated).not.toBe(first);
    expect(inventedSecrets(home.stateDir, "trial").get("a:key", hex)).toBe(rotated);
    expect(statSync(join(home.stateDir, "secrets-trial.json")).mode & 0o777).toBe(0o600);
  });

  test("canaries are listed, rotated ones and those made before included", () => {
    const base64: SecretFormat = { kind: "base64", bytes: 32 };
    const plain = inventedSecrets(home.stateDir, "trial", false).get("a:first", base64);
    const planted = inventedSecrets(home.stateDir, "trial", true);
    const second = planted.get("a:second", base64);
    const third = planted.rotate("a:second", base64);
    const listed = JSON.parse(readFileSync(join(home.stateDir, "canaries.json"), "utf8"));
    expect(listed).toEqual([
      { key: "a:first", value: plain },
      { key: "a:second", value: second },
      { key: "a:second", value: third },
    ]);
    expect(second).toMatch(/^BerthLabPlantedCanary000/);
    expect(statSync(join(home.stateDir, "canaries.json")).mode & 0o777).toBe(0o600);
  });
});

const digest = `sha256:${"a".repeat(64)}`;

function imagesOf(planned: PlannedStack) {
  return new Map(
    planned.images.map(({ name, version }) => [imageKey(name, version), { repository: `r/${name}`, digest }]),
  );
}

describe("a planned stack", () => {
  test("knows the images in use and makes nothing", () => {
    const planned = planStack(request(), home);
    expect(planned.systems).toEqual(["togather"]);
    expect(planned.images.map(({ name }) => name)).toEqual(["nginx", "togather/app", "togather/postgres"]);
    // Those of the stack's other systems too: a certificate for all of them.
    expect(planned.domains).toEqual(["togather.example", "mfa.drvn.be"]);
    expect(planned.inventedKeys).toEqual(["togather:jwtSecret", "togather:adminApiKey"]);
    expect(() => statSync(join(home.stateDir, "secrets-production.json"))).toThrow("ENOENT");
  });

  test("unknown systems are refused with the allowed ones", () => {
    expect(() => planStack(request({ systems: ["nosuch"] }), home)).toThrow(
      'no system "nosuch" in Pulumi.production.yaml; use one of: togather, mfa',
    );
  });

  test("the first system of the file begins; others join what runs, each with its host and with no other one", () => {
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
    // One that the file no longer has is removed by the next run.
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

  test("a wrong value is refused with the configuration's own message", () => {
    expect(() => planStack(request({ settings: ["togather:app.replicas=99"] }), home)).toThrow(
      "togather:app.replicas",
    );
  });

  test("a secret does not belong into an argument, and the message does not repeat it", () => {
    const refused = () => planStack(request({ settings: ["togather:jwtSecret=hunter2hunter2"] }), home);
    expect(refused).toThrow("--rotate togather:jwtSecret");
    expect(refused).not.toThrow("hunter2");
  });

  test("--rotate names the secrets that there are", () => {
    expect(() => rotateSecrets(planStack(request(), home), ["togather:nosuch"], home)).toThrow(
      "use one of: togather:jwtSecret, togather:adminApiKey",
    );
  });

  test("with ACME the lab's Pebble issues for the committed address, and no key is given", async () => {
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

  test("a registry that asks for a login is the lab's, which asks for it too, with a password of its own", async () => {
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

  test("SSH is open to this machine, and to a network of the lab that is asked for", async () => {
    const settings = ["berth:hosts.main.sshAllowedFrom=[203.0.113.0/24, 198.18.99.105/32]"];
    const planned = planStack(request({ settings }), home);
    const { config } = await configureStack(planned, imagesOf(planned), home);
    const { main } = JSON.parse(config["berth:hosts"] ?? "");
    expect(main.sshAllowedFrom).toEqual(["198.18.99.1/32", "198.18.99.105/32"]);
  });

  test("what the engine gets is the committed configuration but for what the lab overrides", async () => {
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
    // Of the other systems and their hosts nothing is said.
    const overridden = [
      "berth:images",
      "berth:ssh",
      "berth:hosts",
      "berth:systems",
      "berth:tls",
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
      certificatePem: expect.stringMatching(/^-----BEGIN CERTIFICATE-----/),
    });
    // A second run sees the same key, certificate and secrets: nothing to do.
    expect(await configureStack(planned, images, home)).toEqual(first);
  });
});

describe("the file as written", () => {
  // Each passed once, because the lab had put something of its own in its place, or because nothing looked.
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

  test("SSH is open to everybody for who acknowledges it", () => {
    const settings = [
      "berth:hosts.main.sshAllowedFrom=[0.0.0.0/0]",
      "berth:hosts.main.sshOpenToEverybody=true",
    ];
    expect(() => planStack(request({ settings }), home)).not.toThrow();
  });

  test("of a file that is empty everything that is missing is said, whatever system was named", () => {
    const folder = stackFolder("");
    const plan = () =>
      planStack(request({ projectDir: folder, stack: "trial", systems: ["togather"] }), home);
    for (const key of ["environment", "hosts", "systems", "images", "tls"]) {
      expect(plan).toThrow(new RegExp(`berth:${key}: `));
    }
  });
});
