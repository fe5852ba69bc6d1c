import { execFileSync, spawn, spawnSync } from "node:child_process";
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { shellQuote } from "../../components/host/connection.ts";
import { wholeScript } from "../../components/host/script.ts";
import { runOnHost, script } from "./host-script.ts";

/** A push to a host: real Git, a real bare repository and its hook; Docker is replaced by a script. */

const repository = "registry.example.org/mfa";
let folder: string;
let bare: string;
let app: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "berth-build-"));
  bare = join(folder, "git/mfa.git");
  app = join(folder, "app");
  mkdirSync(join(folder, "images"));
  declare();
  execFileSync("git", ["init", "--quiet", "--initial-branch", "main", app]);
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** A registry of files: its images by their tag, each with the Dockerfile that it was built from. */
const docker = `images=FOLDER/images
case "$1" in
  pull) [ -e "$images/\${3##*/}" ] || { echo "manifest unknown" >&2; exit 1; } ;;
  build)
    printf '%s\\n' "$@" >>FOLDER/builds
    [ ! -e FOLDER/slow ] || sleep 2
    for word in "$@"; do case $word in */Dockerfile) dockerfile=$word ;; registry*) tag=\${word##*/} ;; esac; done
    ! grep -q broken "$dockerfile" || { echo "RUN false returned 1"; exit 1; }
    cp "$dockerfile" "FOLDER/built-$tag"; ls "\${!#}" >FOLDER/sent ;;
  push) [ ! -e FOLDER/full ] || { echo "no space left on device"; exit 1; }; cp "FOLDER/built-\${2##*/}" "$images/\${2##*/}" ;;
  image) echo "registry.example.org/mfa@sha256:$(sha256sum <"$images/\${5##*/}" | cut -c 1-64)" ;;
esac`;

/** The hook's scripts on the host. */
function declare(more: Readonly<Record<string, string | number>> = {}) {
  const programs = {
    docker: docker.replaceAll("FOLDER", folder),
    mountpoint: "exit 0",
    // Everything is owned by the user who runs the test.
    install: `args=(); while [ $# -gt 0 ]; do case $1 in -o | -g) shift ;; *) args+=("$1") ;; esac; shift; done; exec /usr/bin/install "\${args[@]}"`,
  };
  const parameters = {
    NAME: "mfa",
    DIRECTORY: bare,
    REPOSITORY: repository,
    BRANCH: "main",
    DOCKERFILE: "Dockerfile",
    CONTEXT: ".",
    ARGUMENTS: "VITE_API_URL=https://api.example.org/a b",
    MEMORY_MEBIBYTES: 512,
    CPU_MICROSECONDS: 50_000,
    DEADLINE_SECONDS: 20,
    DEPLOY: "npm run ops -- push mfa --stack production",
    BUILD_PATH: join(folder, "build-mfa"),
    ...more,
  };
  const bin = join(folder, "bin");
  const lines = Object.entries(parameters).map(([key, value]) => `${key}=${shellQuote(String(value))}\n`);
  const file = (path: string) =>
    `#!/bin/bash\nPATH=${bin}:$PATH\n${lines.join("")}${wholeScript(script(path), "arguments and input")}`
      .replaceAll("/run/lock", folder)
      .replaceAll("/var/tmp", folder);
  const said = runOnHost(
    folder,
    programs,
    {
      ...{ DATA_VOLUME: folder, DIRECTORY: bare, BRANCH: "main", BUILD_PATH: parameters.BUILD_PATH },
      BUILD: file("build/scripts/build.sh"),
      HOOK: file("build/scripts/pre-receive.sh"),
    },
    script("build/scripts/repository.sh"),
  );
  expect(said).toMatchObject({ status: 0, stderr: "" });
}

function commit(files: Readonly<Record<string, string>>): string {
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(join(app, path, ".."), { recursive: true });
    writeFileSync(join(app, path), text);
  }
  const git = (...words: string[]) => execFileSync("git", ["-C", app, ...words], { encoding: "utf8" }).trim();
  git("add", "--all");
  git("-c", "user.name=A", "-c", "user.email=a@example.org", "commit", "--quiet", "--message", "Change");
  return git("rev-parse", "HEAD");
}

function push(...what: string[]) {
  const said = spawnSync("git", ["-C", app, "push", bare, ...what], { encoding: "utf8" });
  return { status: said.status, said: said.stderr.replaceAll(/^remote: ?/gm, "").replaceAll(/ +$/gm, "") };
}
const branches = () =>
  execFileSync("git", ["-C", bare, "branch", "--format=%(refname:short)"], { encoding: "utf8" }).trim();
const builds = () => (existsSync(join(folder, "builds")) ? readFileSync(join(folder, "builds"), "utf8") : "");

