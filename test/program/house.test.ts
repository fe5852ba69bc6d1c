import { readFileSync } from "node:fs";
import type { ResourceHookFunction } from "@pulumi/pulumi";
import { beforeAll, describe, expect, test, vi } from "vitest";
import { urlQuery, verifyFull } from "../../components/data/client-tls.ts";
import { announceGap } from "../../components/release/gap.ts";
import { databases, oneDatabase } from "../../ops/system-database.ts";
import { deployment, resource } from "../unit/ops-fixtures.ts";
import { completeConfig } from "./committed-config.ts";
import { type ProgramRun, type Registration, runProgram } from "./support.ts";

/** The resources of a system that uses every contract: fixture ./house.ts. */

const pem = "-----BEGIN CERTIFICATE-----\nexample\n-----END CERTIFICATE-----\n";
const image = (name: string) => [`house/${name}`, { repository: `registry.example/house/${name}` }];
const configuration = (more: Readonly<Record<string, unknown>> = {}) => ({
  "berth:environment": "staging",
  "berth:systems": JSON.stringify({ house: { host: "main", domain: "house.staging.togather.example" } }),
  "berth:images": JSON.stringify({
    ...JSON.parse(completeConfig("staging").values["berth:images"] ?? "{}"),
    ...Object.fromEntries(["app", "sync", "postgres", "redis"].map(image)),
  }),
  "togather:app": undefined,
  "togather:postgres": undefined,
  "togather:snapshots": undefined,
  "togather:jwtSecret": undefined,
  "togather:adminApiKey": undefined,
  "house:apiKey": "ab".repeat(32),
  "house:archivePassword": "canary:archive/password",
  "house:archive": JSON.stringify({
    ...{ host: "db.archive.example", name: "archive", user: "house", authorityPem: pem },
    ...(more.archive as object),
  }),
  "house:app": JSON.stringify({ version: "v1.0.0", ...(more.app as object) }),
  "house:sync": JSON.stringify({ version: "1.4.0", ...(more.sync as object) }),
  "house:postgres": JSON.stringify({ version: "17" }),
  "house:search": JSON.stringify({ version: "16-alpine" }),
  "house:redis": JSON.stringify({ version: "7-alpine", ...(more.redis as object) }),
  "house:worker": JSON.stringify({ databaseTls: "require", ...(more.worker as object) }),
});

async function runHouse(more: Readonly<Record<string, unknown>> = {}): Promise<ProgramRun> {
  vi.doMock("../../stacks/index.ts", async () => ({ systems: [(await import("./house.ts")).house] }));
  try {
    return await runProgram("staging", configuration(more), ["house:apiKey", "house:archivePassword"]);
  } finally {
    vi.doUnmock("../../stacks/index.ts");
  }
}

type Task = {
  containerSpec: {
    args: string[];
    env: Record<string, string>;
    secrets: { fileName: string }[];
    mounts: unknown[];
    healthcheck: { tests: string[] };
    image: string;
  };
  networksAdvanceds: { id: string }[];
};
const task = (of: Registration) => of.inputs.taskSpec as Task;
const service = "docker:index/service:Service";
const command = "command:local:Command";

let program: ProgramRun;
beforeAll(async () => {
  program = await runHouse();
  expect(program.error).toBeUndefined();
});
const childrenOf = (parent: string) =>
  program.registrations.filter((each) => each.parent === parent).map(({ name }) => name);

