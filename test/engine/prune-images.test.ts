import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { runOnHost, script } from "./host-script.ts";

/** Which images a host removes; Docker and the disk are replaced by scripts. */

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "berth-prune-"));
  for (const name of ["deployments", "migrations"]) mkdirSync(join(folder, name));
  const history = ["v1", "v2", "v3", "v4", "v5"].map((version) =>
    JSON.stringify({ outcome: version === "v5" ? "failed" : "success", image: `app:${version}` }),
  );
  writeFileSync(join(folder, "deployments/app.history.jsonl"), `${history.join("\n")}\n`);
  writeFileSync(join(folder, "migrations/app"), "app:v0\n");
  writeFileSync(join(folder, "images"), `${all.join("\n")}\n`);
});
afterEach(() => rmSync(folder, { recursive: true }));

/** `app:v9` was just pulled by a release; `old` is unused. */
const all = ["app:v0", "app:v1", "app:v2", "app:v3", "app:v4", "app:v5", "app:v9", "edge:1", "old:1"];
const images = () => readFileSync(join(folder, "images"), "utf8").trim().split("\n");

/** @param freeMebibytes what the disk has left */
function prune(freeMebibytes: number, ...args: string[]) {
  const file = join(folder, "images");
  const programs = {
    df: `printf 'Avail\\n${freeMebibytes}\\n'`,
    flock: "exit 0",
    docker: `case "$*" in
  "ps --all --quiet") echo container ;;
  "inspect --format {{.Image}} container") echo edge:1 ;;
  "service ls --quiet") echo slot ;;
  "service inspect"*) echo app:v4 ;;
  "image ls"*) cat ${file} ;;
  "image inspect --format {{.Id}} "*) grep -x -F "$5" ${file} ;;
  "image rm --force "*) grep -v -x -F "$4" ${file} >${file}.new; mv ${file}.new ${file} ;;
esac`,
  };
  const body = script("host/scripts/prune-images.sh")
    .replaceAll("/var/lib/berth", folder)
    .replaceAll("/run/lock", folder);
  return runOnHost(folder, programs, { FLOOR_MEBIBYTES: 1024 }, `set -- ${args.join(" ")}\n${body}`);
}

const needed = ["app:v0", "app:v2", "app:v3", "app:v4", "edge:1"];

test("images that serve or migrated and the last three versions are kept; others are removed when two daily runs have found them unused", () => {
  expect(prune(50_000)).toMatchObject({ status: 0, stderr: "" });
  expect(images()).toEqual(all);
  // Between the two runs a release has pulled one more.
  writeFileSync(join(folder, "images"), `${[...all, "app:v10"].join("\n")}\n`);
  expect(prune(50_000)).toMatchObject({ status: 0, stderr: "" });
  expect(images().toSorted()).toEqual([...needed, "app:v10"].toSorted());
});

test("with too little free space, or when a snapshot needs space, unused images are removed at once", () => {
  expect(prune(1000)).toMatchObject({ status: 0 });
  expect(images()).toEqual(needed);
  writeFileSync(join(folder, "images"), `${all.join("\n")}\n`);
  const { stdout } = prune(50_000, "now");
  expect(stdout).toContain("removed the image old:1, which nothing needs");
  expect(images()).toEqual(needed);
});
