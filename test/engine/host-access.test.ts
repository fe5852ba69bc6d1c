import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { listenForTunnel } from "../../components/data/tunnel.ts";
import { firewallRules, refuseLockout, sshPorts } from "../../components/host/firewall.ts";
import { hostFiles } from "../../components/host/host-files.ts";
import { keyFingerprint } from "../../components/host/ssh-keys.ts";

const waitForSsh = readFileSync(
  new URL("../../components/host/scripts/wait-for-ssh.sh", import.meta.url),
  "utf8",
);

// Port 1 of loopback: nobody listens, so ssh's own words are known.
test("an unreachable server: waiting ends at its deadline with ssh's error and instructions", () => {
  const { status, stderr } = spawnSync("sh", ["-c", waitForSsh], {
    env: {
      PATH: process.env.PATH,
      HOST: "main",
      SSH_COMMAND: "ssh -o BatchMode=yes -o ConnectTimeout=2 -p 1 deploy@127.0.0.1",
      DEADLINE_SECONDS: "1",
    },
    encoding: "utf8",
  });
  expect(status).toBe(1);
  expect(stderr).toMatch(
    /^host main: no SSH after [12] seconds \(deadline 1\)\. ssh said: ssh: connect to host 127\.0\.0\.1 port 1: Connection refused\r?\n/,
  );
  expect(stderr).toContain("is the server running, and is your address in sshAllowedFrom?");
});

test("a connection that breaks because sshd restarts is retried; an error of the script is not", () => {
  const folder = mkdtempSync(join(tmpdir(), "berth-gate-"));
  try {
    const run = (first: string, script: string) => {
      const asked = join(folder, "asked");
      rmSync(asked, { force: true });
      // The behaviour of ssh from its second call on.
      const ssh = join(folder, "ssh");
      writeFileSync(
        ssh,
        `#!/bin/sh\nif [ ! -e ${asked} ]; then : > ${asked}; ${first}; fi\nexec sh -c "$*"\n`,
        { mode: 0o755 },
      );
      const env = { PATH: process.env.PATH, HOST: "main", SSH_COMMAND: ssh, DEADLINE_SECONDS: "10" };
      return spawnSync("sh", ["-c", waitForSsh], { env, input: script, encoding: "utf8" });
    };
    const broken = "cat >/dev/null; echo 'Connection reset by peer' >&2; exit 255";
    expect(run(broken, "echo ready")).toMatchObject({ status: 0, stdout: "ready\n", stderr: "" });
    expect(run(broken, "echo no Docker >&2; exit 3")).toMatchObject({ status: 3, stderr: "no Docker\n" });
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test("a refused key is reported after two tries, with the available keys and how to use another", () => {
  const folder = mkdtempSync(join(tmpdir(), "berth-gate-"));
  try {
    const tries = join(folder, "tries");
    const ssh = join(folder, "ssh");
    const said = "deploy@198.18.0.2: Permission denied (publickey).";
    writeFileSync(ssh, `#!/bin/sh\ncat >/dev/null\necho x >>${tries}\necho '${said}' >&2\nexit 255\n`, {
      mode: 0o755,
    });
    const env = { PATH: process.env.PATH, HOST: "main", SSH_COMMAND: ssh, DEADLINE_SECONDS: "600" };
    const { status, stderr } = spawnSync("sh", ["-c", waitForSsh], { env, input: "", encoding: "utf8" });
    expect(status).toBe(1);
    expect(readFileSync(tries, "utf8")).toBe("x\nx\n");
    expect(stderr).toMatch(/^host main: it refuses the keys that ssh offers\. The agent has:\n.+\n/);
    expect(stderr).toContain("npx pulumi config set --path berth:ssh.identityFile <file>");
    expect(stderr).toContain("five attempts in ten minutes shut your address out");
    expect(stderr).toContain(`ssh said: ${said}`);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test("a taken tunnel port: the run fails and says which port, for what, and how to see who has it", async () => {
  const taken = createServer();
  await new Promise<void>((resolve) => taken.listen(0, "127.0.0.1", resolve));
  const address = taken.address();
  const localPort = typeof address === "object" && address !== null ? address.port : 0;
  const args = { remoteSocket: "/s", localPort, service: "togather_postgres" };
  await expect(listenForTunnel(args, Promise.resolve([]))).rejects.toThrow(
    `127.0.0.1:${localPort} is taken; it is needed to reach togather_postgres. Another deploy on this machine? See: ss -ltnp 'sport = :${localPort}'`,
  );
  taken.close();
});

describe("a new port of sshd", () => {
  const rules = (...ports: string[]) => ({
    rules: [...ports.map((port) => ({ description: "SSH", port })), { description: "HTTP", port: "80" }],
  });
  const update = (before: object, config: { sshPort: number; sshPortBefore?: number }) => () =>
    refuseLockout(config.sshPortBefore ?? config.sshPort)({
      name: "main-firewall",
      oldInputs: before,
    } as unknown as Parameters<ReturnType<typeof refuseLockout>>[0]);

  test("takes two runs, and is refused in one, at preview", () => {
    expect(update(rules("22"), { sshPort: 2222 })).toThrow(
      "main-firewall: sshPort: 2222 is a new port, and nobody could connect: the host listens on 22. It takes two runs. First set sshPortBefore: 22",
    );
    expect(update(rules("22"), { sshPort: 2222, sshPortBefore: 22 })).not.toThrow();
    expect(update(rules("2222", "22"), { sshPort: 2222 })).not.toThrow();
    expect(update(rules("22"), { sshPort: 22 })).not.toThrow();
  });

  test("is open together with the old one in between, and sshd listens on both", () => {
    const between = { sshPort: 2222, sshPortBefore: 22, sshAllowedFrom: ["203.0.113.0/24"] };
    expect(firewallRules(between).map(({ port }) => port)).toEqual(["2222", "22", "80", "443"]);
    const files = hostFiles({ sshPorts: sshPorts(between), sshAllowedFrom: [], ipv6: false });
    expect(files["/etc/ssh/sshd_config.d/10-berth.conf"]?.content).toMatch(/^Port 2222\nPort 22\n/);
    expect(files["/etc/fail2ban/jail.d/berth.conf"]?.content).toContain("port = 2222,22\n");
  });
});

test("a key at Hetzner is named by its content, whatever its comment and position", () => {
  const key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJKX8CrOmvdgn0PpM4iBpfD7KqXgxQzWZyUgLCO9Lk5A";
  expect(keyFingerprint(`${key} anna@laptop`)).toBe(keyFingerprint(`${key} anna@desk\n`));
  expect(keyFingerprint(key)).toMatch(/^[0-9a-f]{12}$/);
  expect(keyFingerprint(key.replace("Lk5A", "Lk5B"))).not.toBe(keyFingerprint(key));
});
