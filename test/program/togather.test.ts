import { beforeAll, describe, expect, test } from "vitest";
import type { BerthConfig } from "../../config/schema.ts";
import { adoptable } from "../../policy/adoption.ts";
import {
  completeConfig,
  givenCertificate,
  givenLogin,
  madeUpSecrets,
  type ProgramRun,
  type Registration,
  runProgram,
  systemsOf,
} from "./support.ts";

const secretSignature = "4dabf18193072939515e22adb298388d";
const isSecret = (value: unknown): boolean =>
  typeof value === "object" && value !== null && secretSignature in value;

describe.each(["production", "staging", "development"])("the program of %s", (stack) => {
  let program: ProgramRun;
  beforeAll(async () => {
    program = await runProgram(stack);
    expect(program.error).toBeUndefined();
  });

  // A changed name, type or parent is a replacement on every running host. Proves what is registered, not that it works.
  test("registers exactly the committed list, with the other systems of the stack", async () => {
    const program = await runProgram(stack, {}, [], systemsOf(stack));
    expect(program.error).toBeUndefined();
    const lines = program.registrations.map(({ type, name, parent }) => `${type}  ${name}  <  ${parent}`);
    await expect(`${lines.toSorted().join("\n")}\n`).toMatchFileSnapshot(`registered/${stack}.txt`);
  });

  test("the recorder sees what mocks hide", () => {
    expect(program.find("hcloud:index/server:Server", "main-server").protect).toBe(true);
    expect(program.find("docker:index/service:Service", "togather_app").parent).toBe("togather_app");
  });

  test("what holds data or an address is protected, and nothing else", () => {
    const protectedOnes = program.registrations.filter((one) => one.protect).map((one) => one.name);
    expect(protectedOnes.toSorted()).toEqual([
      "dns-zone",
      "main-address",
      "main-data",
      "main-host-key",
      "main-server",
      "togather_database-database",
      "togather_database-role",
      "togather_postgres",
    ]);
  });

  test("Hetzner protects them too", () => {
    expect(program.find("hcloud:index/server:Server", "main-server").inputs).toMatchObject({
      deleteProtection: true,
      rebuildProtection: true,
    });
    for (const [type, name] of [
      ["hcloud:index/volume:Volume", "main-data"],
      ["hcloud:index/primaryIp:PrimaryIp", "main-address"],
      ["hcloud:index/zone:Zone", "dns-zone"],
    ] as const) {
      expect(program.find(type, name).inputs).toMatchObject({ deleteProtection: true });
    }
  });

  test("what would replace the server is taken at its creation only", () => {
    expect(program.find("hcloud:index/server:Server", "main-server").ignoreChanges).toEqual(
      expect.arrayContaining(["userData", "sshKeys", "image", "location"]),
    );
  });

  test("the firewall is there before the server and lets in SSH, HTTP and HTTPS", () => {
    const server = program.find("hcloud:index/server:Server", "main-server");
    expect(server.dependsOn).toContain("main-firewall");
    const { rules } = program.find("hcloud:index/firewall:Firewall", "main-firewall").inputs as {
      rules: { port: string; sourceIps: string[] }[];
    };
    expect(rules.map(({ port }) => port)).toEqual(["22", "80", "443"]);
    expect(rules[0]?.sourceIps).toEqual(["203.0.113.0/24"]);
  });

  test("every image is pulled before anything is made of it", () => {
    const waitsFor = (type: string, name: string) => program.find(type, name).dependsOn;
    expect(waitsFor("docker:index/service:Service", "edge_nginx")).toContain("main-edge-pull");
    expect(waitsFor("command:local:Command", "togather_postgres-folders")).toContain(
      "togather_postgres-pull",
    );
    expect(waitsFor("command:local:Command", "togather_app-snapshot")).toContain("togather_app-pull");
    expect(waitsFor("command:local:Command", "togather_app-pull")).toContain("main-settings");
  });

  test("a release goes pull, snapshot, migration, slot, probe, switch", () => {
    const command = (name: string) => program.find("command:local:Command", `togather_app-${name}`);
    const slot = program.find("docker:index/service:Service", "togather_app");
    expect(command("migration").dependsOn).toContain("togather_app-snapshot");
    expect(slot.dependsOn).toContain("togather_app-migration");
    expect(command("probe").dependsOn).toContain("togather_app");
    expect(command("switch").dependsOn).toEqual(
      expect.arrayContaining(["togather_app", "togather_app-probe"]),
    );
  });

  test("a slot is replaced by any change of its task, named by Pulumi, and waits for nothing by itself", () => {
    const slot = program.find("docker:index/service:Service", "togather_app");
    expect(slot.replaceOnChanges).toEqual(["taskSpec"]);
    expect(slot.inputs).not.toHaveProperty("name");
    expect(slot.inputs).not.toHaveProperty("convergeConfig");
    // Left out, the provider sends zero: SIGKILL at once.
    expect(slot.inputs).toMatchObject({ taskSpec: { containerSpec: { stopGracePeriod: "30s" } } });
  });

  test("no service but the edge publishes a port, and the edge publishes 80 and 443 on the host", () => {
    for (const { name, inputs } of program.registrations.filter(({ type }) =>
      type.includes("service:Service"),
    )) {
      const { ports = [] } = inputs.endpointSpec as {
        ports?: { publishedPort: number; publishMode: string }[];
      };
      const published = ports.map(({ publishedPort, publishMode }) => [publishedPort, publishMode]);
      expect(published).toEqual(
        name === "edge_nginx"
          ? [
              [80, "host"],
              [443, "host"],
            ]
          : [],
      );
    }
  });

  test("secret inputs are secret", () => {
    const secrets = program.registrations.filter(({ type }) => type === "docker:index/secret:Secret");
    expect(secrets.map(({ name }) => name)).toHaveLength(9);
    for (const { inputs } of secrets) expect(isSecret(inputs.data)).toBe(true);
    expect(isSecret(program.find("hcloud:index/server:Server", "main-server").inputs.userData)).toBe(true);
    expect(
      isSecret(program.find("postgresql:index/role:Role", "togather_database-role").inputs.password),
    ).toBe(true);
  });

  test("no secret value stands anywhere in clear", () => {
    const inClear = JSON.stringify(program.registrations.map(({ inputs }) => withoutSecrets(inputs)));
    for (const value of Object.values(madeUpSecrets)) {
      expect(inClear).not.toContain(value);
      expect(inClear).not.toContain(Buffer.from(value).toString("base64"));
    }
  });

  test("host commands keep their output to themselves", () => {
    for (const command of program.registrations.filter(({ type }) => type === "command:local:Command")) {
      expect(command.inputs).toMatchObject({ logging: "none" });
      expect(command.additionalSecretOutputs.toSorted()).toEqual(["stderr", "stdout"]);
    }
  });

  test("Postgres takes encrypted connections alone, by a key that only it reads, and clients check whom they talk to", () => {
    const { args, secrets, configs } = containerOf(program, "togather_postgres");
    expect(args).toEqual(expect.arrayContaining(["ssl=on", "hba_file=/berth/pg_hba.conf"]));
    expect(secrets).toContainEqual(
      expect.objectContaining({ fileName: "tls-key", fileUid: "999", fileMode: 0o400 }),
    );
    expect(configs).toHaveLength(1);
    const rules = program.find("docker:index/serviceConfig:ServiceConfig", "togather_postgres-access").inputs;
    expect(Buffer.from(String(rules.data), "base64").toString()).toBe(
      "local all all scram-sha-256\nhost all postgres 127.0.0.1/32 trust\nhost all postgres all reject\nhostssl all all all scram-sha-256\n",
    );
    const certificate = program.find(
      "tls:index/selfSignedCert:SelfSignedCert",
      "togather_postgres-certificate",
    );
    expect(certificate.inputs).toMatchObject({
      dnsNames: ["togather_postgres"],
      earlyRenewalHours: 2 * 365 * 24,
    });
    expect(program.find("command:local:Command", "togather_app-migration").inputs.stdin).toContain(
      "togather_postgres:5432/@DATABASE@?sslmode=verify-full&sslrootcert=/run/secrets/DATABASE_AUTHORITY",
    );
    const app = containerOf(program, "togather_app");
    expect(app.secrets.map(({ fileName }) => fileName)).toContain("DATABASE_AUTHORITY");
  });

  test("Postgres' superuser needs a password, which only the provider and the host's own script have", () => {
    const provider = program.find("pulumi:providers:postgresql", "togather_postgres-provider");
    expect(isSecret(provider.inputs.password)).toBe(true);
    expect(isSecret(program.find("command:local:Command", "togather_postgres-ready").inputs.stdin)).toBe(
      true,
    );
  });

  test("Postgres has shared memory as its limit allows, and another major version is refused before an update", () => {
    const { mounts } = containerOf(program, "togather_postgres");
    const service = program.find("docker:index/service:Service", "togather_postgres");
    const { resources } = service.inputs.taskSpec as { resources: { limits: { memoryBytes: number } } };
    expect(mounts).toContainEqual({
      type: "tmpfs",
      target: "/dev/shm",
      tmpfsOptions: { sizeBytes: resources.limits.memoryBytes, mode: 0o777 },
    });
    expect(service.beforeUpdate).toEqual(["togather_postgres-major-version", "togather_postgres-restart"]);
    expect(service.inputs.labels).toContainEqual({ label: "berth.postgres-major-version", value: "16" });
  });

  test("components keep their arguments out of the state", () => {
    for (const component of program.registrations.filter(({ custom }) => !custom)) {
      expect(component.inputs).toEqual({});
    }
  });

  test("Postgres and everything in it go with the service", () => {
    for (const { deletedWith } of program.registrations.filter(({ type }) =>
      type.startsWith("postgresql:index"),
    )) {
      expect(deletedWith).toBe("togather_postgres");
    }
  });
});