describe("a worker that is released with the app", () => {
  test("has a slot, a probe and a take-over, and neither pulls, snapshots nor migrates again", () => {
    expect(childrenOf("house_worker")).toEqual([
      "house_worker-api-key",
      "house_worker-database-authority",
      "house_worker-archive-url",
      "house_worker",
      "house_worker-probe",
      "house_worker-switch",
    ]);
    expect(childrenOf("house_app")).toContain("house_app-migration");
  });

  test("is made when the app's slot is healthy, has its image, and is healthy before the app switches", () => {
    const slot = program.find(service, "house_worker");
    expect(slot.dependsOn).toContain("house_app-probe");
    expect(program.find(command, "house_app-switch").dependsOn).toContain("house_worker-probe");
    expect(program.find(command, "house_worker-switch").dependsOn).toContain("house_app-switch");
    expect(task(slot).containerSpec.image).toBe(task(program.find(service, "house_app")).containerSpec.image);
  });

  test("is on networks of its own system alone, one of them with a way out", () => {
    expect(task(program.find(service, "house_worker")).networksAdvanceds).toEqual([
      { id: "house_id" },
      { id: "house-outbound_id" },
    ]);
    const network = (name: string) => program.find("docker:index/network:Network", name).inputs.internal;
    expect([network("house"), network("house-outbound")]).toEqual([true, false]);
  });

  test("is probed by Docker's check alone", () => {
    const { stdin } = program.find(command, "house_worker-probe").inputs;
    expect(stdin).toContain("DOCKER_CHECK=yes\nPORT=''\n");
    expect(program.find(command, "house_worker-switch").inputs.stdin).toContain("RELEASE_STARTS=yes\n");
  });

  test("needs a block of at most 15 lines", () => {
    const text = readFileSync(new URL("./house.ts", import.meta.url), "utf8");
    const [, block = ""] = /\n( *companions: [\s\S]*?)\n *\/\/ End of the further service/.exec(text) ?? [];
    const setting = text.split("\n").filter((line) => /^ +worker: companionSettings/.test(line));
    expect(block).toContain("new Worker(");
    expect(block.split("\n").length + setting.length).toBeLessThanOrEqual(15);
  });
});

describe("a service that may not run twice", () => {
  test("is created without tasks, which its probe starts; scaling changes no slot, and no replacement deletes first", () => {
    const slot = program.find(service, "house_sync");
    expect(slot.inputs).toMatchObject({
      mode: { replicated: { replicas: 0 } },
      updateConfig: { order: "stop-first" },
    });
    expect([slot.ignoreChanges, slot.replaceOnChanges]).toEqual([["mode"], ["taskSpec"]]);
    const { stdin } = program.find(command, "house_sync-probe").inputs;
    expect(stdin).toContain("REPLICAS=1\n");
    expect(stdin).toContain("RELEASE_ORDER=stop-first\nRELEASE_STARTS=yes\nRELEASE_TASKS=1\n");
  });

  test("announces its gap at preview, and the others have none", () => {
    const hooks = program.registrations
      .filter(({ beforeUpdate }) => beforeUpdate.some((hook) => hook.endsWith("-gap")))
      .map(({ name }) => name);
    expect(hooks).toEqual(["house_sync-probe"]);
  });

  test.each([
    ["another slot", "SLOT=house_sync-2\n", 1],
    ["a slot that is not known yet", undefined, 1],
    ["the same slot, another time-out", "SLOT=house_sync-1\nATTEMPTS=9\n", 0],
  ])("%s", async (_what, stdin, times) => {
    const said: string[] = [];
    const hook: ResourceHookFunction = announceGap("house_sync", 70, async (text) => {
      said.push(text);
    });
    const inputs = { oldInputs: { stdin: "SLOT=house_sync-1\n" }, newInputs: { stdin } };
    await hook({ urn: "", id: "", name: "", type: "", ...inputs });
    expect(said).toHaveLength(times);
    if (times > 0) expect(said[0]).toMatch(/^house_sync: it may not run twice.*70 s at most/);
  });
});

