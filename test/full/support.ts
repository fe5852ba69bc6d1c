import { type ChildProcess, spawn } from "node:child_process";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { expect } from "vitest";
import { StepWatch, type WatchedStep } from "../../lab/bench/step-watch.ts";
import { StateFileBackend } from "../../lab/commands/state-file-backend.ts";
import { labHome } from "../../lab/home.ts";
import { hostsOf } from "../../ops/host-access.ts";
import { runCommand } from "../../ops/run.ts";
import { ArgumentSampler } from "./canaries.ts";
import { type TestedSystem, togatherSystem } from "./systems.ts";

export { tunnelSetting } from "./systems.ts";

/** Common functions of the scenarios: a separate lab, operated by the operator's commands. */

process.env.BERTH_LAB ??= "full";
process.env.BERTH_LAB_SUBNET ??= "198.18.240.0/24";
process.env.BERTH_LAB_CANARY = "1";

export const stack = "production";
export const home = labHome();
export const stateFile = join(home.stateDir, `${stack}.json`);
const projectDir = fileURLToPath(new URL("../..", import.meta.url));
export const backend = new StateFileBackend(stack, stateFile);

/** The system that this file's scenarios are about; Togather unless {@link testSystem} says another. */
export let tested: TestedSystem = togatherSystem;

export function testSystem(system: TestedSystem): void {
  tested = system;
}

/** Every scenario runs on either kind of edge: `BERTH_TEST_EDGE=traefik npm run test:full`; by default on its stack file's. */
export const edgeKind = () => (process.env.BERTH_TEST_EDGE ?? tested.edge) as TestedSystem["edge"];

/** The output of all commands, for the search for canaries. */
export const captured: string[] = [];
/** The argument lists of all processes on this machine and in the lab's machines. */
export const sampler = new ArgumentSampler();

export interface LabRun {
  readonly exitCode: number | null;
  /** Standard output and standard error, in order. */
  readonly output: string;
  readonly stdout: string;
  readonly seconds: number;
  /** The engine's steps, according to its state file. */
  readonly steps: readonly WatchedStep[];
}

export interface RunningLab {
  readonly done: Promise<LabRun>;
  /** SIGKILL for the command and everything that it started in its process group. */
  kill(): void;
}

/** Starts `npm run lab -- …` as a process group of its own. */
export function startLab(
  args: readonly string[],
  onStep: (step: WatchedStep, lab: RunningLab) => void = () => undefined,
): RunningLab {
  const began = performance.now();
  const [command = "", ...options] = args;
  const own = ["up", "preview"].includes(command)
    ? [tested.name, ...tested.options, ...tested.edges[edgeKind()], ...options]
    : options;
  const child: ChildProcess = spawn("npm", ["run", "--silent", "lab", "--", command, ...own], {
    cwd: projectDir,
    detached: true,
    stdio: ["ignore", "pipe", "pipe"],
  });
  let killed: number | undefined;
  let output = "";
  let stdout = "";
  child.stdout?.on("data", (chunk: Buffer) => {
    output += chunk.toString();
    stdout += chunk.toString();
  });
  child.stderr?.on("data", (chunk: Buffer) => {
    output += chunk.toString();
  });
  const watch = new StepWatch(stateFile, (step) => onStep(step, running));
  const done = new Promise<LabRun>((resolve, reject) => {
    child.on("error", reject);
    // Not `close`: a process that outlives the command (a shared ssh connection) may keep its output open.
    child.on("exit", async (exitCode) => {
      if (killed !== undefined) await groupEnded(killed);
      await sleep(200);
      watch.close();
      captured.push(`$ npm run lab -- ${args.join(" ")}\n${output}`);
      const seconds = (performance.now() - began) / 1000;
      process.stdout.write(
        `$ npm run lab -- ${args.join(" ")}   (exit ${exitCode}, ${seconds.toFixed(1)} s)\n`,
      );
      resolve({ exitCode, output, stdout, seconds, steps: watch.steps });
    });
  });
  const running: RunningLab = {
    done,
    kill() {
      if (child.pid === undefined || child.exitCode !== null) return;
      killed = child.pid;
      process.kill(-child.pid, "SIGKILL");
    },
  };
  return running;
}

/** Waits until all processes of a group have ended, which takes a moment after SIGKILL. */
async function groupEnded(group: number): Promise<void> {
  const deadline = Date.now() + 10_000;
  while (Date.now() < deadline) {
    try {
      process.kill(-group, 0);
    } catch {
      return;
    }
    await sleep(20);
  }
}