describe("the previous slot", () => {
  const retained = ({ registrations }: ProgramRun) =>
    registrations.filter(({ retainOnDelete }) => retainOnDelete).map(({ name }) => name);
  const label = { label: "berth.retain", value: "true" };

  test("is Pulumi's to delete by default", async () => {
    const program = await runProgram("production");
    expect(retained(program)).toEqual([]);
    expect(program.find("docker:index/service:Service", "togather_app").inputs.labels).not.toContainEqual(
      label,
    );
  });

  test("is left to the host with what it alone uses, when it is to stay", async () => {
    const app = { version: "v1.0.0", keepPreviousMinutes: 10 };
    const program = await runProgram("production", { "togather:app": JSON.stringify(app) });
    expect(program.error).toBeUndefined();
    expect(retained(program).toSorted()).toEqual([
      "togather_app",
      "togather_app-admin-api-key",
      "togather_app-database-authority",
      "togather_app-database-url",
      "togather_app-jwt-secret",
      "togather_app-with-secrets",
    ]);
    const { inputs } = program.find("docker:index/service:Service", "togather_app");
    expect(inputs.labels).toContainEqual(label);
    // In the task it would be a new slot.
    expect(JSON.stringify(inputs.taskSpec)).not.toContain("berth.retain");
    const { stdin } = program.find("command:local:Command", "togather_app-switch").inputs;
    expect(stdin).toContain("RELEASE_KEEP_MINUTES=10\n");
  });
});

