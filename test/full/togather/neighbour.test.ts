import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { execa } from "execa";
import { afterAll, beforeAll, expect, test } from "vitest";
import { home, labOk, onMachine, printTable, tunnelSetting } from "../support.ts";

/**
 * Two systems on one host, one failing forever. Pulumi deletes replaced slots only after a run without an error, so what the other
 * one's deploys leave behind must cost nothing. The second system is Togather's own stack file under another name, in a copy of the
 * project.
 */

const project = join(import.meta.dirname, "..", "..", "..");
const copied = ["components", "config.ts", "index.ts", "lab", "ops", "policy", "scripts", "stacks"];
let copy: string;

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
  writeFileSync(
    join(copy, "stacks/index.ts"),
    'import { neighbour } from "./neighbour.ts";\nimport { togather } from "./togather.ts";\nexport const systems = [togather, neighbour];\n',
  );
  const settings = readFileSync(join(copy, "Pulumi.production.yaml"), "utf8");
  const own =
    settings
      .match(/^ {2}togather:.*\n/gm)
      ?.join("")
      .replaceAll("togather:", "neighbour:") ?? "";
  writeFileSync(
    join(copy, "Pulumi.production.yaml"),
    `${settings.replace(/^( {4}togather: .*)$/m, "$1\n    neighbour: { host: main, domain: neighbour.togather.example }").trimEnd()}\n${own}`,
  );
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
      ...["lab/cli.ts", "up", "--set", tunnelSetting, "--set", "neighbour:postgres.tunnelPort=15441"],
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

test("ten deploys of one system while the other one fails leave what one leaves", async () => {
  const started = await up("v1.0.0", "v1.0.0");
  expect(started.exitCode, started.output.slice(-4000)).toBe(0);
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
