import { spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { execa } from "execa";
import { afterAll, describe, expect, test } from "vitest";
import { labContext, planRun } from "../../lab/commands/context.ts";
import { readOutputs } from "../../lab/commands/outputs.ts";
import { parseImages } from "../../lab/commands/prepare.ts";
import { endProcess, isAlive, startTicks, whoListens } from "../../lab/processes.ts";

const folder = mkdtempSync(join(tmpdir(), "berth-commands-"));
afterAll(() => rmSync(folder, { recursive: true }));
const root = new URL("../..", import.meta.url).pathname;

describe("the command line", () => {
  const lab = (...args: string[]) =>
    execa(process.execPath, ["lab/cli.ts", ...args], {
      cwd: root,
      env: { BERTH_LAB_HOME: folder, BERTH_LAB: "unit", BERTH_LAB_SUBNET: "198.18.98.0/24" },
      reject: false,
    });

  test("status of a lab that does not run is JSON and nothing else", async () => {
    const { stdout, stderr, exitCode } = await lab("status", "--json");
    expect([stdout, stderr, exitCode]).toEqual(['{"machines":[],"systems":[]}', "", 0]);
  });

  test.each([
    [
      ["up", "nosuch"],
      'no system "nosuch" in Pulumi.production.yaml; use one of: togather, mfa, registry, connected-repo, gadgetbot, sertantai',
    ],
    [["up", "--stack", "prod"], 'there is no stack "prod"; use one of: development, production, staging'],
    [["up", "--set", "togather:app.replicas=99"], "togather:app.replicas"],
    [["preview", "--engine", "other"], "Allowed choices are lab, pulumi"],
    [["load", "togather"], 'no system "togather" of the stack production runs in this lab'],
    [["load", "togather", "--rate", "0"], "use a number above 0"],
    [["ssh"], "no machine of the stack production runs in this lab; start it"],
    [["nosuch"], "unknown command 'nosuch'"],
  ])("%j fails and says why", async (args, message) => {
    const { stderr, exitCode } = await lab(...args);
    expect(stderr).toContain(message);
    expect(exitCode).toBe(1);
  });
});

describe("--image", () => {
  const planned = planRun({ ...labContext(), projectDir: root }, { stack: "production" }, []);
  test.each([
    ["togather/app=mine:1", "togather/app", "mine:1"],
    ["nginx=a/b@sha256:c=d", "nginx", "a/b@sha256:c=d"],
  ])("%s", (argument, name, reference) => {
    expect(parseImages(planned, [argument])).toMatchObject([{ name, reference }]);
  });

  test.each(["nosuch=a", "togather=a", "togather/app", "togather/app="])("refuses %s", (argument) => {
    expect(() => parseImages(planned, [argument])).toThrow(
      "use <image>=<reference>, where <image> is one of nginx, togather/app, togather/postgres; for example --image togather/app=",
    );
  });
});

describe("the hosts of a deployment", () => {
  const provider = {
    urn: "urn:pulumi:production::berth::berth:host:Host$pulumi:providers:docker::main-docker",
    type: "pulumi:providers:docker",
    inputs: {
      host: "ssh://deploy@198.18.0.10:666",
      sshOpts: '["-o","KnownHostsCommand=/bin/echo berth-main ssh-ed25519 AAAAC3Nz+/="]',
    },
  };
  const read = (resources: unknown[]) => {
    const path = join(folder, "state.json");
    writeFileSync(path, JSON.stringify({ version: 3, deployment: { resources } }));
    return readOutputs(path);
  };

  test("nothing when there is no file", () => {
    expect(readOutputs(join(folder, "none.json"))).toEqual({ hosts: {}, systems: {}, databases: {} });
  });

  test("without outputs, the host of the docker provider", () => {
    expect(read([provider]).hosts).toEqual({
      main: { address: "198.18.0.10", sshPort: 666, user: "deploy", hostKey: "ssh-ed25519 AAAAC3Nz+/=" },
    });
  });

  test("the stack's own outputs come first; incomplete systems are left out", () => {
    const host = { address: "198.18.0.11", sshPort: 22, user: "deploy", hostKey: "k" };
    const outputs = { hosts: { main: host }, systems: { togather: { domain: "t.example" } } };
    const stack = { urn: "u", type: "pulumi:pulumi:Stack", outputs };
    expect(read([stack, provider])).toEqual({ hosts: { main: host }, systems: {}, databases: {} });
  });

  test("a database's port is read from the state, not from the configuration", () => {
    const urn = "urn:pulumi:production::berth::pulumi:providers:postgresql::togather_postgres-provider";
    const inputs = { host: "127.0.0.1", port: "15440" };
    expect(read([{ urn, type: "pulumi:providers:postgresql", inputs }]).databases).toEqual({
      togather_postgres: 15440,
    });
  });
});

describe("processes", () => {
  test("who listens on a port", async () => {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.77", resolve));
    const address = server.address();
    const port = typeof address === "object" && address !== null ? address.port : 0;
    expect(whoListens("127.0.0.77", port)?.pid).toBe(process.pid);
    server.close();
    expect(whoListens("127.0.0.77", 1)).toBeUndefined();
  });

  test("a process that ignores SIGTERM is killed", async () => {
    const child = spawn("sh", ["-c", "trap '' TERM; echo ready; sleep 60 & wait; wait"], {
      stdio: ["ignore", "pipe", "ignore"],
      detached: true,
    });
    await new Promise((resolve) => child.stdout.once("data", resolve));
    const pid = child.pid ?? 0;
    expect(isAlive(pid)).toBe(true);
    expect(startTicks(pid)).toMatch(/^\d+$/);
    expect(await endProcess(pid, 0.3)).toBe(true);
    expect(isAlive(pid)).toBe(false);
    process.kill(-pid, "SIGKILL");
  });
});
