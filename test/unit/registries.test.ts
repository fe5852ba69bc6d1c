import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { loginServer, passwordKey, passwordWarnings, registryOf } from "../../components/host/registries.ts";
import { imageNeeds, migrationNeeds } from "../../components/release/image-contract.ts";
import { ConfigError, parseConfig } from "../../config.ts";
import type { StateResource } from "../../ops/deployment.ts";
import { logInToRegistries } from "../../ops/registry-login.ts";
import { policies } from "../../policy/configuration.ts";
import { systems } from "../../stacks/index.ts";
import { completeConfig } from "../program/committed-config.ts";
import { deployment, resource } from "./ops-fixtures.ts";

const { values, secretKeys: all } = completeConfig("production");
const secretKeys = all.filter((key) => !key.startsWith("berth:registryPassword."));
const password = "canary-registry-password";
const ghcr = {
  "berth:registries": '{"ghcr.io":{"user":"deploy"}}',
  "berth:registryPassword.ghcr.io": password,
};

function parse(change: Readonly<Record<string, string>>, secret: readonly string[], now = new Date()) {
  const isSecret = (key: string) => secretKeys.includes(key) || secret.includes(key);
  return parseConfig(
    { stack: "production", values: { ...values, ...change }, isSecret, now },
    systems,
    policies,
  );
}
function problems(
  change: Readonly<Record<string, string>>,
  secret: readonly string[] = [],
): readonly string[] {
  try {
    parse(change, secret);
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
  return [];
}

describe("a registry's password", () => {
  const key = "berth:registryPassword.ghcr.io";
  const set = `Set it: cat password.txt | npx pulumi config set --secret ${key} --stack production`;

  test("is accepted when it is encrypted", () => {
    expect(parse(ghcr, [key]).registries).toEqual({ "ghcr.io": { user: "deploy" } });
  });

  test("is refused when unencrypted, without being printed", () => {
    expect(problems(ghcr)).toEqual([`${key}: is stored unencrypted. ${set}`]);
  });

  test.each(["", "two\nlines", "tab\t"])("is refused as %j, without being printed", (value) => {
    expect(problems({ ...ghcr, [key]: value }, [key])).toEqual([
      `${key}: [secret] is empty or has characters that are not printable ASCII. ${set}`,
    ]);
  });

  test("is reported as missing together with other problems", () => {
    const change = { "berth:registries": ghcr["berth:registries"], "berth:environment": "prod" };
    expect(problems(change).map((problem) => problem.split(": ")[0])).toEqual(["berth:environment", key]);
  });

  test("is refused for a registry that no image comes from", () => {
    const change = {
      "berth:registries": '{"quay.io":{"user":"deploy"}}',
      "berth:registryPassword.quay.io": password,
    };
    expect(problems(change, ["berth:registryPassword.quay.io"])).toEqual([
      `berth:registries.quay.io: no image of berth:images comes from it; use one of: docker.io, ghcr.io. Remove it: npx pulumi config rm --path 'berth:registries["quay.io"]' --stack production`,
    ]);
  });

  // Pulumi's keys have one colon: "<namespace>:<name>".
  test("has a key of its own for each address, with one colon once it has its namespace", () => {
    const address = fc.stringMatching(/^[a-z0-9][a-z0-9.-]{0,20}(:[1-9][0-9]{0,4})?$/);
    fc.assert(
      fc.property(address, address, (one, other) => {
        expect(passwordKey(one)).not.toContain(":");
        expect(passwordKey(one) === passwordKey(other)).toBe(one === other);
      }),
    );
  });

  test.each([
    ["2026-02-16", undefined],
    ["2026-02-15", "expires on 2026-02-15, in 14 days"],
    ["2026-02-02", "expires on 2026-02-02, in 1 day."],
    ["2026-02-01", "expires on 2026-02-01, today"],
    ["2026-01-31", "expired on 2026-01-31, and ghcr.io may refuse the next pull"],
  ])("whose last day is %s: on 1 February the preview says %j", (day, says) => {
    const now = new Date("2026-02-01T15:00:00Z");
    const warnings = passwordWarnings(
      { "ghcr.io": { user: "deploy", passwordExpires: day } },
      { stack: "production", now },
    );
    if (says === undefined) expect(warnings).toEqual([]);
    else {
      expect(warnings[0]).toContain(`berth:registries.ghcr.io.passwordExpires: the password ${says}`);
      expect(warnings[0]).toContain(
        "cat password.txt | npx pulumi config set --secret berth:registryPassword.ghcr.io --stack production",
      );
    }
    const change = {
      ...ghcr,
      "berth:registries": `{"ghcr.io":{"user":"deploy","passwordExpires":"${day}"}}`,
    };
    expect(parse(change, [key], now).warnings.filter((one) => one.includes("registries"))).toEqual(warnings);
  });
});

describe("the registry of an image", () => {
  test.each([
    ["ghcr.io/owner/name@sha256:abc", "ghcr.io", "ghcr.io"],
    ["registry.example.org:5000/name:v1", "registry.example.org:5000", "registry.example.org:5000"],
    ["docker.io/library/nginx:1.28.3", "docker.io", "https://index.docker.io/v1/"],
  ])("%s", (reference, address, server) => {
    expect(registryOf(reference)).toBe(address);
    expect(loginServer(address)).toBe(server);
  });
});

describe("ops registry-login", () => {
  const state = (...resources: StateResource[]) => JSON.stringify(deployment(resources));
  const shown = (password?: string) =>
    JSON.stringify({
      "berth:registries": { value: ghcr["berth:registries"], objectValue: {}, secret: false },
      ...(password === undefined
        ? {}
        : { "berth:registryPassword.ghcr.io": { value: password, secret: true } }),
    });

  test("passes each password on standard input", async () => {
    const calls: unknown[] = [];
    const addresses = await logInToRegistries("production", async (command, args, { input }) => {
      calls.push([command, args.join(" "), input]);
      return args[0] === "stack" ? state() : shown(password);
    });
    expect(addresses).toEqual(["ghcr.io"]);
    expect(calls).toEqual([
      ["pulumi", "config --show-secrets --json --stack production --non-interactive", undefined],
      ["pulumi", "stack export --show-secrets --stack production --non-interactive", undefined],
      ["docker", "login --username deploy --password-stdin ghcr.io", password],
    ]);
  });

  test("knows the registry that the stack serves itself, by the password of the last run", async () => {
    const calls: unknown[] = [];
    const registry = [
      resource("berth:data:Registry", "registry_server"),
      resource("random:index/randomPassword:RandomPassword", "registry_server-password", {
        outputs: {
          result: { "4dabf18193072939515e22adb298388d": "1b47", plaintext: JSON.stringify(password) },
        },
      }),
      resource("pulumi:pulumi:Stack", "berth-production", {
        outputs: { systems: { registry: { domain: "registry.togather.example" } } },
      }),
    ];
    const addresses = await logInToRegistries("production", async (command, args, { input }) => {
      if (command === "docker") calls.push([args.join(" "), input]);
      return args[0] === "stack" ? state(...registry) : "{}";
    });
    expect(addresses).toEqual(["registry.togather.example"]);
    expect(calls).toEqual([["login --username berth --password-stdin registry.togather.example", password]]);
  });

  test("does nothing without a registry, and reports a missing password", async () => {
    const nothing = async (_: string, args: readonly string[]) => (args[0] === "stack" ? state() : "{}");
    expect(await logInToRegistries("production", nothing)).toEqual([]);
    await expect(logInToRegistries("production", async () => shown())).rejects.toThrow(
      "Pulumi.production.yaml: berth:registryPassword.ghcr.io: missing",
    );
  });
});

describe("the requirements of a service for its image", () => {
  const image = (version: string) => ({
    name: "unit/app",
    version,
    reference: `r/app:${version}`,
    allowRoot: false,
  });
  const elsewhere = {
    ...{ kind: "command" as const, name: "river", command: ["river", "up"], upToDate: ["river-check"] },
    ...{ environment: {}, serviceVariables: false, secrets: [], shell: true, writes: [] },
  };
  const names = (change: Partial<Parameters<typeof imageNeeds>[0]>) =>
    imageNeeds({ command: ["/app/server"], secretsAs: "files", healthcheck: ["NONE"], ...change }).map(
      ({ kind, name }) => `${kind} ${name}`,
    );
  test.each([
    [{}, ["program /app/server"]],
    [{ secretsAs: "variables" as const }, ["program /app/server", "program /bin/sh", "program cat"]],
    [{ healthcheck: ["CMD", "curl", "-f"] }, ["program /app/server", "program curl"]],
    [{ healthcheck: ["CMD-SHELL", "curl -f"] }, ["program /app/server", "program /bin/sh"]],
    [
      { steps: [{ kind: "golang-migrate" as const, folder: "/m", command: ["migrate"] }] },
      ["program /app/server", "program /bin/sh", "program cat", "program migrate", "folder /m"],
    ],
    [{ steps: [{ ...elsewhere, image: image("v1") }] }, ["program /app/server"]],
  ])("%j", (change, expected) => expect(names(change)).toEqual(expected));

  test("and those of its migrations", () => {
    const needs = migrationNeeds([{ ...elsewhere, image: image("v1") }]);
    expect(needs.map(({ name }) => name)).toEqual(["/bin/sh", "cat", "river", "river-check"]);
  });
});
