import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createCloud, type RunningCloud } from "../../lab/cloud/index.ts";
import { ensureDocker, ensureNetwork, removeNetwork, run } from "../../lab/docker/index.ts";
import { networkAddress } from "../../lab/docker/names.ts";
import type { OuterDocker } from "../../lab/docker/outer-docker.ts";
import { createMachines } from "../../lab/machine/index.ts";
import type { Machines } from "../../lab/machine/types.ts";
import { dockerPackage } from "../../lab/pulumi/providers/docker/index.ts";
import { hcloudPackage } from "../../lab/pulumi/providers/hcloud/index.ts";
import type { LabProvider, Properties } from "../../lab/pulumi/providers/provider.ts";
import { ownHome } from "./own-lab.ts";
import { until } from "./until.ts";

const home = ownHome("providers-docker");
const token = "c".repeat(64);
const canary = "canary-4f1d8c2b7a6e5d90";

let docker: OuterDocker;
let machines: Machines;
let cloud: RunningCloud;
let hcloud: LabProvider;
let provider: LabProvider;
let folder: string;
let server: Made;
let sshOptions: string[];
let seeds = 0;

interface Made {
  readonly type: string;
  readonly name: string;
  readonly id: string;
  readonly inputs: Properties;
  readonly outputs: Properties;
}

const ref = (type: string, name: string) => ({ urn: `urn:pulumi:test::lab::${type}::${name}`, type, name });

async function make(by: LabProvider, type: string, name: string, args: Properties): Promise<Made> {
  const seed = Buffer.from((++seeds).toString(16).padStart(8, "0"), "hex").reverse();
  const { inputs, failures } = await by.check(ref(type, name), args, undefined, seed);
  expect(failures).toEqual([]);
  return { type, name, inputs, ...(await by.create(ref(type, name), inputs, 120)) };
}

async function diff(made: Made, args: Properties) {
  const { inputs } = await provider.check(ref(made.type, made.name), args, made.inputs, Buffer.alloc(8));
  const result = await provider.diff(ref(made.type, made.name), made.id, made.inputs, made.outputs, inputs);
  return { inputs, ...result };
}

const remove = (made: Made) =>
  provider.delete(ref(made.type, made.name), made.id, made.inputs, made.outputs, 120);

/** Right after it was made, and after a refresh. */
async function expectStable(made: Made, args: Properties): Promise<void> {
  expect((await diff(made, args)).changes).toEqual([]);
  const read = await provider.read(ref(made.type, made.name), made.id, made.inputs, made.outputs);
  expect((await diff({ ...made, outputs: read?.outputs ?? {} }, args)).changes).toEqual([]);
}

const address = () => String(server.outputs.ipv4Address);

async function ssh(command: string): Promise<string> {
  return run("ssh", [...sshOptions, `root@${address()}`, command]);
}

const service = "docker:index/service:Service";
const network = "docker:index/network:Network";
const secret = "docker:index/secret:Secret";
const config = "docker:index/serviceConfig:ServiceConfig";