describe("plain variables", () => {
  test("are the service's, beside its own, and a setting moves the port everywhere", async () => {
    const app = {
      version: "v1.0.0",
      port: 9090,
      environment: { CORS_ALLOWED_ORIGINS: "https://app.example", CACHE: true, LIMIT: 5 },
    };
    const program = await runProgram("production", { "togather:app": JSON.stringify(app) });
    expect(program.error).toBeUndefined();
    const { env, healthcheck } = containerOf(program, "togather_app");
    expect(env).toEqual({
      CORS_ALLOWED_ORIGINS: "https://app.example",
      CACHE: "true",
      LIMIT: "5",
      PORT: "9090",
      ENVIRONMENT: "production",
      LOG_LEVEL: "INFO",
    });
    expect(healthcheck.tests.at(-1)).toBe("http://127.0.0.1:9090/health");
    expect(program.find("command:local:Command", "togather_app-probe").inputs.stdin).toContain("PORT=9090\n");
    expect(program.find("command:local:Command", "togather_app-switch").inputs.stdin).toContain(
      ":9090 resolve",
    );
  });

  test("no name that the program sets itself can be set", async () => {
    const { env, secrets } = containerOf(await runProgram("production"), "togather_app");
    const names = [...Object.keys(env), ...secrets.map(({ fileName }) => fileName)];
    expect(names.length).toBeGreaterThan(5);
    for (const name of names) {
      const app = { version: "v1.0.0", environment: { [name]: "x" } };
      const { error } = await runProgram("production", { "togather:app": JSON.stringify(app) });
      expect(String(error)).toMatch(
        new RegExp(`1 problem\n.*environment\\.${name}: (follows|is the secret|is a secret)`),
      );
    }
  });
});

