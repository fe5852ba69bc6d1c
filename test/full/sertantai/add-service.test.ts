import { cpSync, existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { execa } from "execa";
import { afterAll, expect, test } from "vitest";
import { scenariosOf } from "../search.ts";
import { labOk, onMachine, running } from "../support.ts";
import { sertantaiSystem } from "../systems.ts";
import { printTable } from "../tables.ts";

/** A microservice is added to a running Sertantai by `npm run new-service`, in a copy of the project that deploys the same lab. */

scenariosOf(sertantaiSystem);

const root = new URL("../../../", import.meta.url).pathname;
const folder = mkdtempSync(join(tmpdir(), "berth-add-service-"));
afterAll(async () => {
  // It runs a service that this project does not have.
  await labOk("down");
  rmSync(folder, { recursive: true, force: true });
});
const inCopy = (...words: string[]) =>
  execa(process.execPath, words, { cwd: folder, all: true, timeout: 900_000 });

test("the preview creates and changes the certificate's or DNS' list alone; what runs stays, and the new service answers", async () => {
  const { stdout } = await execa("git", [
    "-C",
    root,
    "ls-files",
    "--cached",
    "--others",
    "--exclude-standard",
  ]);
  for (const file of stdout.split("\n").filter((each) => existsSync(join(root, each)))) {
    mkdirSync(dirname(join(folder, file)), { recursive: true });
    cpSync(join(root, file), join(folder, file));
  }
  symlinkSync(join(root, "node_modules"), join(folder, "node_modules"));
  const containers = () => onMachine("docker ps --quiet --filter label=berth.system=sertantai | sort");
  const before = (await containers()).trim().split("\n");
  await inCopy("ops/new-service.ts", "sertantai", "controls");
  const lab = (command: string) => inCopy("lab/cli.ts", command, "sertantai", ...sertantaiSystem.options);
  const preview = await lab("preview");
  process.stdout.write(`${preview.all}\n`);
  const operations = [...preview.all.matchAll(/^\s*\S+ (create|update|replace|delete)\s+(\S+) (\S+)/gm)];
  const changed = operations.filter(([, what]) => what !== "create");
  printTable(
    "a microservice is added",
    ["operation", "resource"],
    operations.map(([, what = "", type = "", name = ""]) => [what, `${type} ${name}`]),
  );
  expect(operations.length).toBeGreaterThan(10);
  expect(changed.filter(([, what]) => what !== "update")).toEqual([]);
  expect(changed.length).toBeLessThanOrEqual(1);
  await lab("up");
  const after = (await containers()).trim().split("\n");
  // Every container of before is there; one is new.
  expect(after.filter((each) => !before.includes(each))).toHaveLength(1);
  expect(before.filter((each) => !after.includes(each))).toEqual([]);
  expect((await running("sertantai", "controls")).healthy).toBe(true);
  const answer = await onMachine(
    "curl --insecure --silent --resolve controls.sertantai.com:443:127.0.0.1 https://controls.sertantai.com/health",
  );
  expect(JSON.parse(answer)).toMatchObject({ status: "ok" });
});
