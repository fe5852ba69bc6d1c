import { once } from "node:events";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { execa } from "execa";
import { afterAll, beforeAll, expect, test } from "vitest";
import { ensureDocker, ensureNetwork, run, stopOwnDocker, withLock } from "../../lab/docker/index.ts";
import { labLabel } from "../../lab/docker/labels.ts";
import { labHome } from "../../lab/home.ts";
import { ownLab } from "./own-lab.ts";

let cacheDir: string;
const environment = (lab: string) => ({
  ...process.env,
  BERTH_LAB_HOME: cacheDir,
  ...ownLab(lab === "one" ? "docker-one" : "docker-two"),
  BERTH_LAB: lab,
});

beforeAll(async () => {
  cacheDir = await mkdtemp("/tmp/berth-docker-");
});
afterAll(async () => {
  for (const lab of ["two", "one"]) await stopOwnDocker(labHome(environment(lab)));
  await rm(cacheDir, { recursive: true, force: true });
});

/** Processes, mounts and interfaces of the engine below `cacheDir`. */
async function traces(): Promise<string[]> {
  const found = await Promise.all([
    run("ps", ["-eo", "args"]),
    readFile("/proc/self/mountinfo", "utf8"),
    run("ip", ["-brief", "link"]),
  ]);
  return found
    .flatMap((text) => text.split("\n"))
    .filter((line) => line.includes(cacheDir) || /^berth-(one|two)\s/.test(line));
}

/** What Docker and these two labs have; other labs of this machine come and go meanwhile. */
async function packetRules(): Promise<string[]> {
  return (await run("iptables-save", [])).split("\n").filter((line) => /docker|berth-(one|two)/i.test(line));
}

test("two commands at once start one engine; it outlives them and ends with the last lab", {
  timeout: 120_000,
}, async (context) => {
  const rules = await packetRules();
  const start = (lab: string) =>
    execa(process.execPath, ["--input-type=module", "-e", commandText], { env: environment(lab) });
  const [first, second] = await Promise.all([start("one"), start("two")]);
  expect(first.stdout).toBe(second.stdout);
  const { socketPath, own } = JSON.parse(first.stdout) as { socketPath: string; own: boolean };
  if (!own) {
    const reason = `this machine's own engine runs machines (${socketPath}), so the lab starts none`;
    console.log(`skipped: ${reason}`);
    context.skip(reason);
  }
  expect(socketPath).toBe(join(cacheDir, "docker", "docker.sock"));
  const engines = (await traces()).filter((line) => line.startsWith("dockerd "));
  expect(engines).toHaveLength(1);

  const [one, two] = [labHome(environment("one")), labHome(environment("two"))];
  const docker = await ensureDocker(one, () => undefined);
  await ensureNetwork(docker, one);
  await ensureNetwork(docker, one);
  await ensureNetwork(docker, two);
  await expect(ensureNetwork(docker, { ...one, subnet: "198.18.243.0/24" })).rejects.toThrow(
    `the lab "one" runs on ${one.subnet}, BERTH_LAB_SUBNET says 198.18.243.0/24`,
  );
  expect(await stopOwnDocker(one)).toBe("in use");
  expect(await stopOwnDocker(two)).toBe("in use");
  // One whose commands were killed leaves its network, and nothing that runs: the next lab with these addresses takes them over.
  const three = { ...two, name: "three" };
  await ensureNetwork(docker, three);
  const names = (await docker.client.listNetworks({ filters: { label: [labLabel] } })).map(
    ({ Name }) => Name,
  );
  expect(names.toSorted()).toEqual(["berth-one", "berth-three"]);
  await docker.client.getNetwork("berth-three").remove();
  await ensureNetwork(docker, two);
  await docker.client.getNetwork("berth-one").remove();

  // To a lab of another folder it is an engine of this machine: tried out, then used.
  const elsewhere = await mkdtemp("/tmp/berth-docker-");
  const guest = { ...environment("one"), BERTH_LAB_HOME: elsewhere, DOCKER_HOST: `unix://${socketPath}` };
  const { stdout } = await execa(process.execPath, ["--input-type=module", "-e", commandText], {
    env: guest,
  });
  expect(JSON.parse(stdout)).toEqual({ socketPath, own: false });
  expect(await stopOwnDocker(labHome(guest))).toBe("not ours");
  await rm(elsewhere, { recursive: true, force: true });
  expect(await docker.client.listContainers({ all: true })).toEqual([]);
  expect(await docker.client.listImages()).toEqual([]);

  // A command that has just found the engine has nothing in it yet.
  const found = execa(
    process.execPath,
    ["--input-type=module", "-e", `${commandText}process.stdin.resume();`],
    {
      env: environment("one"),
    },
  );
  await once(found.stdout, "data");
  expect(await stopOwnDocker(two)).toBe("in use");
  found.stdin.end();
  await found;

  expect(await stopOwnDocker(two)).toBe("stopped");
  expect(await traces()).toEqual([]);
  expect(await packetRules()).toEqual(rules);
  expect(await stopOwnDocker(two)).toBe("not ours");
});

test("a lock waits, ends with its holder, and says who has it", { timeout: 20_000 }, async () => {
  const file = join(cacheDir, "some.lock");
  const order: string[] = [];
  await Promise.all(
    ["a", "b"].map((name) =>
      withLock(file, 10, async () => {
        order.push(`${name} in`);
        await new Promise((resolve) => setTimeout(resolve, 50));
        order.push(`${name} out`);
      }),
    ),
  );
  expect(order.map((step) => step.slice(2))).toEqual(["in", "out", "in", "out"]);
  await withLock(file, 10, async () => {
    await expect(withLock(file, 1, async () => undefined)).rejects.toThrow(`fuser -v ${file}`);
  });
});

const commandText = `
  import { ensureDocker } from "${new URL("../../lab/docker/index.ts", import.meta.url)}";
  import { labHome } from "${new URL("../../lab/home.ts", import.meta.url)}";
  const docker = await ensureDocker(labHome(), () => undefined);
  console.log(JSON.stringify({ socketPath: docker.socketPath, own: docker.own }));
`;