test("a further generation of a password is a role that acts as the owner; the owner's login and password of before are removed last", async () => {
  const type = "postgresql:index/role:Role";
  const names = ({ registrations }: ProgramRun) => registrations.map(({ name }) => name);
  const first = await runProgram("production");
  const second = await runProgram("production", {
    "togather:postgres": JSON.stringify({
      version: "16",
      passwordGeneration: 2,
      superuserPasswordGeneration: 2,
    }),
  });
  expect(second.error).toBeUndefined();
  expect(names(first).filter((name) => !names(second).includes(name))).toEqual([
    "togather_database-owner-login",
  ]);
  expect(
    names(second)
      .filter((name) => !names(first).includes(name))
      .toSorted(),
  ).toEqual(["togather_database-login-2", "togather_database-login-2-password"]);
  expect(second.find(type, "togather_database-login-2").inputs).toMatchObject({
    ...{ name: "togather_login_2", login: true, roles: ["togather"], assumeRole: "togather" },
  });
  // What is registered of the owner stays, so that the old slot's login works until it is gone.
  const owner = second.find(type, "togather_database-role");
  expect(owner.ignoreChanges).toEqual(["login"]);
  expect(owner.inputs.password).toEqual(first.find(type, "togather_database-role").inputs.password);
  const passwords = (run: ProgramRun) =>
    run.find("random:index/randomPassword:RandomPassword", "togather_postgres-superuser").inputs;
  expect(passwords(first)).not.toHaveProperty("keepers");
  expect(passwords(second)).toMatchObject({ keepers: { generation: "2" } });
});

test("a restart changes the slot's task and nothing else", async () => {
  const first = await runProgram("production");
  const second = await runProgram("production", {
    "togather:app": JSON.stringify({ version: "v1.0.0", restartedAt: "2026-01-28T14:30:22Z" }),
  });
  const changed = second.registrations.filter(
    ({ inputs }, index) => JSON.stringify(inputs) !== JSON.stringify(first.registrations[index]?.inputs),
  );
  expect(changed.map(({ name }) => name)).toEqual(["togather_app"]);
});

test("nothing that changes from run to run is an input: who deploys, ids and times are found out by the commands", async () => {
  const inputs = async (actor: string) => {
    process.env.GITHUB_ACTOR = actor;
    const { registrations } = await runProgram("production");
    return registrations.filter(({ type }) => type === "command:local:Command").map((one) => one.inputs);
  };
  try {
    expect(await inputs("ann")).toEqual(await inputs("bob"));
  } finally {
    delete process.env.GITHUB_ACTOR;
  }
});

