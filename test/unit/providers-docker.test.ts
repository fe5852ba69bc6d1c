import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { dockerPackage } from "../../lab/pulumi/providers/docker/index.ts";
import { compare, complete, durationText, nanoseconds } from "../../lab/pulumi/providers/docker/schema.ts";
import { reordered } from "../../lab/pulumi/providers/docker/service.ts";
import { serviceSchema } from "../../lab/pulumi/providers/docker/service-schema.ts";
import { serviceSpec } from "../../lab/pulumi/providers/docker/service-spec.ts";
import { serviceState } from "../../lab/pulumi/providers/docker/service-state.ts";
import { type Properties, unknownValue } from "../../lab/pulumi/providers/provider.ts";

const seed = Buffer.from("a1b2c3d4", "hex");
const type = "docker:index/service:Service";
const ref = { urn: `urn:pulumi:test::unit::${type}::app`, type, name: "app" };

const args: Properties = {
  mode: { replicated: { replicas: 1 } },
  endpointSpec: {
    mode: "dnsrr",
    ports: [{ targetPort: 443, publishedPort: 443, publishMode: "host", protocol: "tcp" }],
  },
  labels: [{ label: "a", value: "b" }],
  updateConfig: { order: "stop-first", parallelism: 1, failureAction: "pause" },
  taskSpec: {
    containerSpec: {
      image: "registry.berth.lab:5000/app@sha256:1",
      commands: ["/app"],
      env: { A: "1", B: "x=y" },
      sysctl: { "net.ipv4.ip_unprivileged_port_start": "0" },
      labels: [
        { label: "two", value: "2" },
        { label: "one", value: "1" },
      ],
      stopGracePeriod: "1m",
      mounts: [{ type: "bind", source: "/srv", target: "/data", readOnly: true }],
      secrets: [{ secretId: "s1", secretName: "token", fileName: "token" }],
      healthcheck: {
        tests: ["CMD", "true"],
        interval: "2s",
        timeout: "1m30s",
        retries: 3,
        startPeriod: "500ms",
      },
    },
    resources: { limits: { memoryBytes: 1048576 } },
    restartPolicy: { condition: "any", delay: "2s", maxAttempts: 0, window: "0s" },
    networksAdvanceds: [{ id: "n1", aliases: ["app"] }],
  },
};

/** The state of a service that was created with these arguments. */
function stateOf(inputs: Properties): Properties {
  const Spec = serviceSpec(complete(serviceSchema, inputs) as Properties);
  return serviceState({ ID: "1", Version: { Index: 1 }, Spec }, inputs);
}

async function diff(state: Properties, news: Properties) {
  const provider = dockerPackage.create();
  const { inputs, failures } = await provider.check(ref, news, undefined, seed);
  expect(failures).toEqual([]);
  return provider.diff(ref, "1", {}, { ...state, name: inputs.name }, inputs);
}

function changed(path: string, value: unknown): Properties {
  const copy = structuredClone(args) as Record<string, unknown>;
  const keys = path.split(".");
  const last = keys.pop() ?? "";
  const parent = keys.reduce((object, key) => object[key] as Record<string, unknown>, copy);
  parent[last] = value;
  return copy as Properties;
}

test("a created service has no diff, in any order of sets", async () => {
  expect((await diff(stateOf(args), args)).changes).toEqual([]);
  const labels = [
    { label: "one", value: "1" },
    { label: "two", value: "2" },
  ];
  expect((await diff(stateOf(args), changed("taskSpec.containerSpec.labels", labels))).changes).toEqual([]);
});

test.each<[string, unknown, string]>([
  ["mode.replicated.replicas", 2, "mode"],
  ["taskSpec.containerSpec.image", "app@sha256:2", "taskSpec"],
  ["taskSpec.containerSpec.env", { A: "2" }, "taskSpec"],
  ["taskSpec.containerSpec.secrets", [], "taskSpec"],
  ["taskSpec.containerSpec.secrets", unknownValue, "taskSpec"],
  ["taskSpec.containerSpec.stopGracePeriod", "60s", "taskSpec"],
  // The real plugin 5.2.0 updates in place for an added mount.
  ["taskSpec.containerSpec.mounts", [], "taskSpec"],
  [
    "taskSpec.containerSpec.mounts",
    [
      { type: "bind", source: "/srv", target: "/data", readOnly: true },
      { type: "tmpfs", target: "/dev/shm", tmpfsOptions: { sizeBytes: 1048576, mode: 0o1777 } },
    ],
    "taskSpec",
  ],
  ["taskSpec.resources.limits.memoryBytes", 2, "taskSpec"],
  ["endpointSpec.ports", [], "endpointSpec"],
  ["updateConfig.order", "start-first", "updateConfig"],
  ["labels", [{ label: "a", value: "c" }], "labels"],
])("%s = %j is an update in place", async (path, value, property) => {
  expect(await diff(stateOf(args), changed(path, value))).toMatchObject({
    changes: [property],
    replaces: [],
    deleteBeforeReplace: false,
  });
});