beforeAll(async () => {
  docker = await ensureDocker(home, () => {});
  await ensureNetwork(docker, home);
  machines = createMachines(docker, home, () => {});
  folder = await mkdtemp(join(tmpdir(), "providers-docker-"));
  await run("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-f", join(folder, "user")]);
  await run("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-C", "", "-f", join(folder, "host")]);
  const file = async (name: string) => (await readFile(join(folder, name), "utf8")).trim();
  const indented = (await file("host")).replaceAll("\n", "\n    ");
  cloud = await createCloud({
    machines,
    home,
    stateFile: join(folder, "cloud.json"),
    token,
    listen: { host: "127.0.0.1", port: 0 },
  });
  hcloud = hcloudPackage.create();
  await hcloud.configure({ token, endpoint: cloud.url, pollInterval: "100ms" });
  const key = await make(hcloud, "hcloud:index/sshKey:SshKey", "key", { publicKey: await file("user.pub") });
  server = await make(hcloud, "hcloud:index/server:Server", "swarm", {
    serverType: "cx23",
    image: "debian-13",
    location: "nbg1",
    sshKeys: [key.id],
    userData: [
      "#cloud-config",
      "ssh_keys:",
      `  ed25519_public: ${await file("host.pub")}`,
      `  ed25519_private: |\n    ${indented}`,
      "",
    ].join("\n"),
  });
  const pinned = `/bin/echo swarm ${await file("host.pub")}`;
  sshOptions = [
    `HostKeyAlias=swarm`,
    `KnownHostsCommand=${pinned}`,
    "UserKnownHostsFile=/dev/null",
    "StrictHostKeyChecking=yes",
    "BatchMode=yes",
    "ConnectTimeout=5",
    `IdentityFile=${join(folder, "user")}`,
    "ControlMaster=auto",
    `ControlPath=${join(folder, "%C")}`,
    "ControlPersist=20s",
  ].flatMap((option) => ["-o", option]);
  await until(
    "Docker is up",
    60,
    async () => (await ssh("systemctl start docker && docker info --format up")) === "up",
  );
  await ssh(`docker swarm init --advertise-addr ${address()}`);
  // An image of the machine's own shell: nothing has to be pulled.
  await ssh(
    "tar -C / -c bin sbin lib lib64 usr/bin/dash usr/bin/sh usr/bin/sleep usr/bin/cat usr/lib64 usr/lib/x86_64-linux-gnu/libc.so.6 usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2 | docker import - shell:1 >&2",
  );
  provider = dockerPackage.create();
  await provider.configure({
    host: `ssh://root@${address()}`,
    sshOpts: JSON.stringify(sshOptions),
  });
});

afterAll(async () => {
  await run("ssh", [...sshOptions, "-O", "exit", `root@${address()}`]).catch(() => {});
  await hcloud.delete(
    ref("hcloud:index/server:Server", "swarm"),
    server.id,
    server.inputs,
    server.outputs,
    120,
  );
  await cloud.close();
  await removeNetwork(docker, home);
  await rm(folder, { recursive: true });
});

async function makeStack() {
  const net = await make(provider, network, "system", { driver: "overlay", attachable: false });
  const value = await make(provider, secret, "token", { data: Buffer.from(canary).toString("base64") });
  const shim = await make(provider, config, "shim", { dataRaw: "exec cat /run/secrets/token\n" });
  const args: Properties = {
    labels: [{ label: "berth.system", value: "test" }],
    mode: { replicated: { replicas: 1 } },
    endpointSpec: { mode: "dnsrr" },
    taskSpec: {
      containerSpec: {
        image: "shell:1",
        commands: ["/bin/sh", "-c", 'trap "exit 0" TERM; while :; do sleep 0.1; done'],
        env: { LOG: "a=b", MODE: "test" },
        labels: [{ label: "berth.system", value: "test" }],
        secrets: [{ secretId: value.id, secretName: value.inputs.name ?? null, fileName: "token" }],
        configs: [{ configId: shim.id, configName: shim.inputs.name ?? null, fileName: "/berth/shim" }],
        sysctl: { "net.ipv4.ip_unprivileged_port_start": "0" },
        mounts: [{ type: "tmpfs", target: "/scratch", tmpfsOptions: { sizeBytes: 1048576 } }],
        healthcheck: { tests: ["CMD", "/bin/sh", "-c", ":"], interval: "1s", timeout: "5s", retries: 3 },
      },
      resources: { limits: { memoryBytes: 67108864 } },
      restartPolicy: { condition: "any", delay: "2s", maxAttempts: 0, window: "0s" },
      networksAdvanceds: [{ id: net.id, aliases: ["app"] }],
    },
  };
  return { net, value, shim, args };
}

