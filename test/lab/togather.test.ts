import { Resolver } from "node:dns/promises";
import { readFileSync } from "node:fs";
import { readFile, rename, rm, stat } from "node:fs/promises";
import { request } from "node:https";
import { homedir } from "node:os";
import { join } from "node:path";
import { execa } from "execa";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { labHome } from "../../lab/home.ts";
import { findCanaries, machineSources, plantedCanaries, stateTexts } from "../full/canaries.ts";
import { ownLab } from "./own-lab.ts";

/**
 * Togather once through the lab, by the commands that a person types, in a lab of its own beside a running one. Loads,
 * failures and kills are in test/full.
 */
const root = new URL("../../", import.meta.url).pathname;
const env = { ...ownLab("togather"), BERTH_LAB_CANARY: "1" };
const home = labHome({ ...process.env, ...env });
const minutes = 60_000;

interface Status {
  machines: { name: string; address: string; sshPort: number }[];
  systems: {
    name: string;
    urls: string[];
    address: string;
    healthy: boolean;
    services: { name: string; version: string; slot: string }[];
    caFile: string;
  }[];
}

const said: string[] = [];

async function lab(...args: string[]) {
  const { exitCode, all, stdout } = await execa(process.execPath, ["lab/cli.ts", ...args], {
    cwd: root,
    env,
    all: true,
    reject: false,
    timeout: 20 * minutes,
  });
  said.push(all);
  process.stdout.write(`$ lab ${args.join(" ")}  (exit ${exitCode})\n`);
  return { exitCode, all, stdout };
}

async function status(): Promise<Status> {
  return JSON.parse((await lab("status", "--json")).stdout) as Status;
}

async function togather() {
  const [system] = (await status()).systems;
  if (system === undefined) throw new Error("lab status names no system");
  return system;
}

/** Over TLS, the certificate checked against the lab's authority, straight to the machine's address. */
async function get(path: string, headers: Record<string, string> = {}, method = "GET") {
  const { address, urls, caFile } = await togather();
  const { hostname } = new URL(urls[0] ?? "");
  return new Promise<{ status: number; body: string; headers: Record<string, unknown> }>(
    (resolve, reject) => {
      const call = request(
        {
          host: address,
          servername: hostname,
          path,
          method,
          headers: { host: hostname, ...headers },
          ca: readFileSync(caFile),
          timeout: 10_000,
        },
        (response) => {
          let body = "";
          response.setEncoding("utf8").on("data", (chunk: string) => {
            body += chunk;
          });
          response.on("end", () =>
            resolve({ status: response.statusCode ?? 0, body, headers: response.headers }),
          );
        },
      );
      call
        .on("error", reject)
        .on("timeout", () => call.destroy(new Error(`no answer from ${address} in 10 s`)));
      call.end();
    },
  );
}

/** How the docker provider of the state reaches the machine. */
async function sshOfTheState() {
  const text = await readFile(join(home.stateDir, "production.json"), "utf8");
  const { deployment } = JSON.parse(text) as {
    deployment: { resources: { type: string; inputs: { host: string; sshOpts: string } }[] };
  };
  const provider = deployment.resources.find(({ type }) => type === "pulumi:providers:docker");
  if (provider === undefined) throw new Error("the state has no docker provider");
  const url = new URL(provider.inputs.host);
  const options = JSON.parse(provider.inputs.sshOpts) as string[];
  return { user: `${url.username}@${url.hostname}`, options: [...options, "-p", url.port || "22"] };
}

const onMachine = (command: string) => lab("ssh", "main", "--", command);