test.each<[string, unknown, string]>([
  ["taskSpec.networksAdvanceds", [{ id: "n2", aliases: ["app"] }], "taskSpec"],
  ["taskSpec.networksAdvanceds", [{ id: unknownValue, aliases: ["app"] }], "taskSpec"],
  ["taskSpec.networksAdvanceds", [{ name: "n1", aliases: ["app"] }], "taskSpec"],
  ["taskSpec.containerSpec.hosts", [{ ip: "198.18.0.1", host: "db" }], "taskSpec"],
  ["taskSpec.containerSpec.labels", [{ label: "one", value: "2" }], "taskSpec"],
  [
    "taskSpec.containerSpec.mounts",
    [{ type: "volume", target: "/data", volumeOptions: { labels: [{ label: "one", value: "2" }] } }],
    "taskSpec",
  ],
  ["taskSpec.containerSpec.sysctl", { "net.core.somaxconn": "1" }, "taskSpec"],
  ["auth", { serverAddress: "registry.berth.lab:5000", username: "u", password: "p" }, "auth"],
])("%s = %j replaces", async (path, value, property) => {
  expect(await diff(stateOf(args), changed(path, value))).toMatchObject({
    changes: [property],
    replaces: [property],
    deleteBeforeReplace: false,
  });
});

describe("the task's maps that are left out", () => {
  test.each([
    ["sysctl", ["name", "taskSpec"]],
    ["env", ["name"]],
  ])("are in the diff as soon as anything changes: %s", async (map, replaces) => {
    const without = (news: Properties): Properties => {
      const task = news.taskSpec as Properties;
      return {
        ...news,
        taskSpec: { ...task, containerSpec: { ...(task.containerSpec as Properties), [map]: null } },
      };
    };
    const made = { ...stateOf(without(args)), name: "other" };
    const provider = dockerPackage.create();
    const about = async (news: Properties) => provider.diff(ref, "1", {}, made, without(news));
    expect((await about({ ...args, name: "other" })).changes).toEqual([]);
    expect(await about({ ...args, name: "other", mode: { replicated: { replicas: 2 } } })).toMatchObject({
      changes: ["mode", "taskSpec"],
      replaces: [],
    });
    expect((await about({ ...args, name: "app" })).replaces).toEqual(replaces);
  });
});

test("an update sends the environment in another order each time, and nothing else", () => {
  const wanted = ["A=1", "B=2", "C=3"];
  expect(reordered(wanted, wanted)).toEqual(["B=2", "C=3", "A=1"]);
  expect(reordered(wanted, ["B=2", "C=3", "A=1"])).toEqual(wanted);
  expect(reordered(["A=1"], ["A=1"])).toEqual(["A=1"]);
  expect(reordered([], [])).toEqual([]);
});

test("computed inputs that are left out keep the existing value", async () => {
  const { endpointSpec: _ports, labels: _labels, mode: _mode, ...rest } = args;
  expect((await diff(stateOf(args), rest)).changes).toEqual([]);
});

test("a resource with an explicit name is deleted before its replacement is created", async () => {
  expect(await diff(stateOf(args), { ...args, name: "app" })).toMatchObject({ deleteBeforeReplace: true });
});

describe("check", () => {
  test.each<[Properties, string, string]>([
    [{}, "taskSpec", "is required"],
    [
      changed("taskSpec.containerSpec.cpuset", "1"),
      "taskSpec.containerSpec.cpuset",
      "is not supported by the lab",
    ],
    [
      changed("taskSpec.containerSpec.stopGracePeriod", "soon"),
      "taskSpec.containerSpec.stopGracePeriod",
      "must be a duration",
    ],
    [changed("mode.replicated.replicas", -1), "mode.replicated.replicas", "must be at least 0"],
    [changed("endpointSpec.mode", "mesh"), "endpointSpec.mode", "must match"],
    [changed("taskSpec.containerSpec.env", { A: 1 }), "taskSpec.containerSpec.env", "must be a map of texts"],
  ])("%#: %s is refused by its path", async (news, property, reason) => {
    const { failures } = await dockerPackage.create().check(ref, news, undefined, seed);
    expect(failures).toEqual([{ property, reason: expect.stringContaining(reason) }]);
  });

  test("a secret that is not base64 is refused without printing it", async () => {
    const secret = "docker:index/secret:Secret";
    const { failures, inputs } = await dockerPackage
      .create()
      .check({ ...ref, type: secret }, { data: "canary-2f6b!" }, undefined, seed);
    expect(failures).toEqual([{ property: "data", reason: "is not base64 encoded" }]);
    expect(inputs.name).toBe("app-a1b2c3d");
  });

  test.each(["container:Container", "volume:Volume", "remoteImage:RemoteImage"])(
    "%s is refused by name",
    async (name) => {
      const other = `docker:index/${name}`;
      await expect(
        dockerPackage.create().check({ ...ref, type: other }, {}, undefined, seed),
      ).rejects.toThrow(`${other} is not supported by the lab`);
    },
  );
});

describe("durations", () => {
  test.each([
    ["60s", "1m"],
    ["90s", "1m30s"],
    ["3600s", "1h"],
    ["1500ms", "1.5s"],
    ["500ms", "500ms"],
    ["0", "0s"],
    ["", "0s"],
  ])("%j is written %s", (text, written) => {
    expect(durationText(nanoseconds(text))).toBe(written);
  });

  test("a formatted duration is parsed to the same value", () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 1e9 }), (milliseconds) => {
        expect(nanoseconds(durationText(milliseconds * 1e6))).toBe(milliseconds * 1e6);
      }),
    );
  });
});

test("a value with its defaults filled in has no diff to itself", () => {
  const inputs = complete(serviceSchema, args);
  expect(compare(serviceSchema, inputs, inputs)).toBe("same");
});
