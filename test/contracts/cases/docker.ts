import { type PropertyMap, Secret } from "../../../lab/pulumi/engine/values.ts";
import type { ContractCase, TypeCases } from "../format.ts";

const docker = (type: string, cases: readonly ContractCase[], varies: readonly string[] = []): TypeCases => ({
  plugin: "docker",
  type: `docker:index/${type.charAt(0).toLowerCase()}${type.slice(1)}:${type}`,
  varies,
  cases,
});

const labels = [
  { label: "berth.resource", value: "togather" },
  { label: "berth.system", value: "togather" },
];
const otherLabels = [{ label: "berth.resource", value: "other" }];
const base64 = (text: string) => Buffer.from(text).toString("base64");

export const network = docker(
  "Network",
  [
    {
      name: "of a system",
      inputs: () => ({
        driver: "overlay",
        attachable: false,
        internal: true,
        options: { "com.docker.network.driver.mtu": "1450" },
        labels,
      }),
      changes: {
        "other labels": (inputs) => ({ ...inputs, labels: otherLabels }),
        "labels in another order": (inputs) => ({ ...inputs, labels: [...labels].reverse() }),
        "open to the outside": (inputs) => ({ ...inputs, internal: false }),
        attachable: (inputs) => ({ ...inputs, attachable: true }),
        "other options": (inputs) => ({ ...inputs, options: { "com.docker.network.driver.mtu": "1400" } }),
        "no options": ({ options, ...inputs }) => inputs,
        "a name": (inputs) => ({ ...inputs, name: "own" }),
        "another driver": (inputs) => ({ ...inputs, driver: "bridge" }),
      },
    },
    {
      name: "under a name of its own",
      inputs: () => ({ name: "own", driver: "overlay" }),
      changes: { "another name": (inputs) => ({ ...inputs, name: "other" }) },
    },
    { name: "with labels that are a map", inputs: () => ({ driver: "overlay", labels: { a: "b" } }) },
    { name: "with an input that does not exist", inputs: () => ({ driver: "overlay", mtu: 1450 }) },
  ],
  ["subnet", "gateway", "com.docker.network.driver.overlay.vxlanid_list"],
);

export const secret = docker("Secret", [
  {
    name: "of a system",
    inputs: () => ({ data: new Secret(base64("canary-0f8d2b")), labels }),
    changes: {
      "another value": (inputs) => ({ ...inputs, data: new Secret(base64("canary-1a9e3c")) }),
      "other labels": (inputs) => ({ ...inputs, labels: otherLabels }),
      "a name": (inputs) => ({ ...inputs, name: "own" }),
    },
  },
  {
    name: "under a name of its own",
    inputs: () => ({ name: "own-secret", data: base64("value") }),
    changes: { "another value": (inputs) => ({ ...inputs, data: base64("other") }) },
  },
  { name: "without a value", inputs: () => ({ labels }) },
  { name: "that is not base64", inputs: () => ({ data: "not base64!" }) },
]);

export const serviceConfig = docker("ServiceConfig", [
  {
    name: "of a system",
    inputs: () => ({ data: base64("#!/bin/sh\n"), labels }),
    changes: {
      "another text": (inputs) => ({ ...inputs, data: base64("#!/bin/bash\n") }),
      "other labels": (inputs) => ({ ...inputs, labels: otherLabels }),
      "a name": (inputs) => ({ ...inputs, name: "own" }),
    },
  },
  { name: "in plain letters", inputs: () => ({ dataRaw: "text" }) },
  { name: "without a text", inputs: () => ({ labels }) },
  { name: "that is not base64", inputs: () => ({ data: "not base64!" }) },
]);

const object = (value: unknown) => value as PropertyMap;

/** The inputs with the task's container changed. */
const container = (inputs: PropertyMap, change: PropertyMap) => {
  const task = object(inputs.taskSpec);
  return { ...inputs, taskSpec: { ...task, containerSpec: { ...object(task.containerSpec), ...change } } };
};
const task = (inputs: PropertyMap, change: PropertyMap) => ({
  ...inputs,
  taskSpec: { ...object(inputs.taskSpec), ...change },
});

const image = `registry.berth.example/app@sha256:${"1".repeat(64)}`;
const mebibyte = 1024 * 1024;
const restartPolicy = { condition: "any", delay: "2s", maxAttempts: 0, window: "0s" };

