import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { runOnHost } from "./host-script.ts";

/** How a host's scripts install packages: in a real bash, with apt and dpkg stood in for. */

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "berth-packages-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

/** `git` is there, nothing else. */
function install(packages: string, apt = "exit 0") {
  const log = join(folder, "apt");
  const programs = {
    "dpkg-query": "for last; do :; done\ncase $last in git) printf installed ;; *) exit 1 ;; esac",
    "apt-get": `echo "$DEBIAN_FRONTEND $*" >>${log}\n${apt}`,
  };
  const said = runOnHost(folder, programs, {}, `install_packages ${packages}`);
  let asked = "";
  try {
    asked = readFileSync(log, "utf8");
  } catch {}
  return { ...said, asked };
}

test("what is missing is installed, in one run of apt that waits for another one", () => {
  const { status, asked } = install("git certbot nftables");
  const lock = "noninteractive -o DPkg::Lock::Timeout=120";
  expect(status).toBe(0);
  expect(asked).toBe(`${lock} update\n${lock} install --yes certbot nftables\n`);
});

test("with nothing missing, apt is not asked", () => {
  expect(install("git")).toMatchObject({ status: 0, asked: "" });
});

test("a refusal says apt's own words", () => {
  const { status, stderr } = install("certbot", "echo 'E: no such package' >&2; exit 100");
  expect(status).toBe(1);
  expect(stderr).toBe("the packages certbot cannot be installed: E: no such package\n");
});
