import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { StateMovedError } from "../../ops/backend.ts";
import { parseObservation } from "../../ops/host.ts";
import { hostsOf } from "../../ops/host-access.ts";
import { runCommand } from "../../ops/run.ts";
import { deployment, provider, service } from "../unit/ops-fixtures.ts";
import { backend, beforeEachNewFolder, fakeSsh, folder, lock, observation, slot } from "./recover-host.ts";

beforeEachNewFolder();

describe("the observation of a host", () => {
  test("parses docker's output", () => {
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

  test("a provider with a secret address is an error", () => {
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
  test("the error contains the command's output, not its arguments", async () => {
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

  test("the state file is replaced atomically, and the previous one is kept", async () => {
    const file = backend(deployment([]));
    await file.write(deployment([service("a", { id: "1" })]), deployment([]));
    expect(await file.read()).toEqual(deployment([service("a", { id: "1" })]));
    expect(JSON.parse(readFileSync(join(folder, "production.json.bak"), "utf8"))).toEqual(deployment([]));
  });

  test("a state that another run has changed, or whose lock another run holds, is not replaced", async () => {
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