describe("adoption", () => {
  const berth = {
    hosts: { main: {} },
    ssh: JSON.parse(completeConfig("production").values["berth:ssh"] ?? "{}"),
    dns: { zone: "togather.example", otherZones: [] },
  };
  const names = [...adoptable(berth as unknown as BerthConfig, ["togather.example"])];
  const adopt = Object.fromEntries(names.map(([name, { id }], index) => [name, id ?? String(index + 1)]));

  test("by its name everything takes over what is there, and ignores all that it declares of it", async () => {
    const hosts = JSON.parse(completeConfig("production").values["berth:hosts"] ?? "{}");
    const program = await runProgram("production", {
      "berth:adopt": JSON.stringify(adopt),
      "berth:hosts": JSON.stringify({ main: { ...hosts.main, hostKey: "ssh-ed25519 AAAAown" } }),
    });
    expect(program.error).toBeUndefined();
    expect(names).toHaveLength(6);
    const taken = program.registrations.filter(({ importId }) => importId !== "");
    expect(Object.fromEntries(taken.map(({ name, importId }) => [name, importId]))).toEqual(adopt);
    for (const { name, inputs, ignoreChanges } of taken) {
      expect(ignoreChanges, name).toEqual(expect.arrayContaining(["name", ...Object.keys(inputs)]));
    }
    expect(JSON.stringify(program.find("pulumi:providers:docker", "main-docker").inputs)).toContain(
      "AAAAown",
    );
  });

  test("an adopted server keeps its addresses for good: the provider would delete them", async () => {
    const hosts = JSON.parse(completeConfig("production").values["berth:hosts"] ?? "{}");
    const { find } = await runProgram("production", {
      "berth:hosts": JSON.stringify({ main: { ...hosts.main, hostKey: "ssh-ed25519 AAAAown" } }),
    });
    expect(find("hcloud:index/server:Server", "main-server").ignoreChanges).toContain("publicNets");
  });

  test("without it nothing is, and nothing more is ignored", async () => {
    const { registrations, find } = await runProgram("production");
    expect(registrations.filter(({ importId }) => importId !== "")).toEqual([]);
    expect(find("hcloud:index/primaryIp:PrimaryIp", "main-address").ignoreChanges).toEqual(["location"]);
    expect(find("hcloud:index/server:Server", "main-server").ignoreChanges).toEqual(
      ["userData", "sshKeys", "image"].concat("location"),
    );
  });
});

test("zones beside the first one are resources of their own, and a record lies in the longest that fits", async () => {
  const dns = { zone: "example.org", otherZones: ["togather.example", "deep.togather.example"] };
  const domain = "app.deep.togather.example";
  const program = await runProgram("production", {
    "berth:dns": JSON.stringify(dns),
    "berth:systems": JSON.stringify({ togather: { host: "main", domain } }),
  });
  expect(program.error).toBeUndefined();
  const zones = program.registrations.filter(({ type }) => type === "hcloud:index/zone:Zone");
  expect(zones.map(({ name, inputs, protect }) => [name, inputs.name, protect])).toEqual([
    ["dns-zone", "example.org", true],
    ["dns-zone-togather.example", "togather.example", true],
    ["dns-zone-deep.togather.example", "deep.togather.example", true],
  ]);
  const record = program.find("hcloud:index/zoneRrset:ZoneRrset", `dns-${domain}`);
  expect(record.inputs).toMatchObject({ zone: "deep.togather.example", name: "app" });
  expect(record.deletedWith).toBe("dns-zone-deep.togather.example");
});