/** As `components/release/slot.ts` writes it; nothing can pull the image, so no task ever runs. */
const slot: ContractCase = {
  name: "a slot",
  inputs: ({ network = "", secretId = "", secretName = "", configId = "", configName = "" }) => ({
    labels,
    mode: { replicated: { replicas: 1 } },
    updateConfig: { order: "start-first", parallelism: 1, failureAction: "pause" },
    endpointSpec: { mode: "dnsrr" },
    taskSpec: {
      containerSpec: {
        image,
        commands: ["/berth/shim", "server"],
        env: { APP_ENV: "production", PORT: "8080" },
        init: true,
        sysctl: { "net.ipv4.ip_unprivileged_port_start": "0" },
        stopGracePeriod: "30s",
        labels,
        secrets: [{ secretId, secretName, fileName: "database_url" }],
        configs: [{ configId, configName, fileName: "/berth/shim" }],
        healthcheck: {
          tests: ["CMD", "wget", "-q", "http://127.0.0.1:8080/health"],
          interval: "2s",
          timeout: "5s",
          retries: 3,
          startPeriod: "1m10s",
        },
      },
      resources: { limits: { memoryBytes: 512 * mebibyte } },
      restartPolicy,
      networksAdvanceds: [{ id: network }],
    },
  }),
  changes: {
    "another image": (inputs) => container(inputs, { image: image.replaceAll("1", "2") }),
    "another environment": (inputs) => container(inputs, { env: { APP_ENV: "production", PORT: "8081" } }),
    "another secret": (inputs) =>
      container(inputs, { secrets: [{ secretId: "other", secretName: "other", fileName: "database_url" }] }),
    "no config": (inputs) => container(inputs, { configs: [] }),
    "another command": (inputs) => container(inputs, { commands: ["server"] }),
    "other labels of the task": (inputs) => container(inputs, { labels: otherLabels }),
    "another grace": (inputs) => container(inputs, { stopGracePeriod: "1m" }),
    "no grace named": (inputs) => container(inputs, { stopGracePeriod: null }),
    "a grace in other units": (inputs) => container(inputs, { stopGracePeriod: "0m30s" }),
    "no init": (inputs) => container(inputs, { init: null }),
    "another sysctl": (inputs) => container(inputs, { sysctl: { "net.core.somaxconn": "1024" } }),
    "no sysctl": (inputs) => container(inputs, { sysctl: null }),
    "an empty sysctl": (inputs) => container(inputs, { sysctl: {} }),
    "no environment": (inputs) => container(inputs, { env: {} }),
    "no health check": (inputs) => container(inputs, { healthcheck: null }),
    "another limit": (inputs) => task(inputs, { resources: { limits: { memoryBytes: 768 * mebibyte } } }),
    "no limit": (inputs) => task(inputs, { resources: null }),
    "another restart policy": (inputs) => task(inputs, { restartPolicy: { ...restartPolicy, delay: "3s" } }),
    "another network": (inputs) => task(inputs, { networksAdvanceds: [{ id: "another" }] }),
    "an alias": (inputs) => {
      const [attachment] = object(inputs.taskSpec).networksAdvanceds as readonly PropertyMap[];
      return task(inputs, { networksAdvanceds: [{ ...attachment, aliases: ["app"] }] });
    },
    "two replicas": (inputs) => ({ ...inputs, mode: { replicated: { replicas: 2 } } }),
    "no replica": (inputs) => ({ ...inputs, mode: { replicated: { replicas: 0 } } }),
    "no mode": ({ mode, ...inputs }) => inputs,
    "no update configuration": ({ updateConfig, ...inputs }) => inputs,
    "a label": (inputs) => ({ ...inputs, labels: [...labels, { label: "berth.retain", value: "true" }] }),
    "labels in another order": (inputs) => ({ ...inputs, labels: [...labels].reverse() }),
    "no labels": ({ labels, ...inputs }) => inputs,
    "a virtual address": (inputs) => ({ ...inputs, endpointSpec: { mode: "vip" } }),
    "no endpoint": ({ endpointSpec, ...inputs }) => inputs,
    "another update order": (inputs) => ({ ...inputs, updateConfig: { order: "stop-first" } }),
    "a name": (inputs) => ({ ...inputs, name: "own" }),
    "no task": ({ taskSpec, ...inputs }) => inputs,
  },
  carriedOut: ["two replicas", "a label"],
};

/** Not as the program writes it: with this, scaling would replace a slot. */
const slotWithoutSysctl: ContractCase = {
  name: "a slot without a sysctl",
  inputs: (things) => container(slot.inputs(things), { sysctl: null }),
  changes: {
    "two replicas": (inputs) => ({ ...inputs, mode: { replicated: { replicas: 2 } } }),
    "a label": (inputs) => ({ ...inputs, labels: [...labels, { label: "berth.retain", value: "true" }] }),
    "another image": (inputs) => container(inputs, { image: image.replaceAll("1", "2") }),
    "an empty sysctl": (inputs) => container(inputs, { sysctl: {} }),
    "labels in another order": (inputs) => ({ ...inputs, labels: [...labels].reverse() }),
  },
  carriedOut: ["two replicas", "a label"],
};

const port = (number: number) => ({
  publishedPort: number,
  targetPort: number,
  protocol: "tcp",
  publishMode: "host",
});
const bind = (source: string, target: string) => ({ type: "bind", source, target, readOnly: true });

