import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { hostname, tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect } from "vitest";
import { StateFileBackend } from "../../lab/commands/state-file-backend.ts";
import type { RunCommand } from "../../ops/run.ts";

export let folder = "";

export function backend(state: object, lock?: object): StateFileBackend {
  const file = join(folder, "production.json");
  writeFileSync(file, JSON.stringify(state));
  if (lock) writeFileSync(`${file}.lock`, JSON.stringify(lock));
  return new StateFileBackend("production", file);
}

export const lock = (pid: number, host = hostname()) => ({
  owner: "anna@desk",
  pid,
  host,
  startedAt: new Date(Date.now() - 5 * 60_000).toISOString(),
  operation: "up",
});

/** A host's output for the observation, in docker's format. */
export function observation(
  services: readonly object[],
  more: { routes?: string; commands?: number } = {},
): string {
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

export const slot = (id: string, more: object = {}) => ({
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

/** Replies to every ssh command with the result of `answer` for its script, and records the calls. */
export function fakeSsh(answer: (script: string) => string) {
  const calls: { args: readonly string[]; script: string }[] = [];
  const run: RunCommand = async (command, args, { input = "" }) => {
    expect(command).toBe("ssh");
    calls.push({ args, script: input });
    return answer(input);
  };
  return { run, calls };
}

/** An empty folder for the state before each test of a file. */
export function beforeEachNewFolder(): void {
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "berth-ops-"));
  });

  afterEach(() => rmSync(folder, { recursive: true }));
}
