import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:https";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { execa } from "execa";
import { SMTPServer } from "smtp-server";
import { expect } from "vitest";
import { readScript, wholeScript } from "../../components/host/command.ts";
import { shellQuote } from "../../components/host/connection.ts";
import { hostPaths } from "../../components/host/paths.ts";
import { monitrc, unit, watchParameters, watchScript } from "../../components/watch/alerts.ts";
import { type AlertsConfig, alertsSchema } from "../../components/watch/alerts-config.ts";
import { ensureDebian } from "../../lab/images/debian.ts";
import { ensureAuthority, issueCertificate } from "../../lab/images/index.ts";
import { build } from "../../lab/images/outer.ts";
import { createMachines } from "../../lab/machine/index.ts";
import { openImages } from "./image-containers.ts";
import { until } from "./until.ts";

/** A host of the lab that is watched by the real monit, and receivers of its messages on the lab's network. */

const progress = (message: string) => process.stdout.write(`  ${message}\n`);
const serverId = 61;
const volumeId = 61;

/** Long, so that none is found by chance. */
export const canaries = {
  password: "canary-0b8c1f7a9d-mail",
  slack: "canary-1c9d208bae-slack",
  discord: "canary-2dae319cbf-discord",
  ntfy: "canary-3ebf42adc0-ntfy",
  heartbeat: "canary-4fc053bed1-heartbeat",
};

export interface Message {
  readonly channel: "email" | "slack" | "discord" | "ntfy";
  readonly title: string;
  readonly body: string;
}

/** HTTPS and SMTP with a certificate of the lab's authority; the ways differ by the secret in their path. */
async function startReceivers(certificate: { key: string; cert: string }, host: string) {
  const messages: Message[] = [];
  const state = { heartbeats: 0, down: new Set<string>() };
  const got = (channel: Message["channel"], text: string) => {
    const end = text.indexOf("\n");
    messages.push({ channel, title: text.slice(0, end).trim(), body: text.slice(end + 1) });
  };
  const web = createServer(certificate, async (request, response) => {
    const parts: Buffer[] = [];
    for await (const part of request) parts.push(part as Buffer);
    const text = Buffer.concat(parts).toString();
    const { pathname } = new URL(request.url ?? "", "https://receiver");
    const [, secret = "", rest] = pathname.split("/");
    const channel = (["slack", "discord", "ntfy"] as const).find((name) => canaries[name] === secret);
    if (secret === canaries.heartbeat && rest === "lab") state.heartbeats += 1;
    else if (channel === undefined || state.down.has(channel)) return response.writeHead(500).end();
    else if (channel === "ntfy") got(channel, `${request.headers.title}\n${text}`);
    else
      got(
        channel,
        String(Object.entries(JSON.parse(text)).find(([key]) => /^(text|content)$/.test(key))?.[1]),
      );
    return response.end("ok");
  });
  await new Promise<void>((resolve) => web.listen(0, host, resolve));
  const mail = new SMTPServer({
    ...certificate,
    onAuth: ({ username, password }, _session, done) =>
      username === "berth" && password === canaries.password
        ? done(null, { user: username })
        : done(new Error("wrong password")),
    onData(stream, { secure }, done) {
      const parts: Buffer[] = [];
      stream.on("data", (part: Buffer) => parts.push(part));
      stream.on("end", () => {
        const [head = "", ...body] = Buffer.concat(parts).toString().replaceAll("\r", "").split("\n\n");
        // What is not encrypted is no message.
        if (secure) got("email", `${/^Subject: (.*)$/m.exec(head)?.[1]}\n${body.join("\n\n")}`);
        done();
      });
    },
  });
  await new Promise<void>((resolve) => mail.listen(0, host, resolve));
  const url = `https://${host}:${(web.address() as AddressInfo).port}`;
  return {
    messages,
    state,
    url,
    mailServer: `smtp://${host}:${(mail.server.address() as AddressInfo).port}`,
    async close() {
      web.closeAllConnections();
      web.close();
      await new Promise<void>((resolve) => mail.close(resolve));
    },
  };
}

export type AlertsHost = Awaited<ReturnType<typeof startAlertsHost>>;

