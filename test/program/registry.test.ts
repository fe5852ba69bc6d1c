import { beforeAll, describe, expect, test } from "vitest";
import { completeConfig, type ProgramRun, runProgram } from "./support.ts";

/** A registry beside Togather, whose images come from it. */

const service = "docker:index/service:Service";
const command = "command:local:Command";
const password = "random:index/randomPassword:RandomPassword";
const domain = "registry.togather.example";
const committed = completeConfig("production").values;
const json = (key: string) => JSON.parse(committed[key] ?? "{}");

function configuration(more: Readonly<Record<string, string>> = {}) {
  const digests = { "2.8.3": `sha256:${"a".repeat(64)}` };
  const images = json("berth:images");
  return {
    "berth:systems": JSON.stringify({
      // Placed first, and built after the registry all the same.
      ...json("berth:systems"),
      registry: { host: "main", domain, edgeNetwork: 2 },
    }),
    "berth:images": JSON.stringify({
      ...images,
      registry: { repository: "docker.io/library/registry", digests },
      "togather/app": { ...images["togather/app"], repository: `${domain}/togather` },
    }),
    "registry:server": JSON.stringify({ version: "2.8.3" }),
    ...more,
  };
}

let program: ProgramRun;
beforeAll(async () => {
  program = await runProgram("production", configuration());
  expect(program.error).toBeUndefined();
});

describe("a registry", () => {
  test("consists of these", () => {
    const children = program.registrations.filter(({ parent }) => parent === "registry_server");
    expect(children.map(({ name }) => name).toSorted()).toEqual([
      "registry_server",
      "registry_server-collection",
      "registry_server-configuration",
      "registry_server-folders",
      "registry_server-password",
      "registry_server-pull",
      "registry_server-ready",
      "registry_server-routes",
      "registry_server-users",
    ]);
  });

  test("keeps its data, and its password is in no specification", () => {
    const registry = program.find(service, "registry_server");
    expect(registry.protect).toBe(true);
    const { containerSpec, networksAdvanceds } = registry.inputs.taskSpec as {
      containerSpec: Record<string, unknown>;
      networksAdvanceds: { id: string }[];
    };
    expect(containerSpec).toMatchObject({
      args: ["/berth/registry.yml"],
      env: { OTEL_TRACES_EXPORTER: "none" },
      secrets: [],
      mounts: [
        { type: "bind", source: "/mnt/data/registry/server", target: "/var/lib/registry" },
        {
          type: "bind",
          source: "/var/lib/berth/registries/registry_server",
          target: "/etc/berth",
          readOnly: true,
        },
      ],
    });
    expect(networksAdvanceds).toEqual([{ id: "edge-2_id", aliases: ["registry_server"] }]);
    expect(registry.dependsOn).toContain("registry_server-users");
  });

  test("takes layers of gigabytes without collecting them first", () => {
    const { stdin } = program.find(command, "registry_server-routes").inputs;
    const locations = String(stdin);
    expect(locations).toMatch(
      /location \/v2\/ \{\n {2}limit_req zone=registry_server_0 burst=500 nodelay;\n {2}limit_req_status 429;\n {2}proxy_buffering off;\n {2}proxy_request_buffering off;\n {2}client_max_body_size 4096m;/,
    );
    expect(locations).toContain("location = / {");
  });

  test("is logged in to before anything is pulled from it", () => {
    const login = program.find(command, "main-registry-registry.togather.example");
    expect(login.dependsOn).toEqual(
      expect.arrayContaining(["registry_server-routes", "registry_server-users"]),
    );
    expect(JSON.stringify(login.inputs.stdin)).toContain("4dabf18193072939515e22adb298388d");
    expect(program.find(command, "togather_app-pull").dependsOn).toContain(login.name);
    expect(program.find(command, "registry_server-pull").dependsOn).not.toContain(login.name);
  });

  test("a new password changes neither its service nor what is pulled", async () => {
    const next = await runProgram(
      "production",
      configuration({ "registry:server": JSON.stringify({ version: "2.8.3", passwordGeneration: 2 }) }),
    );
    const changed = next.registrations.filter(
      ({ type, name, inputs }) =>
        JSON.stringify(inputs) !== JSON.stringify(program.find(type, name).inputs) &&
        !type.startsWith("pulumi:"),
    );
    // The hash and the password themselves follow the generated one, which mocks do not make.
    expect(changed.map(({ name }) => name)).toEqual(["registry_server-password"]);
    expect(next.find(password, "registry_server-password").inputs.keepers).toEqual({ generation: "2" });
  });
});

describe("what is refused", () => {
  test("a login of one's own for it, and images that it needs itself", async () => {
    const images = JSON.parse(configuration()["berth:images"]);
    const { error } = await runProgram(
      "production",
      configuration({
        "berth:images": JSON.stringify({
          ...images,
          nginx: { ...images.nginx, repository: `${domain}/nginx` },
        }),
        "berth:registries": JSON.stringify({ [domain]: { user: "me" } }),
        [`berth:registryPassword.${domain}`]: "canary-of-a-registry",
      }),
      [`berth:registryPassword.${domain}`],
    );
    expect(String(error)).toContain(
      `berth:registries.${domain}: is the domain of the system registry, whose login Berth makes itself. Remove it: npx pulumi config rm --path 'berth:registries["${domain}"]' --stack production`,
    );
    expect(String(error)).toContain(
      `berth:images.nginx.repository: "${domain}/nginx" is in the registry of the system registry, which cannot start without it; use a repository elsewhere, as in docker.io/library/nginx`,
    );
    expect(String(error)).not.toContain("canary-of-a-registry");
  });

  test.each([
    ["keepVersions", 0, "registry:server.keepVersions: 0 is too small; use 1 or more"],
    ["layerMebibytes", 8, "registry:server.layerMebibytes: 8 is too small; use 16 or more"],
    ["passwordGeneration", 0, "registry:server.passwordGeneration: 0 is too small; count up from 1"],
    ["readOnly", true, "registry:server.readOnly: unknown key"],
  ])("%s: %j", async (key, value, says) => {
    const server = JSON.stringify({ version: "2.8.3", [key]: value });
    const { error } = await runProgram("production", configuration({ "registry:server": server }));
    expect(String(error)).toContain(says);
  });
});
