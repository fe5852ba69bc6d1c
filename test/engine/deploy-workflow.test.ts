import { spawnSync } from "node:child_process";
import {
  chmodSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { fileURLToPath } from "node:url";
import { execa } from "execa";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { parse } from "yaml";

/** The workflows. That a deploy's steps work is tested in test/full/togather/environments.test.ts, an image's in test/lab/image-workflow.test.ts. */
const root = new URL("../../", import.meta.url);
const read = (name: string) => readFileSync(new URL(`.github/workflows/${name}.yml`, root), "utf8");
const text = read("deploy");

interface Step {
  readonly name?: string;
  readonly uses?: string;
  readonly run?: string;
  readonly if?: string;
  readonly env?: Readonly<Record<string, string>>;
}
const workflow = parse(text) as {
  on: unknown;
  concurrency: unknown;
  jobs: { deploy: { "timeout-minutes": number; environment: string; steps: readonly Step[] } };
};
const { deploy } = workflow.jobs;
const scripts = deploy.steps.flatMap(({ run }) => run ?? []);
/** Every simple command of the steps: what stands in `$(…)` is one too. */
const commands = scripts
  .flatMap((script) => script.split("\n"))
  .flatMap((line) => line.split(/\|\||&&/))
  .flatMap((line) => {
    const [, inner] = /\$\((.*)\)/.exec(line) ?? [];
    return inner === undefined ? [line] : [inner];
  })
  .map((line) => line.trim())
  // Assignments and what is the shell's own.
  .filter((line) => line !== "" && !/^([A-Z]+\+?=\S*$|\[\[ )/.test(line));
const recording = "Preview and record the version";
const position = (name: string) => deploy.steps.findIndex((step) => step.name === name);

describe("deploy on tag", () => {
  test("a tag starts it, once at a time, for less than access may stay open", () => {
    expect(workflow.on).toEqual({ push: { tags: ["*/v*", "*/*/v*"] } });
    expect(workflow.concurrency).toMatchObject({ group: "deploy-production", "cancel-in-progress": false });
    expect(deploy["timeout-minutes"]).toBeLessThan(60);
  });

  test("others' actions are pinned by commit, and say which version that is", () => {
    const used = ["deploy", "preview", "image"].flatMap((name) =>
      read(name)
        .split("\n")
        .filter((line) => /^ *- uses:|^ +uses: (?!owner)/.test(line)),
    );
    expect(used).toHaveLength(9);
    for (const line of used) expect(line).toMatch(/uses: [\w-]+\/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$/);
  });

  test("the command line is of the version that npx pulumi launches", () => {
    const { dependencies } = JSON.parse(readFileSync(new URL("package.json", root), "utf8")) as {
      dependencies: Record<string, string>;
    };
    const install = deploy.steps[position("Install Pulumi")] as { with?: Record<string, string> };
    expect(install.with).toEqual({ "pulumi-version": dependencies.pulumi });
  });

  test("every command is one that there is, with options that it takes", () => {
    const { scripts: npm } = JSON.parse(readFileSync(new URL("package.json", root), "utf8")) as {
      scripts: Record<string, string>;
    };
    const options: Readonly<Record<string, string>> = {
      "pulumi config get": "--path --stack",
      "pulumi up": "--stack --yes --continue-on-error",
    };
    const foreign = /^(curl -4|docker buildx imagetools inspect|git config|install -m) /;
    for (const command of commands) {
      if (foreign.test(command) || command === "npm ci") continue;
      const pulumi = Object.keys(options).find((known) => command.startsWith(`${known} `));
      const [, room, name = ""] = /^npm run (\S+)(?: -- (\S+))?/.exec(command) ?? [];
      let allowed = pulumi === undefined ? "" : (options[pulumi] ?? "");
      if (pulumi === undefined) {
        expect(Object.keys(npm), command).toContain(room);
        if (room === "ops") {
          allowed = spawnSync(process.execPath, ["ops/cli.ts", name, "--help"], {
            cwd: root,
            encoding: "utf8",
          }).stdout;
          expect(allowed, command).toContain(`npm run ops -- ${name}`);
        }
      }
      for (const flag of command.match(/ --[a-z-]+/g) ?? []) {
        if (flag !== " --") expect(allowed, command).toContain(flag.trim());
      }
    }
    expect(commands).toEqual(expect.arrayContaining(["npm ci", "npm run check", "npm run test:unit"]));
  });

  test("it deploys the default branch, with the version of the tag", () => {
    const checkout = deploy.steps[0] as { with?: Record<string, unknown> };
    expect(checkout.with?.ref).toMatch(/^\$\{\{ github\.event\.repository\.default_branch }}$/);
  });

  test("it checks, previews, opens, deploys and closes, in this order, and closes whatever happens", () => {
    const order = [
      "Check",
      "Test",
      "Log in to the registries",
      recording,
      "Open SSH for this runner",
      "Deploy",
      "Close SSH",
    ].map(position);
    expect(order).not.toContain(-1);
    expect(order).toEqual(order.toSorted((a, b) => a - b));
    expect(deploy.steps[position("Close SSH")]).toMatchObject({ if: "always()" });
    expect(position("Close SSH")).toBe(position("Deploy") + 1);
    for (const step of deploy.steps) if (step.name !== "Close SSH") expect(step.if).toBeUndefined();
  });

  test("no secret and nothing from outside stands in a command: they come as variables", () => {
    for (const script of scripts) expect(script).not.toContain("${{");
    const names = [...text.matchAll(/^ *(\w+): \$\{\{ secrets\.\w+ \}\}$/gm)].map(([, name]) => name);
    expect(names).toHaveLength([...text.matchAll(/secrets\./g)].length);
    // What a shell expands in a command would be an argument; a here-string is none.
    for (const name of names) {
      for (const use of text.matchAll(new RegExp(`.*\\$\\{?${name}\\b.*`, "g"))) {
        expect(use[0]).toMatch(new RegExp(`<<<"\\$${name}"$`));
      }
    }
  });
});

describe("preview of a pull request", () => {
  interface Job {
    readonly if?: string;
    readonly needs?: string;
    readonly permissions?: unknown;
    readonly env?: Record<string, string>;
    readonly steps: readonly Step[];
  }
  const { on, permissions, jobs } = parse(read("preview")) as {
    on: object;
    permissions: unknown;
    jobs: { check: Job; preview: Job };
  };
  const step = jobs.preview.steps.find(({ name }) => name === "Preview");

  test("a fork's is checked, without a secret and without a right to write", () => {
    expect(Object.keys(on)).toEqual(["pull_request"]);
    expect(permissions).toEqual({ contents: "read" });
    expect(JSON.stringify(jobs.check)).not.toContain("secrets.");
    expect(jobs.check).not.toHaveProperty("permissions");
    expect(jobs.preview).toMatchObject({
      if: "github.event.pull_request.head.repo.full_name == github.repository",
      needs: "check",
      permissions: { contents: "read", "pull-requests": "write" },
    });
  });

  test.each([
    [
      "changes something",
      "echo '+ docker:index:Service togather_app'",
      0,
      "+ docker:index:Service togather_app",
    ],
    ["is refused", "echo 'togather:jwtSecret: missing' >&2; exit 255", 255, "togather:jwtSecret: missing"],
  ])("one that %s is in the comment, and its result is the check's", async (_what, pulumi, status, said) => {
    const folder = mkdtempSync(join(tmpdir(), "berth-preview-"));
    try {
      for (const [name, script] of [
        ["pulumi", pulumi],
        ["gh", `echo "$*" > ${folder}/said`],
      ] as const)
        writeFileSync(join(folder, name), `#!/bin/sh\n${script}\n`, { mode: 0o755 });
      const { exitCode } = await execa("bash", ["-e", "-c", step?.run ?? "exit 9"], {
        cwd: folder,
        reject: false,
        env: { STACK: "production", PULL_REQUEST: "7", PATH: `${folder}${delimiter}${process.env.PATH}` },
      });
      expect(exitCode).toBe(status);
      expect(readFileSync(join(folder, "said"), "utf8")).toBe(
        "pr comment 7 --edit-last --create-if-none --body-file comment.md\n",
      );
      expect(readFileSync(join(folder, "comment.md"), "utf8")).toContain(said);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});

/** The step as the runner runs it, in a clone of a bare repository; pulumi and docker are commands of the test. */
describe("the recorded version", () => {
  const digest = `sha256:${"ab".repeat(32)}`;
  let folder: string;
  let runner: string;
  let colleague: string;

  const git = async (directory: string, ...args: string[]) =>
    (
      await execa("git", [
        "-C",
        directory,
        "-c",
        "user.name=test",
        "-c",
        "user.email=test@example.org",
        ...args,
      ])
    ).stdout;
  /** The stack file as whoever clones the default branch gets it. */
  const published = () => git(join(folder, "origin.git"), "show", "main:Pulumi.production.yaml");
  const command = (name: string, script: string) => {
    const path = join(folder, "bin", name);
    writeFileSync(path, `#!/bin/sh\n${script}\n`);
    chmodSync(path, 0o755);
  };

  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), "berth-record-version-"));
    [runner, colleague] = [join(folder, "runner"), join(folder, "colleague")];
    mkdirSync(join(folder, "bin"));
    command("docker", `echo ${digest}`);
    // `config get` answers the repository; a preview notes the version that it saw.
    command(
      "pulumi",
      `case "$1" in config) echo ghcr.io/togather/togather-server ;; preview) grep togather:app: Pulumi.production.yaml | grep -o 'version: v[0-9.]*' >> ${folder}/previews ;; *) exit 1 ;; esac`,
    );
    mkdirSync(colleague);
    await git(colleague, "init", "--quiet", "--initial-branch=main");
    for (const name of [
      "ops",
      "components",
      "stacks",
      "policy",
      "config.ts",
      "package.json",
      "Pulumi.yaml",
    ]) {
      cpSync(new URL(name, root), join(colleague, name), { recursive: true });
    }
    symlinkSync(fileURLToPath(new URL("node_modules", root)), join(colleague, "node_modules"));
    writeFileSync(
      join(colleague, "Pulumi.production.yaml"),
      readFileSync(new URL("Pulumi.production.yaml", root)),
    );
    await git(colleague, "add", "--all");
    await git(colleague, "commit", "--quiet", "--message", "Begin");
    await git(folder, "clone", "--quiet", "--bare", colleague, "origin.git");
    await git(colleague, "remote", "add", "origin", join(folder, "origin.git"));
    await git(folder, "clone", "--quiet", "origin.git", runner);
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  async function record(version: string) {
    const step = deploy.steps[position(recording)];
    const { exitCode, all } = await execa("bash", ["-e", "-c", step?.run ?? "exit 9"], {
      cwd: runner,
      all: true,
      reject: false,
      timeout: 60_000,
      env: {
        STACK: "production",
        GITHUB_REF_NAME: `togather/${version}`,
        PATH: `${join(folder, "bin")}${delimiter}${process.env.PATH}`,
        HOME: folder,
      },
    });
    return { exitCode, output: String(all) };
  }

  test("is on the default branch, previewed, when the deploy begins; once more changes nothing", async () => {
    const before = await published();
    const { exitCode, output } = await record("v1.2.0");
    expect(exitCode, output).toBe(0);
    const after = await published();
    const file = parse(before);
    file.config["togather:app"].version = "v1.2.0";
    file.config["berth:images"]["togather/app"].digests = { "v1.2.0": digest };
    expect(parse(after)).toEqual(file);
    const comments = (text: string) => text.split("\n").filter((line) => line.startsWith("#"));
    expect(comments(after)).toEqual(comments(before));
    expect(readFileSync(join(folder, "previews"), "utf8")).toBe("version: v1.2.0\n");
    const log = await git(join(folder, "origin.git"), "log", "--format=%s", "main");
    expect(log).toBe("Deploy v1.2.0 to production\nBegin");

    expect((await record("v1.2.0")).output).toContain("says v1.2.0 already");
    expect(await git(join(folder, "origin.git"), "log", "--format=%s", "main")).toBe(log);
  });

  test("starts again from what somebody else pushed meanwhile", async () => {
    // The colleague's push falls between the runner's preview and its push.
    writeFileSync(
      join(folder, "meanwhile"),
      `git -C ${colleague} -c user.name=test -c user.email=test@example.org commit --quiet --allow-empty --message Meanwhile && git -C ${colleague} push --quiet origin main`,
    );
    command(
      "pulumi",
      `[ "$1" = preview ] || exec echo ghcr.io/togather/togather-server; [ -e ${folder}/once ] || { touch ${folder}/once; sh ${folder}/meanwhile; }`,
    );
    const { exitCode, output } = await record("v1.2.0");
    expect(exitCode, output).toBe(0);
    const log = await git(join(folder, "origin.git"), "log", "--format=%s", "main");
    expect(log).toBe("Deploy v1.2.0 to production\nMeanwhile\nBegin");
    expect(await git(runner, "rev-parse", "HEAD")).toBe(
      await git(join(folder, "origin.git"), "rev-parse", "main"),
    );
  });

  test("is not taken back by an older tag that runs late, nor moved to another image", async () => {
    await record("v1.10.0");
    const before = await published();
    const older = await record("v1.9.0");
    expect(older).toMatchObject({
      exitCode: 1,
      output: expect.stringContaining("togather:app.version: is v1.10.0, which is newer than v1.9.0"),
    });
    command("docker", `echo sha256:${"cd".repeat(32)}`);
    const moved = await record("v1.10.0");
    expect(moved).toMatchObject({ exitCode: 1, output: expect.stringContaining("make a new version") });
    expect(await published()).toBe(before);
  });

  test("is not recorded when its preview fails, or when the branch takes no push", async () => {
    const before = await published();
    command(
      "pulumi",
      '[ "$1" = preview ] || exec echo ghcr.io/togather/togather-server; echo no such image; exit 255',
    );
    expect(await record("v1.2.0")).toMatchObject({
      exitCode: 1,
      output: expect.stringContaining("no such image"),
    });
    expect(await git(runner, "status", "--porcelain")).toBe("");

    command("pulumi", '[ "$1" = preview ] || exec echo ghcr.io/togather/togather-server');
    const hook = join(folder, "origin.git", "hooks", "pre-receive");
    writeFileSync(hook, "#!/bin/sh\necho protected branch\nexit 1\n", { mode: 0o755 });
    expect(await record("v1.2.0")).toMatchObject({
      exitCode: 1,
      output: expect.stringContaining("protected branch"),
    });
    expect(await git(runner, "status", "--porcelain")).toBe("");
    expect(await git(runner, "log", "--format=%s")).toBe("Begin");
    expect(await published()).toBe(before);
  });
});
