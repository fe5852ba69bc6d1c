import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { afterEach, describe, expect, test } from "vitest";
import { StateFileBackend } from "../../lab/commands/state-file-backend.ts";
import { recover, renderRecovery } from "../../ops/recover.ts";
import { CommandError, type RunCommand } from "../../ops/run.ts";
import { creating, deployment, resource, service } from "../unit/ops-fixtures.ts";
import { backend, beforeEachNewFolder, fakeSsh, folder, observation, slot } from "./recover-host.ts";

beforeEachNewFolder();

const isObservation = (script: string) => script.includes("echo '== routes'");

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

  test("waits for a migration of the killed run before it removes its job", async () => {
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

  test("an object that cannot be removed stays pending, and the command fails with the host's error", async () => {
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

  test("without a deployment there is nothing to recover", async () => {
    const nothing = new StateFileBackend("production", join(folder, "none.json"));
    expect(await recover({ backend: nothing })).toEqual({ ok: true, findings: [] });
  });
});

describe("the cloud", () => {
  const servers: Server[] = [];
  afterEach(() => {
    for (const server of servers.splice(0)) server.close();
  });

  test("finds objects by label on every page, removes protection, waits for the action", async () => {
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

  test("an API that does not answer is reported, without the token", async () => {
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