/** Boots the machine with a volume, gives it monit's package as the distribution has it, and an image to run. */
export async function startAlertsHost() {
  const lab = await openImages("alerts");
  const { home, docker } = lab;
  const engine = ["--host", `unix://${docker.socketPath}`];
  const machines = createMachines(docker, home, progress);
  const { certificatePem: authority } = await ensureAuthority(home);
  const { privateKeyPem: key, certificatePem: cert } = await issueCertificate(
    home,
    ["r.lab"],
    [home.gateway],
  );
  const receivers = await startReceivers({ key, cert }, home.gateway);
  const container = `berth-${home.name}-machine-${serverId}`;

  /** As root. */
  async function host(script: string, input?: string): Promise<string> {
    const words = ["exec", "--interactive", container, "bash", "-euc", script];
    return (await execa("docker", [...engine, ...words], { ...(input === undefined ? {} : { input }) }))
      .stdout;
  }

  /** As a host command runs: of the deploy user, on standard input. */
  async function command(script: string, parameters: Readonly<Record<string, string | number>>) {
    const assignments = Object.entries(parameters).map(
      ([name, value]) => `${name}=${shellQuote(String(value))}\n`,
    );
    return execa(
      "docker",
      [...engine, "exec", "--interactive", "--user", "deploy", container, "bash", "-s"],
      {
        input: `${assignments.join("")}${wholeScript(script)}`,
        reject: false,
        all: true,
      },
    );
  }

  const settings = { SCRIPT_PATH: hostPaths.watchScript, SETTINGS: hostPaths.alerts, STATE: hostPaths.watch };
  const script = (name: string) => readScript(import.meta.url, `../../components/watch/scripts/${name}.sh`);

  // What an interrupted run has left.
  await machines.remove(serverId);
  await machines.removeVolume(volumeId);
  await machines.createVolume(volumeId, 2, "ext4");
  await machines.attachVolume(volumeId, serverId);
  const volume = `/dev/disk/by-id/scsi-0HC_Volume_${volumeId}`;
  const userData = {
    users: [{ name: "deploy", groups: "docker", shell: "/bin/bash", sudo: "ALL=(ALL) NOPASSWD:ALL" }],
    mounts: [[volume, hostPaths.dataVolume, "ext4", "discard,nofail,defaults", "0", "0"]],
    runcmd: [["docker", "swarm", "init", "--advertise-addr", "127.0.0.1", "--task-history-limit", "2"]],
  };
  await machines.boot({
    ...{ image: "debian-12", name: "lab", serverId, address: home.gateway.replace(/\.1$/, ".10") },
    ...{ userData: `#cloud-config\n${JSON.stringify(userData)}\n`, sshKeys: [], labels: {} },
  });
  await until("cloud-init", 120, () => host("cloud-init status --wait && docker info >/dev/null"));

  // Machines of the lab have no package sources; this one has monit's.
  const folder = await mkdtemp(join(tmpdir(), "berth-monit-"));
  const base = await ensureDebian(docker, home, "bookworm", "debian:bookworm", progress);
  const tag = "berth-lab/test-monit";
  await writeFile(
    join(folder, "Dockerfile"),
    "ARG BASE\nFROM $BASE\nRUN apt-get update -q && apt-get download monit && mv monit_*.deb /monit.deb\n",
  );
  const job = { folder, tag, args: { BASE: base.reference }, what: "fetching monit", deadlineSeconds: 300 };
  await build(docker, job, progress).finally(() => rm(folder, { recursive: true }));
  const image = await lab.pull("postgres", "17");
  const pipe = (from: string, to: string) =>
    execa("bash", [
      "-o",
      "pipefail",
      "-c",
      `docker "$@" ${from} | docker "$@" exec --interactive ${container} ${to}`,
      "bash",
      ...engine,
    ]);
  await host("mkdir /srv/packages");
  await pipe(`run --rm ${tag} cat /monit.deb`, "cp /dev/stdin /srv/packages/monit.deb");
  await host(`cd /srv/packages
{ dpkg-deb --field monit.deb; printf '%s\\n' 'Filename: ./monit.deb' "Size: $(stat --format %s monit.deb)" "SHA256: $(sha256sum monit.deb | cut -c 1-64)"; } >Packages
echo 'deb [trusted=yes] file:/srv/packages ./' >/etc/apt/sources.list`);
  const { stdout } = await pipe(`save ${image}`, "docker load");
  const loaded = /sha256:\w+|\S+@\S+$/.exec(stdout)?.[0] ?? "";
  await host(`docker tag ${loaded} lab/postgres:17`);

  return {
    receivers,
    host,
    command,
    /** What a container of the host runs: PostgreSQL 17, with perl and a shell. */
    image: "lab/postgres:17",

    /** As `up` does, with other settings where they are given. monit looks every two seconds, not every minute. */
    async install(more: Partial<AlertsConfig> = {}, domains: readonly string[] = []) {
      const config = alertsSchema.parse({
        ...{ slack: true, discord: true, ntfy: true, heartbeatMinutes: 1, trustedAuthorityPem: authority },
        email: {
          server: receivers.mailServer,
          user: "berth",
          from: "berth@lab.example",
          to: ["ops@lab.example", "b@lab.example"],
        },
        ...more,
      });
      const parameters = watchParameters({ hostName: "lab", stack: "test", config, domains });
      const assignments = Object.entries(parameters).map(
        ([name, value]) => `${name}=${shellQuote(String(value))}\n`,
      );
      const url = (name: keyof typeof canaries) => `${receivers.url}/${canaries[name]}`;
      const { exitCode, all } = await command(script("install"), {
        ...settings,
        SCRIPT: `#!/bin/bash\n${assignments.join("")}${wholeScript(watchScript(), "arguments and input")}`,
        MONITRC: monitrc(config, 2),
        UNIT_TEXT: unit,
        AUTHORITY: authority,
        EMAIL_PASSWORD: canaries.password,
        ...{ SLACK_URL: url("slack"), DISCORD_URL: url("discord"), NTFY_URL: url("ntfy") },
        HEARTBEAT_URL: `${url("heartbeat")}/{host}`,
      });
      return { exitCode, said: all };
    },

    async remove(): Promise<void> {
      const { exitCode, all } = await command(script("remove"), settings);
      expect(exitCode, all).toBe(0);
    },

    async close(): Promise<void> {
      await receivers.close();
      await machines.remove(serverId);
      await machines.removeVolume(volumeId);
      await lab.close();
    },
  };
}
