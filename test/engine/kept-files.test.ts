import { chmodSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { keepingFiles, listFilesScript } from "../../components/host/kept-files.ts";
import { compareFiles } from "../../ops/drift.ts";
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

/** As `ops drift` asks. */
function drift() {
  const script = `${listFilesScript}echo command one; cat "$RECORD"; echo now; sed -n 's/^# //p' "$RECORD" | list_files`;
  const { stdout } = runOnHost(folder, {}, { RECORD: record() }, script);
  return compareFiles("main", stdout).map(({ path, what }) => `${path.slice(folder.length + 1)} ${what}`);
}

test("what a command wrote is recorded, also when it ends early, and compared with what is there", () => {
  const done = command('echo a >"$FOLDER/main.conf"\necho b >"$FOLDER/sites/b.conf"\necho said\nexit 0');
  expect(done).toEqual({ status: 0, stdout: "said\n", stderr: "" });
  expect(drift()).toEqual([]);
  writeFileSync(join(folder, "main.conf"), "by hand");
  chmodSync(join(folder, "sites", "b.conf"), 0o777);
  writeFileSync(join(folder, "sites", "c.conf"), "new");
  expect(drift()).toEqual(["main.conf changed", "sites/b.conf changed", "sites/c.conf not Berth's"]);
  rmSync(join(folder, "main.conf"));
  expect(drift()[0]).toBe("main.conf gone");
  expect(
    command('echo a >"$FOLDER/main.conf"\nchmod 600 "$FOLDER"/sites/*\nrm "$FOLDER/sites/c.conf"').status,
  ).toBe(0);
  expect(drift()).toEqual([]);
});

test("a command that fails records nothing, and fails as before", () => {
  const failed = command('trap \'echo ended\' EXIT\necho a >"$FOLDER/main.conf"\nfail "no room"\necho never');
  expect(failed).toEqual({ status: 1, stdout: "ended\n", stderr: "no room\n" });
  expect(existsSync(record())).toBe(false);
});