describe("a connection in parts", () => {
  test("is plain variables and one secret", () => {
    const { env, secrets } = task(program.find(service, "house_app")).containerSpec;
    expect(env).toEqual({
      ...{ PORT: "3000", APP_URL: "https://house.staging.togather.example" },
      ...{ DB_HOST: "house_postgres", DB_PORT: "5432", DB_USER: "house", DB_NAME: "house" },
      ...{ DB_SSL_MODE: "verify-full", DB_SSL_ROOTCERT: "/run/secrets/DATABASE_AUTHORITY" },
    });
    expect(secrets.map(({ fileName }) => fileName)).toEqual(["DB_PASSWORD", "DATABASE_AUTHORITY", "API_KEY"]);
  });

  test("cannot be set as plain variables", async () => {
    const { error } = await runHouse({
      app: { environment: { DB_HOST: "elsewhere", DB_PASSWORD: "x", API_KEY: "x", PORT: "1" } },
    });
    const remove = (name: string) => `Remove it: npx pulumi config rm --path house:app.environment.${name}`;
    for (const problem of [
      `house:app.environment.DB_HOST: is set by Berth. ${remove("DB_HOST")}`,
      `house:app.environment.DB_PASSWORD: is a secret that Berth makes. ${remove("DB_PASSWORD")}`,
      `house:app.environment.API_KEY: is the secret house:apiKey. ${remove("API_KEY")}`,
      `house:app.environment.PORT: follows house:app.port, which is what to set. ${remove("PORT")}`,
    ]) {
      expect(String(error)).toContain(problem);
    }
  });
});

describe("TLS to a database", () => {
  const secretOf = (name: string) => {
    const { data } = program.find("docker:index/secret:Secret", name).inputs as { data: { value: string } };
    return Buffer.from(data.value, "base64").toString();
  };

  test("is the server's name and authority, said in the URL, where a client says nothing else", () => {
    expect(urlQuery(verifyFull)).toBe("sslmode=verify-full&sslrootcert=/run/secrets/DATABASE_AUTHORITY");
    const { stdin } = program.find(command, "house_app-migration").inputs;
    expect(stdin).toContain("?sslmode=$PGSSLMODE&sslrootcert=$PGSSLROOTCERT");
    expect(stdin).toContain('"PGSSLMODE":"verify-full"');
  });

  test("to a server outside Berth is told in the words of the client's driver, with its operator's authority", () => {
    expect(secretOf("house_worker-archive-url")).toBe(
      "postgresql://house:canary%3Aarchive%2Fpassword@db.archive.example:5432/archive?ssl=true",
    );
    expect(secretOf("house_worker-database-authority")).toBe(pem);
    const specifications = program.registrations.filter(({ type }) => type === service);
    expect(JSON.stringify(specifications.map(({ inputs }) => inputs))).not.toContain("canary");
  });

  const acknowledge = "npx pulumi config set --path house:worker.databaseTls require";
  const gap =
    "its image encrypts the connection to the database and does not check who answers (require), so whoever answers in the server's place gets the password and the data";
  const cases: [what: string, more: Readonly<Record<string, unknown>>, says: string][] = [
    [
      "a client that checks nothing, without an acknowledgement",
      { worker: { databaseTls: undefined } },
      `house:worker.databaseTls: missing; ${gap}. Have the image check it and say verify-full in stacks/house.ts, or acknowledge it: ${acknowledge}`,
    ],
    [
      "an acknowledgement of another mode",
      { worker: { databaseTls: "verify-ca" } },
      `house:worker.databaseTls: "verify-ca" is not its mode; ${gap}.`,
    ],
    [
      "no TLS at all",
      { worker: { databaseTls: "disable" } },
      'house:worker.databaseTls: "disable" is invalid; use one of: require, verify-ca',
    ],
    [
      "an acknowledgement that nothing needs",
      { app: { databaseTls: "require" } },
      'house:app.databaseTls: "require" acknowledges what is not so: its image verifies the database\'s server in full. Remove it: npx pulumi config rm --path house:app.databaseTls',
    ],
    [
      "a variable that Berth sets",
      { app: { environment: { DB_SSL_MODE: "disable" } } },
      "house:app.environment.DB_SSL_MODE: is set by Berth.",
    ],
    [
      "a server outside Berth that is named by a URL, with a file for its authority",
      { archive: { host: "postgres://db.archive.example", authorityPem: "/etc/ssl/ca.pem" } },
      'house:archive.host: "postgres://db.archive.example" is not a domain; ',
    ],
  ];
  test.each(cases)("is refused of %s", async (_what, more, says) => {
    const { error, registrations } = await runHouse(more);
    expect(String(error)).toContain(says);
    expect(registrations.filter(({ custom }) => custom)).toEqual([]);
  });
});

