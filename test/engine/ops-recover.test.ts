import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { hostname, tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { StateFileBackend } from "../../lab/commands/state-file-backend.ts";
import { age, isStale, StateMovedError } from "../../ops/backend.ts";
import { parseObservation } from "../../ops/host.ts";
import { hostsOf } from "../../ops/host-access.ts";
import { LockedError, recover, renderRecovery } from "../../ops/recover.ts";
import { CommandError, type RunCommand, runCommand } from "../../ops/run.ts";
import { creating, deployment, provider, resource, service } from "../unit/ops-fixtures.ts";

let folder = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "berth-ops-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

/** Ids that no process has: above the largest that Linux gives. */
const deadPid = 2 ** 22 + 1;

function backend(state: object, lock?: object): StateFileBackend {
  const file = join(folder, "production.json");
  writeFileSync(file, JSON.stringify(state));
  if (lock) writeFileSync(`${file}.lock`, JSON.stringify(lock));
  return new StateFileBackend("production", file);
}

const lock = (pid: number, host = hostname()) => ({
  owner: "anna@desk",
  pid,
  host,
  startedAt: new Date(Date.now() - 5 * 60_000).toISOString(),
  operation: "up",
});

/** What a host says to the observation, in the words of docker. */
function observation(services: readonly object[], more: { routes?: string; commands?: number } = {}): string {
  return [
    "== service",
    services.length > 0 ? JSON.stringify(services) : "",
    "== secret",
    "== config",
    "== network",
    "== routes",
    more.routes ?? "",
    "== commands",
    String(more.commands ?? 0),
    "",
  ].join("\n");
}

const slot = (id: string, more: object = {}) => ({
  ID: id,
  CreatedAt: "2026-01-28T14:30:22.1Z",
  Spec: {
    Name: `togather_app-${id}`,
    Labels: { "berth.stack": "production", "berth.resource": "togather_app" },
    TaskTemplate: { ContainerSpec: { Image: "registry.example/togather/app@sha256:00" } },
    Mode: { Replicated: { Replicas: 1 } },
    ...more,
  },
});

/** Answers every ssh command with what `answer` makes of its script, and remembers them. */
function fakeSsh(answer: (script: string) => string) {
  const calls: { args: readonly string[]; script: string }[] = [];
  const run: RunCommand = async (command, args, { input = "" }) => {
    expect(command).toBe("ssh");
    calls.push({ args, script: input });
    return answer(input);
  };
  return { run, calls };
}

const isObservation = (script: string) => script.includes("echo '== routes'");

describe("the lock", () => {
  test("of a process that has ended is reported with owner and age, and removed", async () => {
    const stale = backend(deployment([]), lock(deadPid));
    const report = await recover({ backend: stale, run: fakeSsh(() => observation([])).run });
    expect(report).toEqual({
      ok: true,
      findings: [
        {
          found: `deploy lock of anna@desk, 5 min old; its process ${deadPid} has ended`,
          done: "removed",
        },
      ],
    });
    expect(await stale.lock()).toBeUndefined();
  });

  test.each([
    ["a process that runs", process.pid, hostname()],
    ["another machine", deadPid, "elsewhere"],
  ])("of %s is refused, and nothing is touched", async (_name, pid, host) => {
    const state = deployment([], [creating(service("togather_app"))]);
    const live = backend(state, lock(pid, host));
    const failure = recover({ backend: live, run: () => Promise.reject(new Error("nothing may run")) });
    await expect(failure).rejects.toThrow(LockedError);
    await expect(failure).rejects.toThrow(`is locked by anna@desk (process ${pid}, up) for 5 min`);
    expect(await live.read()).toEqual(state);
    expect(await live.lock()).toBeDefined();
  });

  test("of another machine is taken over when its owner is named, and of a running process never", async () => {
    const { run } = fakeSsh(() => observation([]));
    const remote = backend(deployment([]), lock(deadPid, "elsewhere"));
    await expect(recover({ backend: remote, run, takeOverFrom: "bob@desk" })).rejects.toThrow(
      "npm run lab -- ops recover --take-over-from anna@desk",
    );
    const report = await recover({ backend: remote, run, takeOverFrom: "anna@desk" });
    expect(report.findings).toEqual([
      {
        found: `deploy lock of anna@desk, 5 min old; its process ${deadPid} was said to have ended on elsewhere`,
        done: "removed",
      },
    ]);
    expect(await remote.lock()).toBeUndefined();

    const running = backend(deployment([]), lock(process.pid, hostname()));
    await expect(recover({ backend: running, run, takeOverFrom: "anna@desk" })).rejects.toThrow(LockedError);
    expect(await running.lock()).toBeDefined();
  });

  test("of a process that was killed and that nobody has waited for is stale", async () => {
    const parent = spawn("sh", ["-c", "sleep 100 & echo $!; exec tail -f /dev/null"]);
    try {
      const [pid] = (await once(parent.stdout, "data")) as [Buffer];
      const held = {
        owner: "anna@desk",
        host: hostname(),
        since: "2026-01-28T12:00:00Z",
        pid: Number(pid.toString()),
      };
      expect(isStale(held)).toBe(false);
      process.kill(held.pid, "SIGKILL");
      await expect.poll(() => isStale(held)).toBe(true);
      expect(process.kill(held.pid, 0)).toBe(true);
    } finally {
      parent.kill("SIGKILL");
    }
  });

  test("age in words", () => {
    const now = Date.parse("2026-01-28T12:00:00Z");
    expect(age("2026-01-28T11:59:00Z", now)).toBe("60 s");
    expect(age("2026-01-28T09:55:00Z", now)).toBe("2 h 5 min");
    expect(age("2026-01-20T12:00:00Z", now)).toBe("8 days");
    expect(age("then", now)).toBe("unknown age");
  });
});

describe("recover", () => {
  test("removes the orphan, clears the operation, and a second run finds nothing", async () => {
    const old = service("togather_app", { id: "old" });
    const state = backend(deployment([old], [creating(service("togather_app"))]));
    let services = [slot("old"), slot("orphan")];
    const { run, calls } = fakeSsh((script) => {
      if (isObservation(script)) return observation(services);
      expect(script).toContain("docker service rm 'orphan'");
      services = [slot("old")];
      return "";
    });
    const report = await recover({ backend: state, run });
    expect(report.ok).toBe(true);
    expect(renderRecovery(report)).toMatch(
      /service togather_app-orphan on main-docker +removed: its creation was interrupted before it was recorded/,
    );
    expect((await state.read()).deployment).toEqual(deployment([old]).deployment);
    expect(calls[0]?.args).toEqual([
      ...["-o", "StrictHostKeyChecking=yes", "-o", "KnownHostsCommand=/bin/echo a b"],
      ...["-p", "2222", "deploy@198.51.100.7", "timeout 60 bash -s"],
    ]);
    const again = await recover({ backend: state, run });
    expect(again).toEqual({ ok: true, findings: [] });
    expect(renderRecovery(again)).toBe("Nothing to recover: no lock, nothing pending, nothing left over.");
  });

  test("waits for a migration of the killed run before it removes what is left of it", async () => {
    const job = {
      ...slot("m", { Mode: { ReplicatedJob: {} } }),
    };
    let running = 1;
    const events: string[] = [];
    const { run } = fakeSsh((script) => {
      if (isObservation(script)) {
        events.push(`observed with ${running}`);
        return observation([job], { commands: running });
      }
      if (script.includes("docker service rm")) {
        events.push("removed");
        return "";
      }
      running = 0;
      events.push("waited");
      return "0\n";
    });
    const report = await recover({ backend: backend(deployment([])), run });
    expect(events).toEqual(["observed with 1", "waited", "observed with 0", "removed"]);
    expect(report.findings.map(({ done }) => done)).toEqual([
      "LEFT ALONE: a command on the host still runs it",
      "waited until they ended",
      "removed: it belongs to no resource of the state",
    ]);
  });

  test("what cannot be removed stays pending, and the command fails with the host's own words", async () => {
    const state = deployment([], [creating(service("togather_app"))]);
    const file = backend(state);
    const { run } = fakeSsh((script) => {
      if (isObservation(script)) return observation([slot("orphan")]);
      throw new CommandError("ssh", "rpc error: no leader");
    });
    const report = await recover({ backend: file, run });
    expect(report.ok).toBe(false);
    expect(report.findings).toEqual([
      {
        found: "service togather_app-orphan on main-docker",
        done: "ssh: rpc error: no leader",
        failed: true,
      },
    ]);
    expect(await file.read()).toEqual(state);
  });

  test("a host that does not answer fails only when something on it was interrupted", async () => {
    const run: RunCommand = () => Promise.reject(new CommandError("ssh", "Connection refused"));
    const quiet = await recover({ backend: backend(deployment([])), run });
    expect(quiet).toMatchObject({ ok: true, findings: [{ done: "left as it is: ssh: Connection refused" }] });
    const busy = await recover({ backend: backend(deployment([], [creating(service("a"))])), run });
    expect(busy.ok).toBe(false);
  });

  test("a deployment that was never made has nothing to recover", async () => {
    const nothing = new StateFileBackend("production", join(folder, "none.json"));
    expect(await recover({ backend: nothing })).toEqual({ ok: true, findings: [] });
  });
});

describe("the cloud", () => {
  const servers: Server[] = [];
  afterEach(() => {
    for (const server of servers.splice(0)) server.close();
  });

  test("finds by label on every page, takes protection off, waits for the action", async () => {
    const requests: string[] = [];
    let polled = 0;
    const server = createServer((request, response) => {
      const url = new URL(request.url ?? "", "http://x");
      expect(request.headers.authorization).toBe("Bearer secret-token");
      if (request.method !== "GET") requests.push(`${request.method} ${url.pathname}`);
      const json = (body: object) => response.end(JSON.stringify(body));
      const name = url.pathname.split("/").at(-1) ?? "";
      if (url.pathname.startsWith("/v1/actions/")) {
        polled += 1;
        return json({
          action: { id: 9, command: "delete_server", status: polled > 1 ? "success" : "running" },
        });
      }
      if (request.method !== "GET") return json({ action: { id: 9, command: name, status: "running" } });
      expect(url.searchParams.get("label_selector")).toBe("berth.stack=production");
      const page = Number(url.searchParams.get("page"));
      const item = { id: page, name: `${name}-${page}`, labels: { "berth.resource": `main-${page}` } };
      const next = name === "servers" && page < 2 ? page + 1 : null;
      return json({ [name]: name === "servers" ? [item] : [], meta: { pagination: { next_page: next } } });
    });
    servers.push(server);
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`;
    const pending = [creating(resource("hcloud:index/server:Server", "main-2"))];
    const state = { version: 3, deployment: { resources: [], pending_operations: pending } };
    const report = await recover({ backend: backend(state), cloud: { endpoint, token: "secret-token" } });
    expect(report.findings).toMatchObject([
      { found: "server servers-1 (1)", done: expect.stringContaining("LEFT ALONE") },
      { found: "server servers-2 (2)", done: "removed: its creation was interrupted before it was recorded" },
      { done: "cleared: the next up creates it" },
    ]);
    expect(requests).toEqual(["POST /v1/servers/2/actions/change_protection", "DELETE /v1/servers/2"]);
    expect(polled).toBeGreaterThan(1);
  });

  test("an API that does not answer is named, the token is not", async () => {
    const pending = [creating(resource("hcloud:index/server:Server", "main"))];
    const state = { version: 3, deployment: { resources: [], pending_operations: pending } };
    const cloud = { endpoint: "http://127.0.0.1:9999/v1", token: "secret-token" };
    const api = backend(state);
    const report = await recover({ backend: api, cloud });
    expect(report.ok).toBe(false);
    expect(report.findings[0]?.done).toContain("http://127.0.0.1:9999/v1: connect ECONNREFUSED");
    expect(JSON.stringify(report)).not.toContain("secret-token");
    expect(await api.read()).toEqual(state);
  });
});

describe("the observation of a host", () => {
  test("reads docker's own words", () => {
    const mounts = [
      { Type: "bind", Source: "/mnt/data/togather/postgres", Target: "/var/lib/postgresql/data" },
      { Type: "bind", Source: "/var/lib/berth/sockets/togather_postgres", Target: "/var/run/postgresql" },
    ];
    const stateful = slot("pg", {
      TaskTemplate: { ContainerSpec: { Image: "registry.example/pg:16@sha256:00", Mounts: mounts } },
    });
    const text = `${observation([stateful], { routes: "server a:80;", commands: 2 })}== databases pg\nrole:togather\ndatabase:togather\n`;
    expect(parseObservation("main-docker", text)).toMatchObject({
      provider: "main-docker",
      objects: [
        {
          kind: "service",
          id: "pg",
          name: "togather_app-pg",
          resource: "togather_app",
          image: "registry.example/pg:16",
          data: ["/mnt/data/togather/postgres"],
          job: false,
        },
      ],
      routes: "server a:80;\n",
      commands: 2,
      databases: { pg: ["role:togather", "database:togather"] },
    });
  });

  test("a provider whose address is secret cannot be asked, and says so", () => {
    const secret = {
      "4dabf18193072939515e22adb298388d": "1b47061264138c4ac30d75fd1eb44270",
      ciphertext: "v1:x",
    };
    const hidden = { ...provider, inputs: { ...provider.inputs, host: secret } };
    const state = { version: 3, deployment: { resources: [hidden] } };
    expect(() => hostsOf(state, fakeSsh(() => "").run)).toThrow(
      "main-docker: its host and sshOpts are secret in the state, so the host cannot be asked",
    );
  });
});

describe("runCommand", () => {
  test("says what the command said, not its arguments", async () => {
    const failure = runCommand("bash", ["-c", "echo broken >&2; exit 3 # argument"], { timeoutSeconds: 10 });
    await expect(failure).rejects.toThrow(/^bash: broken$/);
    await expect(runCommand("sleep", ["5"], { timeoutSeconds: 0.2 })).rejects.toThrow(
      "sleep: no answer within 0.2 s",
    );
    await expect(runCommand("no-such-tool", [], { timeoutSeconds: 1 })).rejects.toThrow(
      "no-such-tool: not found on the PATH; install it",
    );
    expect(await runCommand("cat", [], { timeoutSeconds: 5, input: "hello" })).toBe("hello");
  });

  test("the state file is replaced whole, and the one before stays beside it", async () => {
    const file = backend(deployment([]));
    await file.write(deployment([service("a", { id: "1" })]), deployment([]));
    expect(await file.read()).toEqual(deployment([service("a", { id: "1" })]));
    expect(JSON.parse(readFileSync(join(folder, "production.json.bak"), "utf8"))).toEqual(deployment([]));
  });

  test("a state that somebody else has changed meanwhile, or is about to, is not replaced", async () => {
    const before = deployment([]);
    const theirs = deployment([service("theirs", { id: "2" })]);
    const ours = deployment([service("ours", { id: "1" })]);
    const changed = backend(theirs);
    await expect(changed.write(ours, before)).rejects.toThrow(StateMovedError);
    expect(await changed.read()).toEqual(theirs);
    expect(await changed.lock()).toBeUndefined();

    const busy = backend(before, lock(process.pid));
    await expect(busy.write(ours, before)).rejects.toThrow("anna@desk has begun a run");
    expect(await busy.read()).toEqual(before);
    expect(await busy.lock()).toMatchObject({ owner: "anna@desk", operation: "up" });
  });
});