describe("a push to main", () => {
  test("is built with its arguments, labels and limits, pushed, and says that nothing is deployed", () => {
    const head = commit({ Dockerfile: "FROM scratch\n", "src/a": "a" });
    const { status, said } = push("main");
    expect(status, said).toBe(0);
    expect(said).toMatch(
      new RegExp(
        `mfa: built ${head} as sha256:[0-9a-f]{64}; nothing is deployed yet\nDeploy it: npm run ops -- push mfa --stack production --ref ${head}`,
      ),
    );
    expect(branches()).toBe("main");
    const words = builds().split("\n");
    for (const word of [
      "VITE_API_URL=https://api.example.org/a b",
      `VERSION=g${head.slice(0, 12)}`,
      `REVISION=${head}`,
      `org.opencontainers.image.revision=${head}`,
      "512m",
      "50000",
    ])
      expect(words).toContain(word);
    expect(readFileSync(join(folder, "sent"), "utf8")).toBe("Dockerfile\nsrc\n");
    // No temporary folder is left beside the repository.
    expect(
      execFileSync("sh", ["-c", `ls -d ${folder}/berth-build-mfa.* 2>/dev/null || true`], {
        encoding: "utf8",
      }),
    ).toBe("");
  });

  test("is refused when its build fails, and changes nothing", () => {
    commit({ Dockerfile: "FROM scratch\n" });
    expect(push("main").status).toBe(0);
    const good = execFileSync("git", ["-C", bare, "rev-parse", "main"], { encoding: "utf8" });
    const bad = commit({ Dockerfile: "broken\n" });
    const { status, said } = push("main");
    expect(status).not.toBe(0);
    expect(said).toContain("RUN false returned 1");
    expect(said).toContain(`the build of ${bad.slice(0, 12)} failed, as said above. Nothing was changed`);
    expect(execFileSync("git", ["-C", bare, "rev-parse", "main"], { encoding: "utf8" })).toBe(good);
  });

  test("is refused when the image cannot be pushed, and succeeds afterwards", () => {
    commit({ Dockerfile: "FROM scratch\n" });
    writeFileSync(join(folder, "full"), "");
    const { status, said } = push("main");
    expect(status).not.toBe(0);
    expect(said).toMatch(/was built, but cannot be pushed: no space left on device\. Nothing was changed/);
    rmSync(join(folder, "full"));
    expect(push("main").status).toBe(0);
  });

  test.each([
    ["without its Dockerfile", {}, /has no Dockerfile \(berth:builds\.mfa\.dockerfile\)\. Nothing was built/],
    ["without its folder", { CONTEXT: "apps/web" }, /has no folder apps\/web \(berth:builds\.mfa\.context\)/],
  ])("%s is refused", (_what, more, says) => {
    declare(more);
    commit("CONTEXT" in more ? { Dockerfile: "FROM scratch\n" } : { README: "none" });
    const { status, said } = push("main");
    expect(status).not.toBe(0);
    expect(said).toMatch(says);
    expect(builds()).toBe("");
  });
});

test("another branch is accepted, not built, and this is reported", () => {
  commit({ Dockerfile: "FROM scratch\n" });
  const { status, said } = push("main:refs/heads/feature");
  expect(status).toBe(0);
  expect(said).toContain(
    "mfa: refs/heads/feature was taken; nothing is built or deployed of it: that is for main alone",
  );
  expect(builds()).toBe("");
  expect(push("--delete", "feature").said).toContain("deletion prohibited");
});

test("a commit whose image is there is not built again, whichever way it is asked for", () => {
  const head = commit({ Dockerfile: "FROM scratch\n" });
  push("main");
  const before = builds();
  const again = spawnSync(join(folder, "build-mfa"), [head], { encoding: "utf8" });
  expect(again.stderr).toBe(`the registry has ${repository}:g${head.slice(0, 12)} already\n`);
  expect(again.stdout).toMatch(/^sha256:[0-9a-f]{64}\n$/);
  expect(builds()).toBe(before);
  // A collected image is built again, from the commit on the host.
  rmSync(join(folder, "images"), { recursive: true });
  mkdirSync(join(folder, "images"));
  expect(spawnSync(join(folder, "build-mfa"), [head], { encoding: "utf8" }).stdout).toBe(again.stdout);
  expect(spawnSync(join(folder, "build-mfa"), ["main"], { encoding: "utf8" }).stderr).toBe(
    '"main" is not a commit; use its 40 hex digits\n',
  );
});

test("two pushes at once: one after the other, both reported", async () => {
  commit({ Dockerfile: "FROM scratch\n" });
  push("main");
  writeFileSync(join(folder, "slow"), "");
  const first = commit({ Dockerfile: "FROM scratch\nLABEL a=1\n" });
  const one = pushBeside(first);
  await expect
    .poll(
      () =>
        builds()
          .split("\n")
          .filter((word) => word === "build").length,
      { timeout: 10_000 },
    )
    .toBe(2);
  const second = commit({ Dockerfile: "FROM scratch\nLABEL a=2\n" });
  const other = pushBeside(second);
  const [a, b] = await Promise.all([one, other]);
  expect(a.said).toContain(`built ${first} as`);
  expect(b.said).toContain("another push of mfa is being built; waiting for it");
  // It was built too; Git then reports that the branch has moved, or accepts it.
  expect(b.said).toContain(`built ${second} as`);
  expect([a.status, b.status].includes(0)).toBe(true);
});

function pushBeside(head: string): Promise<{ status: number | null; said: string }> {
  const child = spawn("git", ["-C", app, "push", "--force", bare, `${head}:refs/heads/main`]);
  let said = "";
  child.stderr.on("data", (chunk: Buffer) => {
    said += chunk.toString();
  });
  return new Promise((resolve) => child.on("close", (status) => resolve({ status, said })));
}

test("manual changes are reverted by the next run, and the commits are kept", () => {
  const head = commit({ Dockerfile: "FROM scratch\n" });
  push("main");
  const hook = join(bare, "hooks/pre-receive");
  const whole = readFileSync(hook, "utf8");
  writeFileSync(hook, "exit 1");
  chmodSync(hook, 0o644);
  declare();
  expect(readFileSync(hook, "utf8")).toBe(whole);
  expect(execFileSync("git", ["-C", bare, "rev-parse", "main"], { encoding: "utf8" }).trim()).toBe(head);
  expect(() => execFileSync(hook, [], { input: "" })).not.toThrow();
});
