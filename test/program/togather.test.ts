import { beforeAll, describe, expect, test } from "vitest";
import { systemsOf, testSecrets } from "./committed-config.ts";
import { type ProgramRun, runProgram } from "./support.ts";
import { containerOf, isSecret, withoutSecrets } from "./togather-tasks.ts";

describe.each(["production", "staging", "development"])("the program of %s", (stack) => {
  let program: ProgramRun;
  beforeAll(async () => {
    program = await runProgram(stack);
    expect(program.error).toBeUndefined();
  });

  // A changed name, type or parent is a replacement on every running host. Tests what is registered, not that it works.
  test("registers exactly the committed list, with the other systems of the stack", async () => {
    const program = await runProgram(stack, {}, [], systemsOf(stack));
    expect(program.error).toBeUndefined();
    const lines = program.registrations.map(({ type, name, parent }) => `${type}  ${name}  <  ${parent}`);
    await expect(`${lines.toSorted().join("\n")}\n`).toMatchFileSnapshot(`registered/${stack}.txt`);
  });

  test("the recording has what mocks hide", () => {
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

  test("Hetzner's protection is enabled for them", () => {
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

  test("inputs that would replace the server are used only at its creation", () => {
    expect(program.find("hcloud:index/server:Server", "main-server").ignoreChanges).toEqual(
      expect.arrayContaining(["userData", "sshKeys", "image", "location"]),
    );
  });

  test("the firewall is created before the server and allows SSH, HTTP and HTTPS", () => {
    const server = program.find("hcloud:index/server:Server", "main-server");
    expect(server.dependsOn).toContain("main-firewall");
    const { rules } = program.find("hcloud:index/firewall:Firewall", "main-firewall").inputs as {
      rules: { port: string; sourceIps: string[] }[];
    };
    expect(rules.map(({ port }) => port)).toEqual(["22", "80", "443"]);
    expect(rules[0]?.sourceIps).toEqual(["203.0.113.0/24"]);
  });

  test("every image is pulled before it is used", () => {
    const waitsFor = (type: string, name: string) => program.find(type, name).dependsOn;
    expect(waitsFor("docker:index/service:Service", "edge_nginx")).toContain("main-edge-pull");
    expect(waitsFor("command:local:Command", "togather_postgres-folders")).toContain(
      "togather_postgres-pull",
    );
    expect(waitsFor("command:local:Command", "togather_app-snapshot")).toContain("togather_app-pull");
    expect(waitsFor("command:local:Command", "togather_app-pull")).toContain("main-settings");
  });

  test("the steps of a release are pull, snapshot, migration, slot, probe, switch", () => {
    const command = (name: string) => program.find("command:local:Command", `togather_app-${name}`);
    const slot = program.find("docker:index/service:Service", "togather_app");
    expect(command("migration").dependsOn).toContain("togather_app-snapshot");
    expect(slot.dependsOn).toContain("togather_app-migration");
    expect(command("probe").dependsOn).toContain("togather_app");
    expect(command("switch").dependsOn).toEqual(
      expect.arrayContaining(["togather_app", "togather_app-probe"]),
    );
  });

  test("a slot is replaced by any change of its task, is named by Pulumi, and does not wait for convergence", () => {
    const slot = program.find("docker:index/service:Service", "togather_app");
    expect(slot.replaceOnChanges).toEqual(["taskSpec"]);
    expect(slot.inputs).not.toHaveProperty("name");
    expect(slot.inputs).not.toHaveProperty("convergeConfig");
    // When left out, the provider sends zero: SIGKILL at once.
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

  test("no secret value is anywhere in clear text", () => {
    const inClear = JSON.stringify(program.registrations.map(({ inputs }) => withoutSecrets(inputs)));
    for (const value of Object.values(testSecrets)) {
      expect(inClear).not.toContain(value);
      expect(inClear).not.toContain(Buffer.from(value).toString("base64"));
    }
  });

  test("host commands log no output", () => {
    for (const command of program.registrations.filter(({ type }) => type === "command:local:Command")) {
      expect(command.inputs).toMatchObject({ logging: "none" });
      expect(command.additionalSecretOutputs.toSorted()).toEqual(["stderr", "stdout"]);
    }
  });

  test("Postgres accepts only encrypted connections, with a key that only it reads, and clients verify the server", () => {
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

  test("Postgres has shared memory according to its limit, and another major version is refused before an update", () => {
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

  test("Postgres and everything in it are deleted with the service", () => {
    for (const { deletedWith } of program.registrations.filter(({ type }) =>
      type.startsWith("postgresql:index"),
    )) {
      expect(deletedWith).toBe("togather_postgres");
    }
  });
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

test("no input changes from run to run: operator, ids and times are determined by the commands", async () => {
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

test("an invalid configuration registers nothing, and the run reports every problem", async () => {
  const change = { "togather:jwtSecret": undefined, "berth:environment": "prod" };
  const { registrations, error } = await runProgram("production", change);
  expect(registrations).toEqual([]);
  expect(String(error)).toContain(
    'Pulumi.production.yaml: 2 problems\n  ✖ berth:environment: "prod" is invalid; use one of: development, staging, production\n  ✖ togather:jwtSecret: missing',
  );
});
