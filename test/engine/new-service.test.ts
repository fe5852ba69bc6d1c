import { execFile } from "node:child_process";
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, test } from "vitest";

/** `npm run new-service` in a copy of the project: what it writes, the test that it writes, and what it refuses. */

const root = new URL("../../", import.meta.url).pathname;
const run = promisify(execFile);
let folder = "";

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "berth-new-service-"));
  const { stdout } = await run("git", ["-C", root, "ls-files", "--cached", "--others", "--exclude-standard"]);
  for (const file of stdout.trim().split("\n")) {
    if (!existsSync(join(root, file))) continue;
    mkdirSync(dirname(join(folder, file)), { recursive: true });
    cpSync(join(root, file), join(folder, file));
  }
  symlinkSync(join(root, "node_modules"), join(folder, "node_modules"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const newService = (...words: string[]) =>
  run(process.execPath, ["ops/new-service.ts", ...words], { cwd: folder }).then(
    ({ stdout }) => ({ code: 0, said: stdout }),
    (error: { code: number; stderr: string }) => ({ code: error.code, said: error.stderr }),
  );
const read = (path: string, at = folder) => readFileSync(join(at, path), "utf8");

test.each([
  [["sertantai"], "use: npm run new-service -- <system> <name>"],
  [["mfa", "controls"], 'no system "mfa" with a list of microservices; use one of: sertantai'],
  [["sertantai", "Controls"], '"Controls" is not a name; use 2 to 21 lower-case letters and digits'],
  [["sertantai", "legal-two"], '"legal-two" is not a name'],
  [["sertantai", "auth"], 'sertantai has "auth" already, lab/apps/sertantai/auth.ts; use another name'],
  [["sertantai", "postgres"], 'sertantai has "postgres" already'],
])("refuses %j and writes nothing", async (words, says) => {
  const { code, said } = await newService(...words);
  expect([code, said]).toEqual([1, expect.stringContaining(says)]);
  expect(read("stacks/sertantai.ts")).toBe(read("stacks/sertantai.ts", root));
});

test("adds a service by a block of at most 15 lines, and a test of it that passes", async () => {
  const { code, said } = await newService("sertantai", "controls");
  expect([code, said]).toEqual([0, expect.stringContaining("wrote test/program/sertantai-controls.test.ts")]);
  const before = read("stacks/sertantai.ts", root).split("\n");
  const after = read("stacks/sertantai.ts").split("\n");
  process.stdout.write(`${said}\nlines of the block: ${after.length - before.length}\n`);
  expect(after.length - before.length).toBeLessThanOrEqual(15);
  // The stack files gain the service's lines and lose none.
  for (const stack of ["production", "staging", "development"]) {
    const kept = read(`Pulumi.${stack}.yaml`).split("\n");
    const lost = read(`Pulumi.${stack}.yaml`, root)
      .split("\n")
      .filter((line) => !kept.includes(line));
    expect(lost).toEqual([]);
    expect(kept.filter((line) => line.includes("controls"))).toHaveLength(2);
  }
  const vitest = ["node_modules/vitest/vitest.mjs", "run", "--project", "unit"];
  const written = await run(process.execPath, [...vitest, "test/program/sertantai-controls.test.ts"], {
    cwd: folder,
  }).catch((error: { stdout: string }) => error);
  expect(written.stdout).toContain("1 passed");
}, 180_000);
