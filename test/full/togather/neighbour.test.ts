import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { execa } from "execa";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { home, labOk, onMachine, togather, tunnelSetting } from "../support.ts";
import { printTable } from "../tables.ts";

/** Two systems on one host. The second one is Togather's own stack file under another name, in a copy of the project. */

const project = join(import.meta.dirname, "..", "..", "..");
const copied = ["components", "config", "config.ts", "index.ts", "lab", "ops", "policy", "scripts", "stacks"];
let copy: string;
/** The edge's container before there was a second system. */
let before: string;

beforeAll(async () => {
  copy = mkdtempSync(join(home.stateDir, "neighbour-"));
  for (const name of [...copied, "Pulumi.yaml", "Pulumi.production.yaml", "package.json", "tsconfig.json"])
    cpSync(join(project, name), join(copy, name), { recursive: true });
  symlinkSync(join(project, "node_modules"), join(copy, "node_modules"));
  const stack = readFileSync(join(copy, "stacks/togather.ts"), "utf8");
  writeFileSync(
    join(copy, "stacks/neighbour.ts"),
    stack.replaceAll(/togather(?!\/(app|postgres)")/g, "neighbour"),
  );
  const systems = readFileSync(join(copy, "stacks/index.ts"), "utf8");
  writeFileSync(
    join(copy, "stacks/index.ts"),
    `import { neighbour } from "./neighbour.ts";\n${systems.replace(/\];\n$/, ", neighbour];\n")}`,
  );
  const settings = readFileSync(join(copy, "Pulumi.production.yaml"), "utf8");
  const own =
    settings
      .match(/^ {2}togather:.*\n/gm)
      ?.join("")
      .replaceAll("togather:", "neighbour:") ?? "";
  writeFileSync(
    join(copy, "Pulumi.production.yaml"),
    `${settings.replace(/^( {4}togather: .*)$/m, "$1\n    neighbour: { host: main, domain: neighbour.togather.example, edgeNetwork: 2 }").trimEnd()}\n${own}`,
  );
  await labOk("up");
  before = await edgeTask();
  const started = await up("v1.0.0", "v1.0.0");
  expect(started.exitCode, started.output.slice(-4000)).toBe(0);
});
afterAll(async () => {
  // The next file knows nothing of a second system.
  await labOk("down");
  rmSync(copy, { recursive: true, force: true });
});

async function up(version: string, neighbour: string) {
  const began = performance.now();
  const { exitCode, all } = await execa(
    "node",
    [
      ...[
        "lab/cli.ts",
        "up",
        "togather",
        "neighbour",
        "--set",
        tunnelSetting,
        "--set",
        "neighbour:postgres.tunnelPort=15441",
      ],
      ...["--set", `togather:app.version=${version}`, "--set", `neighbour:app.version=${neighbour}`],
      // What is never healthy need not be waited for.
      ...(neighbour.startsWith("broken")
        ? ["--set", 'neighbour:probe={"graceSeconds":0,"attempts":2,"intervalSeconds":1}']
        : []),
    ],
    { cwd: copy, all: true, reject: false, preferLocal: true },
  );
  return { exitCode, output: String(all), seconds: (performance.now() - began) / 1000 };
}

const edgeTask = () => onMachine("docker ps --quiet --no-trunc --filter label=berth.role=edge");

/** What curl, in the network of a service's container, gets from a URL: the status, 000 for no answer at all. */
async function asked(service: string, url: string, options = ""): Promise<string> {
  const label = service === "edge" ? "berth.role=edge" : `berth.resource=${service}`;
  const said = await onMachine(`
    container=$(docker ps --quiet --filter label=${label} | head -n 1)
    sudo nsenter --target "$(docker inspect --format '{{.State.Pid}}' "$container")" --net \
      curl --silent --insecure --output /dev/null --max-time 4 --write-out '%{http_code}' ${options} ${url} || true`);
  return said.trim();
}

/** Every address of a service's container, that on the host's bridge too. */
async function addressesOf(service: string): Promise<string[]> {
  const said = await onMachine(`
    container=$(docker ps --quiet --filter label=berth.resource=${service} | head -n 1)
    sudo nsenter --target "$(docker inspect --format '{{.State.Pid}}' "$container")" --net ip -4 -oneline address show scope global |
      awk '{ sub("/.*", "", $4); print $4 }'`);
  return said.trim().split("\n");
}

describe("a container of one system", () => {
  const adminPath = ":8080/api/v1/admin/jobs";

  test("does not reach the other's slot, by whatever address or name, and the edge does", async () => {
    const addresses = await addressesOf("togather_app");
    // The network of the edge, its own one with Postgres, and the host's bridge.
    expect(addresses).toHaveLength(3);
    const rows: string[][] = [];
    for (const address of addresses) {
      const url = `http://${address}${adminPath}`;
      rows.push([address, await asked("edge", url), await asked("neighbour_app", url)]);
    }
    printTable(
      "Togather's admin API by its addresses",
      ["address", "from the edge", "from the neighbour"],
      rows,
    );
    expect(rows.map(([, edge]) => edge).toSorted()).toEqual(["000", "000", "401"]);
    expect(rows.map(([, , neighbour]) => neighbour)).toEqual(["000", "000", "000"]);
    // Its own slot it reaches, so what asks works.
    expect(await asked("neighbour_app", "http://127.0.0.1:8080/health")).toBe("200");
    const { slot } = await togather();
    const lookup = (name: string) =>
      onMachine(
        `docker exec "$(docker ps --quiet --filter label=berth.resource=neighbour_app | head -n 1)" getent hosts ${name} || echo unknown`,
      );
    expect((await lookup(slot)).trim()).toBe("unknown");
    expect(await lookup("neighbour_postgres")).toMatch(/^10\./);
  });

  test("gets from the edge what everybody else gets", async () => {
    const { address, domain } = await togather();
    const through = `--resolve ${domain}:443:${address}`;
    expect(await asked("neighbour_app", `https://${domain}/health`, through)).toBe("200");
    expect(await asked("neighbour_app", `https://${domain}/api/v1/admin/jobs`, through)).toBe("403");
  });

  test("has a way out unless its networks are internal", async () => {
    const { address } = await togather();
    const outside = `https://${address}/`;
    // The edge answers nobody without a known name; that the connection came about is what counts.
    const connects = (service: string) => asked(service, outside, "--write-out '%{time_connect}'");
    expect(Number(await connects("neighbour_app"))).toBeGreaterThan(0);
    expect(Number(await connects("neighbour_postgres"))).toBe(0);
  });
});

test("the second system left the edge as it was", async () => {
  expect(await edgeTask()).toBe(before);
});

/** Tasks that are to run, containers that run, and their memory without caches, of Togather's app and of all. */
async function running() {
  const script = `
    tasks=$(docker service ls --filter label=berth.resource=togather_app --format '{{.Replicas}}' | awk -F/ '{ n += $2 } END { print n + 0 }')
    all=$(docker service ls --format '{{.Replicas}}' | awk -F/ '{ n += $2 } END { print n + 0 }')
    containers=$(docker ps --quiet | wc -l)
    memory=$(docker stats --no-stream --format '{{.MemUsage}}' | awk '/GiB \\// { n += $1 * 1024; next } { n += $1 } END { printf "%d", n }')
    echo "$tasks $all $containers $memory"`;
  const [app = 0, tasks = 0, containers = 0, mebibytes = 0] = (await onMachine(script))
    .trim()
    .split(" ")
    .map(Number);
  return { app, tasks, containers, mebibytes };
}

// Pulumi deletes replaced slots only after a run without an error, so what the other one's deploys leave behind must cost nothing.
test("ten deploys of one system while the other one fails leave what one leaves", async () => {
  const rows: (string | number)[][] = [];
  const seen: Awaited<ReturnType<typeof running>>[] = [];
  for (let deploy = 1; deploy <= 10; deploy += 1) {
    const version = deploy % 2 === 1 ? "v1.1.0" : "v1.0.0";
    const { exitCode, output, seconds } = await up(version, "broken-health");
    expect(exitCode, output.slice(-4000)).toBe(1);
    expect(output).toContain("neighbour_app-probe");
    const left = await running();
    seen.push(left);
    rows.push([deploy, version, seconds.toFixed(1), left.app, left.tasks, left.containers, left.mebibytes]);
  }
  printTable(
    "Togather deployed ten times beside a system that never becomes healthy",
    ["deploy", "version", "seconds", "tasks of the app", "tasks in all", "containers", "MiB"],
    rows,
  );
  const [first] = seen;
  const last = seen.at(-1);
  if (first === undefined || last === undefined) throw new Error("nothing was deployed");
  expect(last).toMatchObject({ app: 1, tasks: first.tasks, containers: first.containers });
  expect(last.mebibytes).toBeLessThan(first.mebibytes * 1.25);
});
