import { execFile } from "node:child_process";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:https";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  bridgeName,
  type ClientNamespace,
  clientNamespace,
  ensureDocker,
  ensureNetwork,
  removeNetwork,
  run,
} from "../../lab/docker/index.ts";
import { networkAddress } from "../../lab/docker/names.ts";
import type { OuterDocker } from "../../lab/docker/outer-docker.ts";
import { ensureAuthority, issueCertificate } from "../../lab/images/index.ts";
import { createMachines, ensureMachineImage } from "../../lab/machine/index.ts";
import type { Machines } from "../../lab/machine/types.ts";
import { ownHome } from "./own-lab.ts";
import { until } from "./until.ts";

const home = ownHome("machine");
const address = networkAddress(home, 10);
const serverId = 11;
const volumeId = 7;
const volumePath = `/dev/disk/by-id/scsi-0HC_Volume_${volumeId}`;
const secretMark = "a-mark-that-only-user-data-holds";

let docker: OuterDocker;
let machines: Machines;
let keys: string;
let before: string[];
const clients: ClientNamespace[] = [];

/** A lab has one authority; this test's goes with it, and one that a killed run left goes first. */
async function forgetAuthority(): Promise<void> {
  for (const file of ["ca.crt", "ca.key"]) await rm(join(home.stateDir, file), { force: true });
}

/** Everything of this lab that a machine could leave behind on the host. */
async function traces(): Promise<string[]> {
  const label = ["--filter", `label=berth.lab=${home.name}`, "--format"];
  const engine = ["-H", `unix://${docker.socketPath}`];
  const found = await Promise.all([
    run("docker", [...engine, "ps", "--all", ...label, "container {{.Names}}"]),
    run("docker", [...engine, "network", "ls", ...label, "network {{.Name}}"]),
    run("docker", [...engine, "volume", "ls", ...label, "volume {{.Name}}"]),
    run("losetup", ["--noheadings", "--output", "BACK-FILE", "--list"]),
    readFile("/proc/self/mountinfo", "utf8"),
    run("ip", ["-brief", "link"]),
    run("ip", ["netns", "list"]),
    run("iptables-save", []),
    readdir(home.stateDir, { recursive: true }).then((files) =>
      files.map((file) => `${home.stateDir}/${file}`).join("\n"),
    ),
  ]);
  return found
    .flatMap((text) => text.split("\n"))
    .filter((line) => line.includes(home.name) || line.includes(bridgeName(home)))
    .sort();
}

/** Ends of cables on this machine: of the lab's bridge, or all. */
async function cables(master: readonly string[] = []): Promise<string[]> {
  const links: unknown = JSON.parse(await run("ip", ["-json", "link", "show", ...master, "type", "veth"]));
  return (links as { ifname?: string }[]).map((link) => link.ifname ?? "").filter((name) => name !== "");
}

async function ssh(command: string, user = "root"): Promise<string> {
  const options = ["StrictHostKeyChecking=yes", `UserKnownHostsFile=${keys}/known_hosts`, "BatchMode=yes"];
  const args = options.flatMap((option) => ["-o", option]);
  return run("ssh", [...args, "-o", "ConnectTimeout=5", "-i", `${keys}/user`, `${user}@${address}`, command]);
}

/** Whether a TCP connection from this machine opens. */
async function opens(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host: address, port, timeout: 700 });
    const end = (answer: boolean) => {
      socket.destroy();
      resolve(answer);
    };
    socket.once("connect", () => end(true));
    socket.once("error", () => end(false));
    socket.once("timeout", () => end(false));
  });
}

async function clientOpens(client: ClientNamespace, port: number): Promise<boolean> {
  const probe = client.exec("bash", ["-c", `timeout 0.7 bash -c '</dev/tcp/${address}/${port}'`], {
    stdio: "ignore",
  });
  return new Promise((resolve) => probe.once("close", (code) => resolve(code === 0)));
}

function userData(hostKey: string, hostKeyPublic: string, userKey: string): string {
  const settings = {
    ssh_deletekeys: true,
    ssh_keys: { ed25519_private: hostKey, ed25519_public: hostKeyPublic },
    users: [{ name: "deploy", groups: "docker", shell: "/bin/bash", ssh_authorized_keys: [userKey] }],
    package_update: true,
    packages: ["docker.io", "fail2ban"],
    write_files: [
      { path: "/root/mark", content: secretMark },
      { path: "/etc/fail2ban/jail.local", content: "[sshd]\nbackend = systemd\nenabled = true\n" },
    ],
    mounts: [[volumePath, "/data", "ext4", "discard,nofail,defaults", "0", "0"]],
    runcmd: [["docker", "swarm", "init", "--advertise-addr", address]],
  };
  return `#cloud-config\n${JSON.stringify(settings)}\n`;
}