describe("edge networks", () => {
  const networksOf = (program: ProgramRun, service: string) =>
    (
      program.find("docker:index/service:Service", service).inputs.taskSpec as {
        networksAdvanceds: { id: string }[];
      }
    ).networksAdvanceds.map(({ id }) => id);
  const placed = (more: object) => ({
    "berth:systems": JSON.stringify({ togather: { host: "main", domain: "togather.example", ...more } }),
  });

  test("the edge has all of them whatever systems there are, a system one, and its own networks", async () => {
    const all = ["edge_id", ...[2, 3, 4, 5, 6, 7, 8].map((number) => `edge-${number}_id`)];
    const first = await runProgram("production");
    expect(networksOf(first, "togather_app")).toEqual(["edge_id", "togather_id"]);
    const third = await runProgram("production", placed({ edgeNetwork: 3 }));
    expect(networksOf(third, "togather_app")).toEqual(["edge-3_id", "togather_id"]);
    for (const program of [first, third]) expect(networksOf(program, "edge_nginx")).toEqual(all);
    expect(third.find("docker:index/service:Service", "edge_nginx").inputs).toEqual(
      first.find("docker:index/service:Service", "edge_nginx").inputs,
    );
  });

  test("they belong to the host and are what the edge had before", async () => {
    const { find } = await runProgram("production");
    const former = (name: string) => find("docker:index/network:Network", name).aliases;
    expect(former("edge")).toEqual(["edge in urn:pulumi:production::berth::berth:edge:NginxEdge::main-edge"]);
    expect(former("edge-2")).toEqual([]);
  });

  test("a restart of the edge is announced", async () => {
    const { find } = await runProgram("production");
    expect(find("command:local:Command", "main-edge-ready").beforeUpdate).toEqual(["main-edge-restart"]);
  });

  test("two hosts have each their own, under names of their own, and nothing of the first one moves", async () => {
    const hosts = JSON.parse(completeConfig("production").values["berth:hosts"] ?? "{}");
    const two = { "berth:hosts": JSON.stringify({ main: hosts.main, auth: hosts.main }) };
    const before = await runProgram("production");
    const program = await runProgram("production", two);
    expect(program.error).toBeUndefined();
    const known = ({ registrations }: ProgramRun) => registrations.map(({ urn }) => urn);
    expect(new Set(known(program)).size).toBe(known(program).length);
    expect(known(program)).toEqual(expect.arrayContaining(known(before)));
    expect(networksOf(program, "auth-edge_nginx")[7]).toBe("auth-edge-8_id");
    expect(program.find("docker:index/network:Network", "auth-edge").aliases).toEqual([]);
  });

  test("the only host of a stack keeps what an earlier version made, whatever its name", async () => {
    const hosts = JSON.parse(completeConfig("production").values["berth:hosts"] ?? "{}");
    const program = await runProgram("production", {
      "berth:hosts": JSON.stringify({ web: hosts.main }),
      ...placed({ host: "web" }),
    });
    expect(program.error).toBeUndefined();
    const network = program.find("docker:index/network:Network", "web-edge");
    const former = "urn:pulumi:production::berth::berth:edge:NginxEdge::web-edge";
    expect(network.aliases).toEqual([`edge in ${former}`]);
    // A label that changes replaces a network.
    expect(network.inputs.labels).toContainEqual({ label: "berth.resource", value: "edge" });
    const service = program.find("docker:index/service:Service", "web-edge_nginx");
    expect(service.aliases).toEqual([`edge_nginx in ${former}`]);
  });
});

describe("another kind of edge", () => {
  const hosts = () => JSON.parse(completeConfig("production").values["berth:hosts"] ?? "{}");
  const images = () => JSON.parse(completeConfig("production").values["berth:images"] ?? "{}");
  const onTraefik = () => {
    const { main } = hosts();
    const { traefik, ...rest } = images();
    const digests = { "3.6.12": `sha256:${"cd".repeat(32)}` };
    return {
      "berth:hosts": JSON.stringify({ main: { ...main, edge: { kind: "traefik", version: "3.6.12" } } }),
      "berth:images": JSON.stringify({ ...rest, traefik: { ...traefik, digests } }),
    };
  };

  test("changes the component and the service, and nothing else that is registered", async () => {
    const lines = ({ registrations }: ProgramRun) =>
      registrations.map(({ type, name, parent }) => `${type}  ${name}  <  ${parent}`);
    const before = lines(await runProgram("production"));
    const program = await runProgram("production", onTraefik());
    expect(program.error).toBeUndefined();
    const after = lines(program);
    const service = "docker:index/service:Service";
    expect(before.filter((line) => !after.includes(line)).toSorted()).toEqual([
      "berth:edge:NginxEdge  main-edge  <  (stack)",
      `${service}  edge_nginx  <  main-edge`,
    ]);
    expect(after.filter((line) => !before.includes(line)).toSorted()).toEqual([
      "berth:edge:TraefikEdge  main-edge  <  (stack)",
      `${service}  edge_traefik  <  main-edge`,
    ]);
  });

  test("keeps what the kind of before had, as an update", async () => {
    const urn = (kind: string) => `urn:pulumi:production::berth::berth:edge:${kind}::main-edge`;
    for (const [change, former] of [
      [onTraefik(), "NginxEdge"],
      [{}, "TraefikEdge"],
    ] as const) {
      const { find } = await runProgram("production", change);
      for (const name of ["configuration", "pull", "ready", "certificates"]) {
        const { aliases } = find("command:local:Command", `main-edge-${name}`);
        expect(aliases).toEqual([` in ${urn(former)}`]);
      }
    }
  });

  test("has the ports, no Docker socket, and no file of the host that it can write", async () => {
    const { find } = await runProgram("production", onTraefik());
    const { inputs } = find("docker:index/service:Service", "edge_traefik");
    expect(inputs).toMatchObject({
      endpointSpec: {
        mode: "dnsrr",
        ports: [
          { publishedPort: 80, publishMode: "host" },
          { publishedPort: 443, publishMode: "host" },
        ],
      },
      updateConfig: { order: "stop-first" },
    });
    const { containerSpec, networksAdvanceds } = inputs.taskSpec as {
      containerSpec: { mounts: { source: string; readOnly: boolean }[] };
      networksAdvanceds: unknown[];
    };
    expect(containerSpec.mounts.map(({ source, readOnly }) => [source, readOnly])).toEqual([
      ["/var/lib/berth/edge", true],
      ["/var/lib/berth/challenges", true],
      ["/var/lib/berth/edge/plugins", true],
    ]);
    expect(networksAdvanceds).toHaveLength(8);
  });
});

