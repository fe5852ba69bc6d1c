import { describe, expect, test } from "vitest";
import { completeConfig } from "./committed-config.ts";
import { type ProgramRun, type Registration, runProgram } from "./support.ts";
import { containerOf } from "./togather-tasks.ts";

describe("the previous slot", () => {
  const retained = ({ registrations }: ProgramRun) =>
    registrations.filter(({ retainOnDelete }) => retainOnDelete).map(({ name }) => name);
  const label = { label: "berth.retain", value: "true" };

  test("is deleted by Pulumi by default", async () => {
    const program = await runProgram("production");
    expect(retained(program)).toEqual([]);
    expect(program.find("docker:index/service:Service", "togather_app").inputs.labels).not.toContainEqual(
      label,
    );
  });

  test("is left to the host, with the objects that only it uses, when it is kept", async () => {
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
    // A change of the task would create a new slot.
    expect(JSON.stringify(inputs.taskSpec)).not.toContain("berth.retain");
    const { stdin } = program.find("command:local:Command", "togather_app-switch").inputs;
    expect(stdin).toContain("RELEASE_KEEP_MINUTES=10\n");
  });
});

describe("plain variables", () => {
  test("are added to the service's own, and a setting moves the port everywhere", async () => {
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

  test("each step is a job with its own image, with its dependencies and no secret in clear text", async () => {
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
    // The probe's parameters do not change with a secret.
    const probed = JSON.parse(
      parameter(program.find("command:local:Command", "togather_app-probe"), "STEPS"),
    );
    expect(Object.keys(probed[1].job)).toEqual(["image"]);
  });

  test("a secret that the service does not have is refused, with a list of its secrets", async () => {
    const { error } = await withSteps([{ ...river, secrets: ["RIVER_KEY"] }]);
    expect(String(error)).toContain(
      'a step of its migrations names the secret "RIVER_KEY"; use one of: DATABASE_URL, DATABASE_AUTHORITY, JWT_SECRET, ADMIN_API_KEY',
    );
  });
});
