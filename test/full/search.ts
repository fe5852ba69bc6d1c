import { afterAll, afterEach, beforeAll, expect } from "vitest";
import { ensureDocker } from "../../lab/docker/index.ts";
import { findCanaries, machineSources, plantedCanaries, stateTexts } from "./canaries.ts";
import { captured, home, lab, labOk, onMachine, ops, sampler, tested, testSystem } from "./support.ts";
import { type TestedSystem, togatherSystem } from "./systems.ts";

/**
 * For the top of a file of scenarios: starts Togather in the lab by an `up` with these options, and searches for canaries after each
 * scenario.
 */
export function scenarios(...options: readonly string[]): void {
  scenariosOf(togatherSystem, ...options);
}

/** The same for another system. The lab runs it and no other: what an earlier file has left of others goes first. */
export function scenariosOf(system: TestedSystem, ...options: readonly string[]): void {
  testSystem(system);
  beforeAll(async () => {
    sampler.start();
    await endOtherSystems(system.name);
    await labOk("up", ...options);
  });
  afterEach(expectNoCanaries);
  afterAll(() => sampler.stop());
}

/** Ends the lab if it runs any other system than these. */
export async function endOtherSystems(...names: readonly string[]): Promise<void> {
  const { stdout } = await lab("status", "--json");
  const { systems } = JSON.parse(stdout || '{"systems":[]}') as { systems: { name: string }[] };
  if (systems.some(({ name }) => !names.includes(name))) await labOk("down");
}

export async function expectNoCanaries(): Promise<void> {
  const canaries = plantedCanaries(home.stateDir);
  expect(canaries.map(({ key }) => key)).toEqual(
    expect.arrayContaining([...tested.canaries, "hcloud:token"]),
  );
  // The search is meaningful only while the searched values are in use.
  // After `ops back` the serving slot is not the one in the state.
  // One that a release is just removing may end before it is read.
  const inUse = await onMachine(
    `for id in $(docker ps --quiet --filter label=berth.resource=${tested.name}_${tested.service} --filter health=healthy); do docker exec "$id" cat /run/secrets/${tested.rotated.file} && break; done`,
  );
  expect(canaries.some(({ value }) => inUse.includes(value))).toBe(true);

  const texts = stateTexts(home.stateDir);
  texts.set("what the commands printed", captured.join("\n"));
  texts.set("argument lists of processes", sampler.text);
  for (const [name, script] of Object.entries(machineSources)) {
    texts.set(`the machine's ${name}`, await onMachine(script, 120));
  }
  const logs = await ops("logs", tested.name, "--since", "1d");
  expect(logs.exitCode, logs.output.slice(-2000)).toBe(0);
  texts.set("what ops logs shows", logs.output);
  const outer = await ensureDocker(home, () => undefined);
  const containers = await outer.client.listContainers({ all: true });
  const inspected = await Promise.all(containers.map(({ Id }) => outer.client.getContainer(Id).inspect()));
  texts.set("the machines as containers", JSON.stringify(inspected));
  process.stdout.write(
    `canaries: ${canaries.length} searched for in ${texts.size} places, ${sampler.count} argument lists\n`,
  );
  expect(findCanaries(canaries, texts)).toEqual([]);
}