test("the certificate is asked for when the edge serves and the records are there", async () => {
  const program = await runProgram("production");
  const command = program.find("command:local:Command", "main-edge-certificates");
  expect(command.dependsOn).toEqual(
    expect.arrayContaining(["main-edge-ready", "main-edge-configuration", "dns-togather.example"]),
  );
  expect(program.registrations.filter(({ dependsOn }) => dependsOn.includes(command.name))).toEqual([]);
});

test("a given certificate's key is secret, and nothing is asked for", async () => {
  const { registrations, find } = await runProgram("production", givenCertificate);
  expect(registrations.map(({ name }) => name)).not.toContain("main-edge-certificates");
  expect(isSecret(find("command:local:Command", "main-edge-configuration").inputs.stdin)).toBe(true);
  const inClear = JSON.stringify(registrations.map(({ inputs }) => withoutSecrets(inputs)));
  expect(inClear).not.toContain("canary-tls-private-key");
});

test("a wrong configuration registers nothing, and the run ends with every problem", async () => {
  const change = { "togather:jwtSecret": undefined, "berth:environment": "prod" };
  const { registrations, error } = await runProgram("production", change);
  expect(registrations).toEqual([]);
  expect(String(error)).toContain(
    'Pulumi.production.yaml: 2 problems\n  ✖ berth:environment: "prod" is invalid; use one of: development, staging, production\n  ✖ togather:jwtSecret: missing',
  );
});

describe("migrations by configuration", () => {
  const river = {
    ...{ kind: "command", name: "river", command: ["river", "migrate-up"], upToDate: ["river", "validate"] },
    ...{ version: { query: "SELECT 1" }, image: { name: "togather/migrations", version: "7" } },
    ...{ environment: { DB_NAME: "@DATABASE@" }, secrets: ["JWT_SECRET"] },
  };
  const digest = `sha256:${"cd".repeat(32)}`;
  const images = (stack: string) =>
    JSON.stringify({
      ...JSON.parse(completeConfig(stack).values["berth:images"] ?? "{}"),
      "togather/migrations": { repository: "registry.example/migrations", digests: { 7: digest } },
    });
  const withSteps = (steps: readonly unknown[]) =>
    runProgram("production", {
      "berth:images": images("production"),
      "togather:migrations": JSON.stringify({ steps, memoryMebibytes: 300, cpus: 0.5 }),
    });
  const parameter = (command: Registration, name: string) =>
    new RegExp(`^${name}='(.*)'$`, "m").exec(String(command.inputs.stdin))?.[1]?.replaceAll("'\\''", "'") ??
    "";

  test("each step is a job of its own image, with what it needs and no secret in clear", async () => {
    const program = await withSteps([{ kind: "golang-migrate", folder: "/migrations" }, river]);
    expect(program.error).toBeUndefined();
    const steps = JSON.parse(
      parameter(program.find("command:local:Command", "togather_app-migration"), "STEPS"),
    );
    expect(steps).toMatchObject([
      { kind: "golang-migrate", name: "schema", folder: "/migrations", job: { environment: {} } },
      {
        ...{ kind: "command", name: "river", query: "SELECT 1" },
        job: {
          image: `registry.example/migrations@${digest}`,
          memoryMebibytes: 300,
          cpus: 0.5,
          environment: {
            ...{ DB_NAME: "@DATABASE@", PGHOST: "togather_postgres", PGPORT: "5432", PGUSER: "togather" },
            PGDATABASE: "@DATABASE@",
          },
        },
      },
    ]);
    const targets = (index: number) =>
      (steps[index].job.secrets as { target: string }[]).map(({ target }) => target);
    expect(targets(0)).toEqual(["PGPASSWORD", "DATABASE_AUTHORITY"]);
    expect(targets(1)).toEqual(["PGPASSWORD", "DATABASE_AUTHORITY", "JWT_SECRET"]);
    expect(steps[1].commands.up.slice(-3)).toEqual(["sh", "river", "migrate-up"]);
    // What the probe is told does not change with a secret.
    const probed = JSON.parse(
      parameter(program.find("command:local:Command", "togather_app-probe"), "STEPS"),
    );
    expect(Object.keys(probed[1].job)).toEqual(["image"]);
  });

  test("a secret that the service does not have is refused, with those that it has", async () => {
    const { error } = await withSteps([{ ...river, secrets: ["RIVER_KEY"] }]);
    expect(String(error)).toContain(
      'a step of its migrations names the secret "RIVER_KEY"; use one of: DATABASE_URL, DATABASE_AUTHORITY, JWT_SECRET, ADMIN_API_KEY',
    );
  });
});

