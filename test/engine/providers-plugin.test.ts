/** How Pulumi's real plugins are found and started; a script replaces the plugin. */
import { chmodSync, mkdirSync, mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { beforeEach, describe, expect, test } from "vitest";
import { engineNamed } from "../../lab/commands/engine.ts";
import { findPlugin, launchPlugin, requirePlugins } from "../../lab/pulumi/providers/plugin.ts";
import { home } from "../unit/cloud-recording.ts";

const docker = { name: "docker", version: "5.2.0" };
let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "plugin-"));
});

function program(path: string, body: string): string {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, `#!/bin/sh\n${body}\n`);
  chmodSync(path, 0o755);
  return path;
}

const environment = () => ({ PATH: join(folder, "bin"), PULUMI_HOME: join(folder, "home") });

describe("a plugin", () => {
  test("is taken from the PATH first, then from Pulumi's own folder in the wanted version", () => {
    const installed = (version: string) =>
      program(join(folder, "home", "plugins", `resource-docker-v${version}`, "pulumi-resource-docker"), ":");
    installed("4.0.0");
    expect(findPlugin(docker, environment())).toBeUndefined();
    const wanted = installed("5.2.0");
    expect(findPlugin(docker, environment())).toBe(wanted);
    const onThePath = program(join(folder, "bin", "pulumi-resource-docker"), ":");
    expect(findPlugin(docker, environment())).toBe(onThePath);
  });

  test("that is missing is reported, with the command that installs it", () => {
    program(join(folder, "bin", "pulumi-resource-random"), ":");
    const both = [docker, { name: "random", version: "4.21.2" }];
    expect(() => requirePlugins(both, environment())).toThrow(
      /--providers real: .*: pulumi-resource-docker\. Install:\n {2}pulumi plugin install resource docker v5\.2\.0\n/,
    );
  });

  test("gets an address to log to, and prints its port", async () => {
    const path = program(join(folder, "p"), 'case "$1" in 127.0.0.1:*) echo 4711; exec sleep 60 ;; esac');
    const { address, close } = await launchPlugin(path, () => undefined);
    await close();
    expect(address).toBe("127.0.0.1:4711");
  });

  test("that ends at once is an error with its output", async () => {
    const path = program(join(folder, "p"), "echo broken >&2; exit 3");
    await expect(launchPlugin(path, () => undefined)).rejects.toThrow(
      /does not start: ended with 3\. broken/,
    );
  });
});

test("other providers than the lab's and the real ones are refused", () => {
  expect(() => engineNamed({ engine: "lab", providers: "mine" }, { home, projectDir: "" })).toThrow(
    '--providers: "mine" is invalid; use one of: lab, real',
  );
});