/** Runs `npm run lab -- ops …` on the lab's state, to its end. */
export async function ops(...args: readonly string[]): Promise<Omit<LabRun, "steps">> {
  const began = performance.now();
  const all = ["run", "--silent", "lab", "--", "ops", ...args];
  const child = spawn("npm", all, { cwd: projectDir, stdio: ["ignore", "pipe", "pipe"] });
  const chunks: { readonly from: "out" | "err"; readonly text: string }[] = [];
  child.stdout.on("data", (chunk: Buffer) => chunks.push({ from: "out", text: chunk.toString() }));
  child.stderr.on("data", (chunk: Buffer) => chunks.push({ from: "err", text: chunk.toString() }));
  const exitCode = await new Promise<number | null>((resolve, reject) => {
    child.on("error", reject);
    child.on("exit", (code) => setTimeout(() => resolve(code), 200));
  });
  const seconds = (performance.now() - began) / 1000;
  const output = chunks.map(({ text }) => text).join("");
  captured.push(`$ npm run lab -- ops ${args.join(" ")}\n${output}`);
  process.stdout.write(
    `$ npm run lab -- ops ${args.join(" ")}   (exit ${exitCode}, ${seconds.toFixed(1)} s)\n`,
  );
  const stdout = chunks.flatMap(({ from, text }) => (from === "out" ? [text] : [])).join("");
  return { exitCode, output, stdout, seconds };
}

/** Runs `npm run lab -- …` to its end. */
export function lab(...args: readonly string[]): Promise<LabRun> {
  return startLab(args).done;
}

/** The same, and fails the test with the command's output when it fails. */
export async function labOk(...args: readonly string[]): Promise<LabRun> {
  const run = await lab(...args);
  expect(run.exitCode, `lab ${args.join(" ")}\n${run.output.slice(-6000)}`).toBe(0);
  return run;
}

export interface RunningSystem {
  readonly address: string;
  readonly domain: string;
  readonly version: string;
  readonly slot: string;
  readonly healthy: boolean;
}

/** Togather as `lab status --json` shows it in a stack. */
export const togather = (of = stack) => running("togather", "app", of);

/** The tested system's service, or one of its companions. */
export const service = (name = tested.service) => running(tested.name, name);

/** What a service of the tested system is called on its host: `togather_app`. */
export const nameOf = (service = tested.service) => `${tested.name}_${service}`;

/** `--set` for a setting of the tested system's service. */
export const setting = (key: string, value: string | number) => [
  ...["--set", `${tested.name}:${tested.service}.${key}=${value}`],
];

/** A version that is not this one, of two. */
export const otherVersion = (version: string) => (version === "v1.3.0" ? "v1.4.0" : "v1.3.0");

/** The command that releases a version of the tested service. */
export const upTo = (version: string) => ["up", ...setting("version", version)];

/** The steps of a release that {@link releaseStep} names, from the slot on; the slots of before go at the end. */
export const releaseOf = (services: readonly string[]): string[] => [
  // A companion follows the probe of the service, and takes over when that has switched.
  ...services.flatMap(() => ["slot", "probe"]),
  ...services.flatMap(() => "switch"),
  ...services.flatMap(() => "removal"),
];

/** A system as `lab status --json` shows it, and of its services one. */
export async function running(name: string, service: string, of = stack): Promise<RunningSystem> {
  const { stdout } = await labOk("status", "--stack", of, "--json");
  const status = JSON.parse(stdout) as {
    systems: {
      name: string;
      address: string;
      healthy: boolean;
      urls: string[];
      services: { name: string; version: string; slot: string }[];
    }[];
  };
  const system = status.systems.find((each) => each.name === name);
  const found = system?.services.find((each) => each.name === service);
  if (system === undefined || found === undefined) throw new Error(`${name} does not run: ${stdout}`);
  const { address, healthy, urls } = system;
  const { version, slot } = found;
  return { address, healthy, domain: new URL(urls[0] ?? "").hostname, version, slot };
}

/** Runs a script on the machine and returns its output. */
export async function onMachine(script: string, timeoutSeconds = 60): Promise<string> {
  const [host] = hostsOf(await backend.read(), runCommand);
  if (host === undefined) throw new Error("no host in the state");
  return host.run(script, timeoutSeconds);
}

/** Waits until exactly this many tasks of the service run; scaling restarts existing tasks, after the new one. */
export async function expectTasks(count: number): Promise<void> {
  const { slot } = await service();
  const states = async () =>
    (await onMachine(`docker service ps --filter desired-state=running --format '{{.CurrentState}}' ${slot}`))
      .split("\n")
      .map((state) => state.split(" ")[0]);
  await expect
    .poll(states, { timeout: 60_000, interval: 1000 })
    .toEqual(Array.from({ length: count }, () => "Running"));
}

/** Waits until the tested system answers, at most so long. */
export async function answering(withinSeconds: number): Promise<void> {
  const deadline = Date.now() + withinSeconds * 1000;
  while (Date.now() < deadline) {
    const { stdout } = await lab("status", "--json");
    const { systems } = JSON.parse(stdout || '{"systems":[]}') as {
      systems: { name: string; healthy: boolean }[];
    };
    if (systems.some(({ name, healthy }) => name === tested.name && healthy)) return;
    await sleep(500);
  }
  throw new Error(`${tested.name} does not answer after ${withinSeconds} s`);
}
