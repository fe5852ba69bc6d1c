import { beforeAll, describe, expect, test } from "vitest";
import { completeConfig } from "./committed-config.ts";
import { type ProgramRun, runProgram } from "./support.ts";

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
      // Placed first, but built after the registry.
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
      /location \/v2\/ \{\n {2}limit_req zone=registry_server_0_64 burst=500 nodelay;\n {2}limit_req_status 429;\n {2}proxy_buffering off;\n {2}proxy_request_buffering off;\n {2}client_max_body_size 4096m;/,
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
    // Hash and password are derived from the generated password, which mocks do not generate.
    expect(changed.map(({ name }) => name)).toEqual(["registry_server-password"]);
    expect(next.find(password, "registry_server-password").inputs.keepers).toEqual({ generation: "2" });
  });
});

describe("invalid configurations", () => {
  test("a separate login for it, and images that it needs itself", async () => {
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

test("an authority that no machine trusts is given as a certificate", async () => {
  const { error } = await runProgram(
    "production",
    configuration({ "berth:tls": JSON.stringify({ ...json("berth:tls"), issuerPem: "/etc/ssl/root.pem" }) }),
  );
  expect(String(error)).toContain(
    'berth:tls.issuerPem: "/etc/ssl/root.pem" is not a PEM certificate; cat the file that holds the chain',
  );
});

describe("a build", () => {
  const builds = (build: object) => ({ "berth:builds": JSON.stringify({ togather: build }) });
  const good = { host: "main", image: "togather/app", setting: "togather:app" };

  test("is a repository of its host, which is logged in to where the image is pushed", async () => {
    const { error, find } = await runProgram(
      "production",
      configuration(builds({ ...good, arguments: { VITE_API_URL: "https://api.example.org" } })),
    );
    expect(error).toBeUndefined();
    const build = find(command, "main-build-togather");
    expect(build.dependsOn).toContain("main-registry-registry.togather.example");
    const stdin = String(build.inputs.stdin);
    expect(stdin).toContain("DIRECTORY=/mnt/data/git/togather.git\n");
    expect(stdin).toContain(`REPOSITORY=${domain}/togather\n`);
    expect(stdin).toContain("ARGUMENTS=VITE_API_URL=https://api.example.org\n");
    // The hook reads its input itself.
    expect(stdin).toContain('main "$@"');
  });

  test("may push elsewhere than where the image is by now", async () => {
    const images = JSON.parse(configuration()["berth:images"]);
    const { error, find } = await runProgram(
      "production",
      configuration({
        ...builds({ ...good, repository: `${domain}/togather` }),
        "berth:images": JSON.stringify({ ...images, "togather/app": json("berth:images")["togather/app"] }),
      }),
    );
    expect(error).toBeUndefined();
    expect(find(command, "main-build-togather").inputs.stdin).toContain(`REPOSITORY=${domain}/togather\n`);
  });

  const path = "berth:builds.togather";
  test.each([
    ["host", { ...good, host: "other" }, `${path}.host: no host "other" in berth:hosts; use one of: main`],
    ["image", { ...good, image: "x" }, `${path}.image: no image "x" in berth:images; use one of: `],
    [
      "login",
      { ...good, image: "nginx", setting: "mfa:app" },
      `${path}.image: "nginx" is in docker.io, where the host cannot push: there is no login in berth:registries. Set it: npx pulumi config set --path 'berth:registries["docker.io"].user' USER --stack production`,
    ],
    [
      "login of another repository",
      { ...good, repository: "ghcr.io/togather/app" },
      `${path}.repository: "ghcr.io/togather/app" is in ghcr.io, where the host cannot push: there is no login in berth:registries. Set it: npx pulumi config set --path 'berth:registries["ghcr.io"].user' USER --stack production`,
    ],
    [
      "repository with a tag",
      { ...good, repository: `${domain}/togather:v1` },
      `${path}.repository: "${domain}/togather:v1" is not an image repository; use host/name in lower case, without a tag`,
    ],
    [
      "service",
      { ...good, setting: "togather:api" },
      `${path}.setting: "togather:api" is no service of togather`,
    ],
    [
      "other image",
      { ...good, setting: "togather:postgres" },
      `${path}.setting: "togather:postgres" takes its image from togather/postgres, not from togather/app`,
    ],
    [
      "setting",
      { ...good, setting: "app" },
      `${path}.setting: "app" is not a setting with a version; use one as in mfa:app`,
    ],
    [
      "path outside",
      { ...good, dockerfile: "../Dockerfile" },
      `${path}.dockerfile: "../Dockerfile" is not a path inside the repository; use a relative one without .., as in apps/backend/Dockerfile`,
    ],
    [
      "branch",
      { ...good, branch: "-x" },
      `${path}.branch: "-x" is not the name of a branch; use one as in main`,
    ],
    ["memory", { ...good, memoryMebibytes: 64 }, `${path}.memoryMebibytes: 64 is too small; use 256 or more`],
    ["unknown", { ...good, cache: true }, `${path}.cache: unknown key`],
    [
      "secret",
      { ...good, arguments: { API_TOKEN: "canary-of-a-build" } },
      `${path}.arguments.API_TOKEN: is a credential by its name, and a build argument stands in clear in this file and in the image. Remove it: npx pulumi config rm --path ${path}.arguments.API_TOKEN`,
    ],
    [
      "URL",
      { ...good, arguments: { VITE_API_URL: "api.example.org" } },
      `${path}.arguments.VITE_API_URL: "api.example.org" is not a URL; use one as in https://api.example.org, or an empty one for the page's own`,
    ],
    [
      "own",
      { ...good, arguments: { VERSION: "1" } },
      `${path}.arguments.VERSION: is set by Berth. Remove it: npx pulumi config rm --path ${path}.arguments.VERSION`,
    ],
  ])("%s: is refused", async (_what, build, says) => {
    const { error } = await runProgram("production", configuration(builds(build)));
    expect(String(error)).toContain(says);
    expect(String(error)).not.toContain("canary-of-a-build");
  });
});