beforeAll(async () => {
  docker = await ensureDocker(home, () => undefined);
  machines = createMachines(docker, home, () => undefined);
  await ensureMachineImage(docker, home, "debian-13", () => undefined);
  // What an interrupted run has left.
  await machines.remove(serverId);
  await machines.removeVolume(volumeId);
  await forgetAuthority();
  before = await traces();
  keys = await mkdtemp(join(tmpdir(), "berth-machine-"));
  for (const name of ["host", "user"]) {
    await run("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-C", name, "-f", `${keys}/${name}`]);
  }
  await ensureAuthority(home);
  await ensureNetwork(docker, home);
}, 600_000);

afterAll(async () => {
  for (const client of clients) await client.close();
  await machines.remove(serverId);
  await machines.removeVolume(volumeId);
  await removeNetwork(docker, home);
  await rm(keys, { recursive: true, force: true });
  await forgetAuthority();
});

// Two seconds a step on an idle machine, ten times that on one that builds images meanwhile.
describe.sequential("a machine", { timeout: 180_000 }, () => {
  test("boots with its firewall and volume in place; sshd answers", async () => {
    const [hostKey, hostPublic, userPublic] = await Promise.all(
      ["host", "host.pub", "user.pub"].map((file) => readFile(join(keys, file), "utf8")),
    );
    await writeFile(join(keys, "known_hosts"), `${address} ${hostPublic}`);
    await machines.createVolume(volumeId, 2, "ext4");
    await machines.attachVolume(volumeId, serverId);
    const started = performance.now();
    await machines.boot({
      image: "debian-13",
      name: "web-1",
      serverId,
      address,
      userData: userData(hostKey ?? "", (hostPublic ?? "").trim(), (userPublic ?? "").trim()),
      sshKeys: [(userPublic ?? "").trim()],
      labels: { role: "web" },
    });
    await until("sshd", 40, () => opens(22));
    console.log(`boot to sshd: ${((performance.now() - started) / 1000).toFixed(1)} s`);
    expect(await machines.list()).toEqual([{ name: "web-1", serverId, address, running: true }]);
  });

  test("runs the user data: its host key is the pinned one, Swarm is up, no unit failed", async () => {
    expect(await ssh("cloud-init status --wait; cat /root/mark; hostname")).toContain(`${secretMark}web-1`);
    expect(await ssh("docker info --format '{{.Swarm.LocalNodeState}} {{.Driver}}'", "deploy")).toBe(
      "active overlay2",
    );
    await until("systemd", 60, async () => (await ssh("systemctl is-system-running || true")) === "running");
    expect(await ssh("fail2ban-client status sshd")).toContain("Journal matches");
  });

  test("has the volume as a block device with Hetzner's name, mounted as the user data says", async () => {
    expect(await ssh(`lsblk --noheadings --bytes --output SIZE ${volumePath}`)).toContain(
      String(2 * 1024 ** 3),
    );
    expect(await ssh("findmnt --noheadings --output FSTYPE /data")).toBe("ext4");
    await ssh("echo kept > /data/file; sync");
  });

  test("runs containers, which reach the metadata service until a rule of the machine forbids it", async () => {
    const metadata = "curl -fsS -m 2 http://169.254.169.254/hetzner/v1";
    expect(await ssh(`${metadata}/metadata/instance-id`)).toBe(String(serverId));
    expect(await ssh(`${metadata}/metadata/hostname`)).toBe("web-1");
    expect(await ssh(`${metadata}/userdata`)).toContain(secretMark);
    await ssh("tar -C / -c bin sbin lib lib64 | docker import - probe");
    const inContainer = `docker run --rm -v /usr:/usr:ro probe ${metadata}/metadata/instance-id`;
    expect(await ssh(inContainer)).toBe(String(serverId));
    await ssh("iptables -I DOCKER-USER -d 169.254.169.254 -j DROP");
    await expect(ssh(inContainer)).rejects.toThrow("timed out");
    expect(await ssh(`${metadata}/metadata/hostname`)).toBe("web-1");
  });

  test("trusts the lab's authority, for Docker too, and finds the lab's registry by name", async () => {
    const { privateKeyPem: key, certificatePem: cert } = await issueCertificate(home, ["registry.berth.lab"]);
    const registry = createServer({ key, cert }, (_, response) =>
      response.writeHead(404).end("no such image"),
    );
    await new Promise<void>((resolve) => registry.listen(5000, home.gateway, resolve));
    try {
      expect(await ssh("curl -sS https://registry.berth.lab:5000/")).toBe("no such image");
      await expect(ssh("docker pull registry.berth.lab:5000/thing")).rejects.toThrow(
        /not found|no such image/,
      );
    } finally {
      registry.closeAllConnections();
      registry.close();
    }
  });

  test("lets in what its firewall allows, by source address, published ports of containers included", async () => {
    const [first, second] = await Promise.all([clientNamespace(home, 0), clientNamespace(home, 1)]);
    clients.push(first, second);
    await ssh("docker run -d --name listener -p 8080:80 -v /usr:/usr:ro probe nc.openbsd -lk -p 80");
    await until("the listener", 20, () => opens(8080));
    expect(await clientOpens(first, 8080)).toBe(true);
    await machines.setFirewall(serverId, [
      { direction: "in", protocol: "tcp", port: "22", ips: [`${home.gateway}/32`] },
      { direction: "in", protocol: "tcp", port: "8000-8100", ips: [`${first.address}/32`] },
    ]);
    expect(await clientOpens(first, 8080)).toBe(true);
    expect(await clientOpens(second, 8080)).toBe(false);
    expect(await opens(8080)).toBe(false);
    expect(await clientOpens(first, 22)).toBe(false);
    expect(await opens(22)).toBe(true);
    expect(await ssh("docker logs listener; hostname")).toBe("web-1");
  });

  test("after a power cycle: firewall, volume, Docker's data and Swarm are as they were", async () => {
    await machines.powerOff(serverId);
    expect(await machines.list()).toMatchObject([{ serverId, running: false }]);
    await machines.powerOff(serverId);
    await machines.powerOn(serverId);
    await machines.powerOn(serverId);
    await until("sshd", 40, () => opens(22));
    expect(await ssh("cat /data/file; cloud-init status --wait >/dev/null; hostname")).toBe("kept\nweb-1");
    await until("Docker", 60, async () =>
      (await ssh("docker info --format '{{.Swarm.LocalNodeState}}' || true")).includes("active"),
    );
    expect(await ssh("docker images --quiet probe | wc -l")).toBe("1");
    await ssh("docker start listener");
    const [first, second] = clients;
    if (!first || !second) throw new Error("the clients were not made");
    await until("the listener", 20, () => clientOpens(first, 8080));
    expect(await clientOpens(second, 8080)).toBe(false);
    await machines.setFirewall(serverId, undefined);
    expect(await clientOpens(second, 8080)).toBe(true);
  });

  test("loses a volume that is detached and finds it when it comes back", async () => {
    await machines.detachVolume(volumeId);
    expect(await ssh(`test -e ${volumePath} || echo gone; findmnt /data || echo unmounted`)).toBe(
      "gone\nunmounted",
    );
    await machines.attachVolume(volumeId, serverId);
    expect(await ssh("mount /data && cat /data/file")).toBe("kept");
    await expect(machines.attachVolume(volumeId, 99)).rejects.toThrow(`attached to server ${serverId}`);
    await expect(machines.removeVolume(volumeId)).rejects.toThrow(`attached to server ${serverId}`);
  });

  test("is there for another process, and gives its name to node in a client", async () => {
    const later = createMachines(docker, home, () => undefined);
    expect(await later.list()).toMatchObject([{ name: "web-1", serverId, address, running: true }]);
    const script = `require("net").connect(22, "${address}").once("data", (d) => { console.log(String(d)); process.exit() })`;
    const child = clients[0]?.exec("node", ["-e", script], { stdio: ["ignore", "pipe", "inherit"] });
    let banner = "";
    for await (const chunk of child?.stdout ?? []) banner += String(chunk);
    expect(banner).toContain("SSH-2.0-");
  });

  test("removed, it leaves nothing behind", async () => {
    const ours = await cables(["master", bridgeName(home)]);
    // The machine, the metadata service, two clients.
    expect(ours).toHaveLength(4);
    const id = (await docker.client.getContainer(`berth-${home.name}-machine-${serverId}`).inspect()).Id;
    await machines.remove(serverId);
    await machines.remove(serverId);
    await machines.removeVolume(volumeId);
    for (const client of clients) await client.close();
    await removeNetwork(docker, home);
    await forgetAuthority();
    expect(await traces()).toEqual(before);
    const left = await cables();
    expect(ours.filter((cable) => left.includes(cable))).toEqual([]);
    const groups = await promisify(execFile)("find", ["/sys/fs/cgroup", "-name", `*${id}*`]);
    expect(groups.stdout).toBe("");
  });
});
