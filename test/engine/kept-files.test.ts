import { chmodSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { keepingFiles } from "../../components/host/kept-files.ts";
import { hostPaths } from "../../components/host/paths.ts";
import { fileDrift } from "../../ops/drift.ts";
import { deployment } from "../unit/ops-fixtures.ts";
import { runOnHost } from "./host-script.ts";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "berth-files-"));
  mkdirSync(join(folder, "sites"));
});
afterEach(() => rmSync(folder, { recursive: true }));

const record = () => join(folder, "files", "command");

function command(body: string) {
  const kept = keepingFiles("command", [join(folder, "main.conf"), join(folder, "sites")], body);
  const parameters = { ...kept.parameters, KEPT_FILES_RECORD: record(), FOLDER: folder };
  return runOnHost(folder, {}, parameters, kept.body);
}

/** As `ops drift` asks, on a host that has its records in the folder. */
async function drift() {
  const found = await fileDrift(deployment([]), async (_ssh, _args, { input = "" }) => {
    const script = input.replaceAll(hostPaths.filesRecords, join(folder, "files"));
    return runOnHost(folder, {}, {}, script).stdout;
  });
  return found.map(({ path, what }) => `${path.slice(folder.length + 1)} ${what}`);
}

test("what a command wrote is recorded, also when it ends early, and compared with what is there", async () => {
  const done = command('echo a >"$FOLDER/main.conf"\necho b >"$FOLDER/sites/b.conf"\necho said\nexit 0');
  expect(done).toEqual({ status: 0, stdout: "said\n", stderr: "" });
  expect(await drift()).toEqual([]);
  writeFileSync(join(folder, "main.conf"), "by hand");
  chmodSync(join(folder, "sites", "b.conf"), 0o777);
  writeFileSync(join(folder, "sites", "c.conf"), "new");
  expect(await drift()).toEqual(["main.conf changed", "sites/b.conf changed", "sites/c.conf not Berth's"]);
  rmSync(join(folder, "main.conf"));
  expect((await drift())[0]).toBe("main.conf gone");
  expect(
    command('echo a >"$FOLDER/main.conf"\nchmod 600 "$FOLDER"/sites/*\nrm "$FOLDER/sites/c.conf"').status,
  ).toBe(0);
  expect(await drift()).toEqual([]);
});

test("a command that fails records nothing, and fails as before", () => {
  const failed = command('trap \'echo ended\' EXIT\necho a >"$FOLDER/main.conf"\nfail "no room"\necho never');
  expect(failed).toEqual({ status: 1, stdout: "ended\n", stderr: "no room\n" });
  expect(existsSync(record())).toBe(false);
});