const replicas = (id: string, count: number) =>
  until(`${count} tasks run, and no other`, 60, async () => {
    const tasks = await ssh(
      `docker service ps ${id} --filter desired-state=running --format '{{.CurrentState}}'`,
    );
    const states = tasks.split("\n");
    return states.length === count && states.every((state) => state.startsWith("Running"));
  });

describe("a stack on a Swarm over SSH", () => {
  test("is made, stable, scaled in place, replaced by its task, and removed", async () => {
    const { net, value, shim, args } = await makeStack();
    const slot = await make(provider, service, "test_app", args);
    expect(slot.outputs.name).toMatch(/^test_app-[0-9a-f]{7}$/);
    await replicas(slot.id, 1);
    await expectStable(slot, args);
    await expectStable(net, { driver: "overlay", attachable: false });
    await expectStable(shim, { dataRaw: "exec cat /run/secrets/token\n" });
    await expectStable(value, { data: Buffer.from(canary).toString("base64") });
    const container = await ssh("docker ps --quiet --filter name=test_app");
    expect(await ssh(`docker exec ${container} /bin/sh /berth/shim`)).toBe(canary);
    expect(await ssh(`docker service inspect ${slot.id}`)).not.toContain(canary);

    const scaled = await diff(slot, { ...args, mode: { replicated: { replicas: 2 } } });
    expect(scaled).toMatchObject({ changes: ["mode"], replaces: [], deleteBeforeReplace: false });
    await provider.update(ref(service, slot.name), slot.id, slot.inputs, slot.outputs, scaled.inputs, 60);
    await replicas(slot.id, 2);
    // As with the real plugin, the environment's other order restarts the task that was there.
    await until("the first task's container has ended", 60, async () => {
      return !(await ssh("docker ps --quiet --filter name=test_app")).includes(container);
    });
    await replicas(slot.id, 2);

    const task = args.taskSpec as Properties;
    const other = { ...args, taskSpec: { ...task, networksAdvanceds: [{ id: "other" }] } };
    expect(await diff(slot, other)).toMatchObject({ changes: ["taskSpec"], replaces: ["taskSpec"] });
    expect(await diff(slot, { ...args, name: "fixed" })).toMatchObject({
      replaces: ["name"],
      deleteBeforeReplace: true,
    });

    await expect(remove(value)).rejects.toThrow(
      /^DELETE \/secrets\/\w+: .*is in use by the following service: test_app-/,
    );
    await remove(slot);
    await remove(slot);
    expect(await provider.read(ref(service, slot.name), slot.id, slot.inputs, slot.outputs)).toBeUndefined();
    await remove(value);
    await remove(shim);
    await remove(net);
    expect(await ssh("docker service ls --quiet; docker secret ls --quiet; docker config ls --quiet")).toBe(
      "",
    );
  });

  test("the provider's traps are kept: overlay options and long durations never settle", async () => {
    const optionArgs = { driver: "overlay", options: { "com.docker.network.driver.mtu": "1450" } };
    const net = await make(provider, network, "mtu", optionArgs);
    expect((await diff(net, optionArgs)).replaces).toEqual(["options"]);
    await remove(net);
    const args = (stopGracePeriod: string): Properties => ({
      mode: { replicated: { replicas: 1 } },
      taskSpec: { containerSpec: { image: "shell:1", commands: ["/bin/sleep", "600"], stopGracePeriod } },
    });
    const slot = await make(provider, service, "grace", args("60s"));
    expect((await diff(slot, args("60s"))).changes).toEqual(["taskSpec"]);
    expect((await diff(slot, args("1m"))).changes).toEqual([]);
    await remove({ ...slot, outputs: {} });
  });

  test.each([
    [undefined, "killed"],
    ["8s", "drained"],
  ])("with the grace period %s a slow process is %s", async (stopGracePeriod, end) => {
    const trap = `trap "sleep 3; echo drained > /out/${end}; exit 0" TERM; : > /out/${end}-ready; while :; do sleep 0.1; done`;
    const args: Properties = {
      mode: { replicated: { replicas: 1 } },
      taskSpec: {
        containerSpec: {
          image: "shell:1",
          commands: ["/bin/sh", "-c", trap],
          mounts: [{ type: "bind", source: "/tmp", target: "/out" }],
          ...(stopGracePeriod ? { stopGracePeriod } : {}),
        },
      },
    };
    const slot = await make(provider, service, end, args);
    await replicas(slot.id, 1);
    await until("the trap is set", 20, () => ssh(`test -e /tmp/${end}-ready && echo set`));
    await remove(slot);
    await until(
      "its container is gone",
      60,
      async () => (await ssh(`docker ps --quiet --filter name=${end}`)) === "",
    );
    // Left out it is sent as 0, as the real provider does: SIGKILL follows SIGTERM at once.
    expect(await ssh(`cat /tmp/${end} 2>/dev/null || echo killed`)).toBe(end);
  });

  test.each([
    // What the provider waits for after the grace period, and what it then says although the service is gone.
    [false, /context deadline exceeded|did not|still/],
    [true, undefined],
  ])("a process without a handler for SIGTERM, init: %s", async (init, failure) => {
    const args: Properties = {
      mode: { replicated: { replicas: 1 } },
      taskSpec: {
        containerSpec: { image: "shell:1", commands: ["/bin/sleep", "600"], stopGracePeriod: "8s", init },
      },
    };
    const slot = await make(provider, service, `init-${init}`, args);
    await until(
      "it runs",
      30,
      async () => (await ssh(`docker ps --quiet --filter name=init-${init}`)) !== "",
    );
    const began = performance.now();
    const removal = remove(slot);
    await (failure === undefined ? removal : expect(removal).rejects.toThrow(failure));
    const seconds = (performance.now() - began) / 1000;
    process.stdout.write(`removed after ${seconds.toFixed(1)} s with init: ${init}\n`);
    if (init) expect(seconds).toBeLessThan(7);
  });

  test("convergeConfig waits, and deletes what does not come up", async () => {
    const args = (commands: string[], timeout: string): Properties => ({
      mode: { replicated: { replicas: 1 } },
      convergeConfig: { delay: "1s", timeout },
      taskSpec: {
        containerSpec: { image: "shell:1", commands },
        restartPolicy: { condition: "none" },
      },
    });
    const good = await make(provider, service, "good", args(["/bin/sleep", "600"], "60s"));
    await remove(good);
    // A program that is not there never runs; one that ends at once does, and a look at that moment finds it.
    await expect(make(provider, service, "bad", args(["/no/such/program"], "6s"))).rejects.toThrow(
      /^Service with ID \(\w+\) did not converge after 6s$/,
    );
    expect(await ssh("docker service ls --quiet")).toBe("");
  });

  test("a wrong host key and a dead host fail with what ssh says", async () => {
    const wrong = dockerPackage.create();
    await wrong.configure({
      host: `ssh://root@${address()}`,
      sshOpts: [
        "-o",
        "StrictHostKeyChecking=yes",
        "-o",
        "UserKnownHostsFile=/dev/null",
        "-o",
        "BatchMode=yes",
      ],
    });
    const attempt = () => wrong.create(ref(secret, "s"), { name: "s", data: "YQ==" }, 30);
    await expect(attempt()).rejects.toThrow(
      /POST \/secrets\/create: cannot reach Docker at ssh:\/\/root@.*Host key verification failed/s,
    );
    const dead = networkAddress(home, 99);
    await wrong.configure({
      host: `ssh://root@${dead}`,
      sshOpts: ["-o", "ConnectTimeout=1", "-o", "BatchMode=yes"],
    });
    await expect(attempt()).rejects.toThrow(new RegExp(`${dead}.*(timed out|No route to host)`, "s"));
  });
});
