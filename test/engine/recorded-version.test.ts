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
import { deploy, position, recording, root } from "./workflow-files.ts";

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
      "scripts",
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