describe("several databases", () => {
  const parametersOf = (name: string) => String(program.find(command, name).inputs.stdin);

  test("each release uses its own, on its own server", () => {
    for (const step of ["snapshot", "migration", "probe"]) {
      expect(parametersOf(`house_app-${step}`)).toContain(
        "DATABASE=house\nPOSTGRES_SERVICE=house_postgres\n",
      );
      expect(parametersOf(`house_sync-${step}`)).toContain(
        "DATABASE=events\nPOSTGRES_SERVICE=house_search\n",
      );
    }
    expect(parametersOf("house_sync-migration")).toContain("MIGRATIONS=house:syncMigrations\n");
  });

  test("the operator's commands find both in the state, and require a choice", () => {
    const state = deployment(
      ["house_app-snapshot", "house_app-migration", "house_sync-snapshot", "house_sync-migration"].map(
        (name) => resource(command, name, { id: name, inputs: { stdin: parametersOf(name) } }),
      ),
    );
    expect(databases(state).map(({ server, name }) => `${server}/${name}`)).toEqual([
      "house_postgres/house",
      "house_search/events",
    ]);
    expect(oneDatabase(state, "house", "events").parameters).toContain("MIGRATIONS=house:syncMigrations\n");
    expect(() => oneDatabase(state, "house", undefined)).toThrow("house has several databases; say which");
  });

  test("the other server has its parameters, its user and its folder", () => {
    const { args, env, secrets, mounts } = task(program.find(service, "house_search")).containerSpec;
    expect(args).toEqual(expect.arrayContaining(["wal_level=logical", "shared_buffers=96MB"]));
    expect(args).not.toContain("shared_buffers=64MB");
    expect(env.PGDATA).toBe("/var/lib/postgresql/pgdata");
    expect(secrets).toContainEqual(expect.objectContaining({ fileName: "tls-key", fileUid: "70" }));
    expect(mounts).toContainEqual({
      type: "bind",
      source: "/mnt/data/house/search",
      target: "/var/lib/postgresql",
    });
    const role = program.find("postgresql:index/role:Role", "house_events-role");
    expect(role.inputs.replication).toBe(true);
    expect(program.find("postgresql:index/role:Role", "house_database-role").inputs).not.toHaveProperty(
      "replication",
    );
  });
});

describe("Redis", () => {
  test("keeps its data, within half of its memory, and its password is nowhere in clear text", () => {
    const redis = program.find(service, "house_redis");
    expect(redis.protect).toBe(true);
    const { args, secrets, mounts, healthcheck } = task(redis).containerSpec;
    expect(args).toEqual(
      ["/run/secrets/redis.conf", "--appendonly", "yes", "--maxmemory", "64mb"].concat(
        "--maxmemory-policy",
        "volatile-lru",
      ),
    );
    expect(mounts).toEqual([{ type: "bind", source: "/mnt/data/house/redis", target: "/data" }]);
    expect(secrets).toEqual([
      expect.objectContaining({ fileName: "redis.conf", fileUid: "999", fileMode: 0o400 }),
    ]);
    expect(healthcheck.tests[0]).toBe("CMD-SHELL");
    expect(program.find(service, "house_sync").dependsOn).toContain("house_redis-ready");
  });

  test("a policy that Redis does not know is refused", async () => {
    const { error } = await runHouse({ redis: { policy: "lru", maxmemoryPercent: 95 } });
    expect(String(error)).toMatch(
      /house:redis\.maxmemoryPercent: 95 is too large; use 90 or less\n.*house:redis\.policy: "lru" is invalid; use one of: noeviction, allkeys-lru/,
    );
  });
});

test("the acknowledgement for a service that is released with another names the other's version", async () => {
  const { error } = await runHouse({ worker: { releaseAgain: "v0.9.0" } });
  expect(String(error)).toContain(
    'house:worker.releaseAgain: "v0.9.0" is not the version that is deployed, v1.0.0; it acknowledges one version only. Remove it: npx pulumi config rm --path house:worker.releaseAgain',
  );
});

test("a rate per minute is enforced by the edge", () => {
  expect(program.find(command, "house_app-switch").inputs.stdin).toContain("rate=200r/m");
});