describe("Togather in the lab", () => {
  beforeAll(async () => {
    await lab("down");
    const { exitCode, all } = await lab("up", "togather");
    expect(exitCode, all).toBe(0);
  }, 25 * minutes);

  afterAll(async () => {
    const { exitCode, all } = await lab("down");
    expect(exitCode, all).toBe(0);
  }, 5 * minutes);

  test("answers the seed's health JSON through nginx over TLS", async () => {
    const { status, body, headers } = await get("/health");
    expect(status).toBe(200);
    expect(JSON.parse(body)).toMatchObject({
      status: "healthy",
      version: expect.stringMatching(/^v1\.0\.0/),
      database: "connected",
      migrations: "up-to-date",
      jobs: "operational",
      uptime: expect.any(Number),
    });
    expect(headers["strict-transport-security"]).toContain("max-age=");
  });

  test("status says what runs where", async () => {
    const { machines, systems } = await status();
    expect(machines).toEqual([
      { name: expect.stringMatching(/^main/), address: expect.stringMatching(/^198\.18\.9\./), sshPort: 22 },
    ]);
    expect(systems).toMatchObject([
      {
        name: "togather",
        healthy: true,
        services: [{ name: "app", version: "v1.0.0", slot: expect.stringMatching(/^togather_app-/) }],
      },
    ]);
  });

  test("the lab's DNS answers what the program declared", async () => {
    const resolver = new Resolver({ timeout: 3000, tries: 2 });
    resolver.setServers([home.gateway]);
    const { address, urls } = await togather();
    expect(await resolver.resolve4(new URL(urls[0] ?? "").hostname)).toEqual([address]);
  });

  test("nothing would change, and a second up changes nothing", { timeout: 5 * minutes }, async () => {
    const preview = await lab("preview", "--expect-no-changes");
    expect(preview.exitCode, preview.all).toBe(0);
    const before = await togather();
    expect((await lab("up")).exitCode).toBe(0);
    expect(await togather()).toEqual(before);
  });

  test("a new version is a new slot, the old one is gone, and nothing would change after it", {
    timeout: 10 * minutes,
  }, async () => {
    const [before] = (await togather()).services;
    const version = ["--set", "togather:app.version=v1.1.0"];
    expect((await lab("preview", "--expect-no-changes", ...version)).exitCode).not.toBe(0);
    const up = await lab("up", ...version);
    expect(up.exitCode, up.all).toBe(0);
    const [after] = (await togather()).services;
    expect(after?.version).toBe("v1.1.0");
    expect(after?.slot).not.toBe(before?.slot);
    expect(JSON.parse((await get("/health")).body)).toMatchObject({
      version: expect.stringMatching(/^v1\.1\.0/),
    });
    const services = await onMachine("docker service ls --format '{{.Name}}'");
    expect(services.stdout.split("\n").filter((name) => name.startsWith("togather_app"))).toEqual([
      after?.slot,
    ]);
    const stopped = await onMachine("docker ps --all --quiet --filter status=exited");
    expect(stopped.stdout).toBe("");
    expect((await lab("preview", "--expect-no-changes", ...version)).exitCode).toBe(0);
  });

  test("a snapshot was written before each release's migrations", async () => {
    const { stdout } = await onMachine("ls /var/backups/togather");
    const names = stdout.split("\n").filter((name) => name !== "");
    expect(names.length).toBeGreaterThanOrEqual(1);
    for (const name of names) expect(name).toMatch(/^togather_production_\d{8}_\d{6}\.tar$/);
  });

  test("the database's superuser comes from the host alone, and through its socket with a password", async () => {
    const postgres = "$(docker ps --quiet --filter label=berth.resource=togather_postgres)";
    const psql = (options: string) =>
      onMachine(
        `docker exec ${options} ${postgres} psql --no-password --no-psqlrc --username postgres -At --command 'SELECT current_user' 2>&1 || true`,
      );
    expect((await psql("")).stdout).toBe("postgres");
    // What the tunnel leads every local process to.
    expect((await psql("--env PGHOST=/var/run/postgresql")).stdout).toContain("no password supplied");
    expect((await psql("--env PGHOST=togather_postgres --env PGPASSWORD=guess")).stdout).toContain(
      "pg_hba.conf rejects connection for host",
    );
    const shm = await onMachine(`docker exec ${postgres} df --block-size=1M --output=size /dev/shm`);
    expect(shm.stdout.trim().split(/\s+/).at(-1)).toBe("1024");
  });

  test("a service that is updated in place has no current container until the new one runs", async () => {
    const script = readFileSync(
      new URL("../../components/host/scripts/current-container.sh", import.meta.url),
      "utf8",
    );
    // Stop-first with a process that takes its time to end: the container of before runs on for ten seconds.
    const body = `${script}
set -e
image=$(docker ps --no-trunc --filter label=berth.resource=togather_postgres --format '{{.Image}}')
trap 'docker service rm updated >/dev/null' EXIT
docker service create --detach --no-resolve-image --name updated --endpoint-mode dnsrr --entrypoint sh "$image" -c 'trap "" TERM; while :; do sleep 1; done' >/dev/null
for _ in $(seq 60); do before=$(current_container updated); [ -z "$before" ] || break; sleep 0.5; done
docker service update --detach --no-resolve-image --env-add CHANGED=1 updated >/dev/null
right_after=$(current_container updated)
running=$(docker ps --quiet --no-trunc --filter label=com.docker.swarm.service.name=updated)
for _ in $(seq 120); do after=$(current_container updated); [ -z "$after" ] || break; sleep 0.5; done
jq --null-input --arg before "$before" --arg right_after "$right_after" --arg running "$running" --arg after "$after" '$ARGS.named'
`;
    const encoded = Buffer.from(body).toString("base64");
    const { stdout, all } = await onMachine(`echo ${encoded} | base64 -d | bash`);
    const seen = JSON.parse(stdout || JSON.stringify({ all })) as Record<string, string>;
    expect(seen.before).toMatch(/^[0-9a-f]{64}$/);
    expect(seen.running).toBe(seen.before);
    expect(seen.right_after).toBe("");
    expect(seen.after).toMatch(/^[0-9a-f]{64}$/);
    expect(seen.after).not.toBe(seen.before);
  });

  test("containers do not reach the metadata service, which the host reaches", async () => {
    const url = "http://169.254.169.254/hetzner/v1/metadata/hostname";
    expect((await onMachine(`curl -sS --max-time 3 ${url}`)).exitCode).toBe(0);
    const edge = "$(docker ps -q --filter label=berth.role=edge)";
    expect((await onMachine(`docker exec ${edge} curl -sS --max-time 3 ${url}`)).exitCode).not.toBe(0);
  });

  test("no secret is said: on the screen, in the plain state, on the host", {
    timeout: 5 * minutes,
  }, async () => {
    const canaries = plantedCanaries(home.stateDir);
    expect(canaries.map(({ key }) => key)).toEqual(
      expect.arrayContaining(["togather:jwtSecret", "togather:adminApiKey", "hcloud:token"]),
    );
    const texts = stateTexts(home.stateDir);
    for (const form of ["--json", "--html"])
      expect((await lab("ops", "status", form)).stdout.length).toBeGreaterThan(500);
    texts.set("what the commands printed", said.join("\n"));
    for (const [name, script] of Object.entries(machineSources)) {
      texts.set(`the machine's ${name}`, (await onMachine(script)).all);
    }
    expect(findCanaries(canaries, texts)).toEqual([]);
  });

  test("another host key is refused before anything is sent", async () => {
    const [machine] = (await status()).machines;
    const wrongKey = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJdD7y3aLq454yWBdwLWbieU1ebz9/cu7/QEXn9OIeZJ";
    const { exitCode, stderr } = await execa(
      "sh",
      ["-c", readFileSync(new URL("../../components/host/scripts/wait-for-ssh.sh", import.meta.url), "utf8")],
      {
        env: {
          HOST: "main",
          DEADLINE_SECONDS: "10",
          SSH_COMMAND: `ssh -o BatchMode=yes -o HostKeyAlias=berth-main -o 'KnownHostsCommand=/bin/echo berth-main ${wrongKey}' -o UserKnownHostsFile=/dev/null -o StrictHostKeyChecking=yes deploy@${machine?.address}`,
        },
        reject: false,
        input: "echo never",
      },
    );
    expect(exitCode).toBe(1);
    expect(stderr).toMatch(
      /^host main: it answers with another host key than the one that was handed over to it\.\n/,
    );
  });

  test("a connection is shared also where nobody made the folder for it: ops alone makes it", async () => {
    const folder = join(homedir(), ".cache", "berth", "ssh");
    const { user, options } = await sshOfTheState();
    await execa("ssh", [...options, "-O", "exit", user], { reject: false });
    await rename(folder, `${folder}.before`);
    try {
      const { exitCode, all } = await lab("ops", "status");
      expect(exitCode, all).toBe(0);
      expect((await stat(folder)).mode & 0o777).toBe(0o700);
      const check = await execa("ssh", [...options, "-O", "check", user], { reject: false, all: true });
      expect(check.all).toContain("Master running");
      await execa("ssh", [...options, "-O", "exit", user], { reject: false });
    } finally {
      await rm(folder, { recursive: true, force: true });
      await rename(`${folder}.before`, folder);
    }
  });

  test("as many first connections as Pulumi makes on 16 cores are let in at once", async () => {
    const { user, options } = await sshOfTheState();
    const alone = [...options, "-o", "ControlMaster=no", "-o", "ControlPath=none"];
    const all = await Promise.all(
      Array.from({ length: 64 }, () => execa("ssh", [...alone, user, "true"], { reject: false, all: true })),
    );
    expect(all.filter(({ exitCode }) => exitCode !== 0).map(({ all: said }) => said)).toEqual([]);
  });

  test("Docker missing on the host: the gate says so and where to look", async () => {
    const scripts = ["common.sh", "swarm.sh", "ready.sh"].map((file) =>
      readFileSync(new URL(`../../components/host/scripts/${file}`, import.meta.url), "utf8"),
    );
    const body = `PATH=/tmp/without-docker\n${scripts.join("\n")}`;
    const encoded = Buffer.from(body).toString("base64");
    const path =
      "mkdir -p /tmp/without-docker; for tool in cloud-init systemctl tr sudo grep tail sed; do ln -sf $(command -v $tool) /tmp/without-docker/; done";
    const { exitCode, all } = await onMachine(`${path}; echo ${encoded} | base64 -d | bash`);
    expect(exitCode).not.toBe(0);
    expect(all).toContain(
      "Docker is not installed on the host. cloud-init installs docker.io: see /var/log/cloud-init-output.log",
    );
  });
});