test("what migrations need and the owner lacks is granted after the extensions, and no more", async () => {
  const { find } = await runProgram("production");
  const grant = find("postgresql:index/grant:Grant", "togather_database-grant-spatial-ref-sys");
  expect(grant.inputs).toMatchObject({
    objects: ["spatial_ref_sys"],
    privileges: ["INSERT"],
    schema: "public",
  });
  expect(grant.dependsOn).toContain("togather_database-postgis");
  expect(find("command:local:Command", "togather_app-snapshot").dependsOn).toContain(grant.name);
});

function containerOf(program: ProgramRun, service: string) {
  const { taskSpec } = program.find("docker:index/service:Service", service).inputs as {
    taskSpec: {
      containerSpec: {
        args: string[];
        env: Record<string, string>;
        healthcheck: { tests: string[] };
        secrets: { fileName: string }[];
        configs: unknown[];
        mounts: unknown[];
      };
    };
  };
  return taskSpec.containerSpec;
}

function withoutSecrets(value: unknown): unknown {
  if (isSecret(value)) return "[secret]";
  if (Array.isArray(value)) return value.map(withoutSecrets);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, withoutSecrets(inner)]));
}

describe("a registry with a login", () => {
  test("is logged in to on the host before its images are pulled, by a password that stands nowhere in clear", async () => {
    const program = await runProgram("production", givenLogin);
    expect(program.error).toBeUndefined();
    const command = (name: string) => program.find("command:local:Command", name);
    const login = command("main-registry-ghcr.io");
    expect(login.parent).toBe("main");
    expect(login.inputs).toHaveProperty("delete");
    expect(isSecret(login.inputs.stdin)).toBe(true);
    for (const name of ["togather_app-pull", "togather_postgres-pull"])
      expect(command(name).dependsOn).toContain("main-registry-ghcr.io");
    expect(command("main-edge-pull").dependsOn).not.toContain("main-registry-ghcr.io");
    const password = givenLogin["berth:registryPassword.ghcr.io"] ?? "";
    const inClear = JSON.stringify(program.registrations.map(({ inputs }) => withoutSecrets(inputs)));
    expect(inClear).not.toContain(password);
    expect(inClear).not.toContain(Buffer.from(password).toString("base64").slice(0, -4));
    // Swarm would keep it with the service.
    for (const { inputs } of program.registrations.filter(({ type }) => type.endsWith(":Service")))
      expect(inputs).not.toHaveProperty("auth");
    expect(program.find("pulumi:providers:docker", "main-docker").inputs).not.toHaveProperty("registryAuth");
  });
});