const sharedMemory = (mode: number) => ({
  type: "tmpfs",
  target: "/dev/shm",
  tmpfsOptions: { sizeBytes: 64 * mebibyte, mode },
});
const mounts: readonly PropertyMap[] = [
  bind("/srv/edge", "/etc/nginx/berth"),
  { type: "bind", source: "/srv/data", target: "/data" },
  sharedMemory(0o777),
];

/** As `components/edge/nginx` and `components/data/postgres.ts` write theirs. */
const kept: ContractCase = {
  name: "a service that stays",
  inputs: ({ network = "", secretId = "", secretName = "" }) => ({
    labels,
    mode: { replicated: { replicas: 1 } },
    updateConfig: { order: "stop-first", parallelism: 1, failureAction: "pause" },
    endpointSpec: { mode: "dnsrr", ports: [port(50080), port(50443)] },
    taskSpec: {
      containerSpec: {
        image,
        args: ["-c", "ssl=on"],
        labels,
        stopGracePeriod: "1m",
        mounts,
        secrets: [
          { secretId, secretName, fileName: "tls-key", fileUid: "999", fileGid: "999", fileMode: 0o400 },
        ],
      },
      resources: { limits: { memoryBytes: 256 * mebibyte } },
      restartPolicy,
      networksAdvanceds: [{ id: network, aliases: ["postgres"] }],
    },
  }),
  changes: {
    "one port": (inputs) => ({ ...inputs, endpointSpec: { mode: "dnsrr", ports: [port(50443)] } }),
    "another port": (inputs) => ({
      ...inputs,
      endpointSpec: { mode: "dnsrr", ports: [port(50080), port(50444)] },
    }),
    "ports in another order": (inputs) => ({
      ...inputs,
      endpointSpec: { mode: "dnsrr", ports: [port(50443), port(50080)] },
    }),
    "an ingress port": (inputs) => ({
      ...inputs,
      endpointSpec: { mode: "dnsrr", ports: [{ ...port(50080), publishMode: "ingress" }, port(50443)] },
    }),
    "one mount": (inputs) => container(inputs, { mounts: [bind("/srv/edge", "/etc/nginx/berth")] }),
    "another mount": (inputs) => container(inputs, { mounts: [bind("/srv/other", "/etc/nginx/berth")] }),
    "other arguments": (inputs) => container(inputs, { args: ["-c", "ssl=off"] }),
    "another alias": (inputs) => {
      const [attachment] = object(inputs.taskSpec).networksAdvanceds as readonly PropertyMap[];
      return task(inputs, { networksAdvanceds: [{ ...attachment, aliases: ["other"] }] });
    },
    "another mode of a secret": (inputs) => {
      const spec = object(object(inputs.taskSpec).containerSpec);
      const [file] = spec.secrets as readonly PropertyMap[];
      return container(inputs, { secrets: [{ ...file, fileMode: 0o440 }] });
    },
    "another reaction to a failure": (inputs) => ({
      ...inputs,
      updateConfig: { order: "stop-first", parallelism: 1, failureAction: "rollback" },
    }),
    "no update configuration": ({ updateConfig, ...inputs }) => inputs,
  },
  carriedOut: ["other arguments"],
};

const plain = { taskSpec: { containerSpec: { image } } };

/** Not as the program writes it: with this, Postgres would be updated after a refresh. */
const stickyMount: ContractCase = {
  name: "a service with a sticky bit",
  inputs: () =>
    task(container(plain, { mounts: [sharedMemory(0o1777)], args: ["-c", "ssl=on"] }), { restartPolicy }),
  changes: { "other arguments": (inputs) => container(inputs, { args: ["-c", "ssl=off"] }) },
  carriedOut: ["other arguments"],
};

export const service = docker("Service", [
  slot,
  slotWithoutSysctl,
  kept,
  stickyMount,
  {
    name: "under a name of its own",
    inputs: () => ({ name: "own-service", ...plain }),
    changes: {
      "another name": (inputs) => ({ ...inputs, name: "other-service" }),
      "one replica named": (inputs) => ({ ...inputs, mode: { replicated: { replicas: 1 } } }),
      "on every node": (inputs) => ({ ...inputs, mode: { global: true } }),
    },
  },
  { name: "without an image", inputs: () => ({ taskSpec: { containerSpec: {} } }) },
  { name: "without a task", inputs: () => ({ labels }) },
  { name: "with a wrong duration", inputs: () => container(plain, { stopGracePeriod: "soon" }) },
  { name: "with a wrong order", inputs: () => ({ ...plain, updateConfig: { order: "first" } }) },
  {
    name: "with a wrong mount",
    inputs: () => container(plain, { mounts: [{ type: "disk", target: "/data" }] }),
  },
  { name: "with an input that does not exist", inputs: () => container(plain, { memory: 1 }) },
  {
    name: "on a network that does not exist",
    inputs: () => task(plain, { networksAdvanceds: [{ id: "no-such-network" }] }),
  },
]);
