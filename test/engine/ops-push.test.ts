import { execFileSync } from "node:child_process";
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { Backend, StackLock } from "../../ops/backend.ts";
import { pushAndDeploy, readBuild } from "../../ops/push.ts";
import { withVersion } from "../../ops/record-version.ts";
import { runCommand } from "../../ops/run.ts";
import { deployment, resource } from "../unit/ops-fixtures.ts";

/** `ops push` with real Git, to a real repository by an ssh that stays here; test/engine/build-repository.test.ts has the host's side. */

let folder: string;
let app: string;
const git = (...words: string[]) => execFileSync("git", words, { encoding: "utf8" }).trim();
const digest = `sha256:${"ab".repeat(32)}`;
const file = () => readFileSync(join(folder, "Pulumi.production.yaml"), "utf8");

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "berth-push-"));
  app = join(folder, "app");
  const bare = join(folder, "data/git/mfa.git");
  git("init", "--quiet", "--bare", "--initial-branch", "main", bare);
  git("-C", bare, "config", "receive.advertisePushOptions", "true");
  program(
    "data/git/mfa.git/hooks/pre-receive",
    '[ ! -e FOLDER/broken ] || { echo "RUN false returned 1"; exit 1; }\necho "built, $GIT_PUSH_OPTION_0"',
  );
  program("berth/build-mfa", `echo "$1" >>FOLDER/asked\necho ${digest}`);
  // Git talks by the same standard input: nothing of it may be changed.
  program(
    "bin/ssh",
    // biome-ignore lint/suspicious/noTemplateCurlyInString: bash's last argument.
    'command=$(printf %s "${!#}" | sed "s#/mnt/data#FOLDER/data#")\ncase $command in *bash*) sed "s#/usr/local/lib/berth#FOLDER/berth#" | sh -c "$command" ;; *) exec sh -c "$command" ;; esac',
  );
  vi.stubEnv("PATH", `${join(folder, "bin")}:${process.env.PATH}`);
  git("init", "--quiet", "--initial-branch", "main", app);
  writeFileSync(
    join(folder, "Pulumi.production.yaml"),
    `# Kept.
config:
  berth:builds:
    mfa: { host: main, image: mfa/app, setting: "mfa:app" }
  berth:images:
    mfa/app: { repository: registry.example.org/mfa }
  mfa:app: { version: v1 }
`,
  );
});
afterEach(() => {
  vi.unstubAllEnvs();
  rmSync(folder, { recursive: true });
});

function program(path: string, body: string): void {
  const whole = join(folder, path);
  mkdirSync(join(whole, ".."), { recursive: true });
  writeFileSync(whole, `#!/bin/bash\n${body.replaceAll("FOLDER", folder)}\n`);
  chmodSync(whole, 0o755);
}

function commit(): string {
  const by = ["-c", "user.name=A", "-c", "user.email=a@example.org"];
  git("-C", app, ...by, "commit", "--quiet", "--allow-empty", "--message", "Change");
  return git("-C", app, "rev-parse", "HEAD");
}

interface PushOptions {
  readonly exitCode?: number;
  readonly name?: string;
  /** Whose runs are met, one a look; undefined is nobody's. */
  readonly locks?: (StackLock | undefined)[];
  /** What serves afterwards, when that is not what was recorded. */
  readonly other?: string;
}

async function push(ref: string, { exitCode = 0, name = "mfa", locks = [], other }: PushOptions = {}) {
  const said: string[] = [];
  const deployed: string[] = [];
  const path = join(folder, "Pulumi.production.yaml");
  const build = readBuild(folder, "production", name);
  let serves = "v1";
  const code = await pushAndDeploy({
    ...{
      stack: "production",
      name,
      build,
      ref,
      folder: app,
      run: runCommand,
      file: "Pulumi.production.yaml",
    },
    backend: {
      read: async () =>
        deployment([
          resource("pulumi:pulumi:Stack", "berth-production", {
            outputs: { systems: { mfa: { services: { app: { version: serves } } } } },
          }),
        ]),
      lock: async () => locks.shift(),
      opsCommand: "npm run ops --",
    } as unknown as Backend,
    record: (wanted) => writeFileSync(path, withVersion("Pulumi.production.yaml", file(), wanted)),
    up: async () => {
      deployed.push(file());
      serves = other ?? /mfa:app: \{ version: (\w+)/.exec(file())?.[1] ?? "";
      return exitCode;
    },
    print: (line) => said.push(line),
  });
  return { code, said: said.join("\n"), deployed };
}

test("a commit is built on its host, recorded with its digest and deployed", async () => {
  const head = commit();
  const { code, said, deployed } = await push("main");
  const version = `g${head.slice(0, 12)}`;
  expect(code).toBe(0);
  expect(said).toMatch(
    new RegExp(
      `^Pulumi\\.production\\.yaml: mfa:app is ${version}, ${digest}\\. Deploying\nstep +seconds\n.*\npush and build +\\d.*\ndeploy +\\d.*\nin all +\\d.*\nmfa ${version} is deployed\\.$`,
    ),
  );
  expect(deployed).toEqual([file()]);
  expect(file()).toMatch(/^# Kept\.\n/);
  expect(file()).toContain(`mfa:app: { version: ${version} }`);
  expect(file()).toContain(`${version}: ${digest}`);
  expect(git("-C", join(folder, "data/git/mfa.git"), "rev-parse", "main")).toBe(head);
});

test("going back is the same with an earlier commit", async () => {
  const before = commit();
  commit();
  await push("main");
  const { code } = await push(before);
  expect(code).toBe(0);
  expect(file()).toContain(`version: g${before.slice(0, 12)}`);
  expect(readFileSync(join(folder, "asked"), "utf8").trim().split("\n").at(-1)).toBe(before);
  // The branch is there already: nothing is pushed, and it is deployed all the same.
  expect((await push(before)).code).toBe(0);
});

test("a build that fails changes nothing, and is this command's failure", async () => {
  commit();
  const text = file();
  writeFileSync(join(folder, "broken"), "");
  const { code, said, deployed } = await push("main");
  expect(code).not.toBe(0);
  expect(said).toBe("The push was refused: nothing was changed, mfa goes on as it is.");
  expect([deployed, file()]).toEqual([[], text]);
});

test("a deploy that fails is this command's failure, and says how to go back", async () => {
  const head = commit();
  const { code, said } = await push("main", { exitCode: 255 });
  expect(code).toBe(255);
  expect(said).toContain(
    `The deploy failed, as said above, and Pulumi.production.yaml names g${head.slice(0, 12)}. Go on with up when the reason is gone, or go back: npm run ops -- push mfa --ref <the commit before> --stack production`,
  );
});

const run = (owner: string): StackLock => ({ owner, host: "elsewhere", pid: 1 });

test("waits for the run of somebody else, and records nothing meanwhile", async () => {
  commit();
  const { code, said } = await push("main", { locks: [run("anna@laptop"), run("anna@laptop"), undefined] });
  expect(code).toBe(0);
  expect(said).toMatch(
    /^anna@laptop deploys undefined; waiting for that to end\nPulumi\.production\.yaml: mfa:app is g/,
  );
});

test("a run that begins between the look and the deploy is waited for, and the deploy is made again", async () => {
  const head = commit();
  const { code, said, deployed } = await push("main", {
    exitCode: 255,
    locks: [undefined, run("anna@laptop"), undefined, undefined],
  });
  expect(code).toBe(255);
  expect(deployed).toHaveLength(2);
  expect(said.match(new RegExp(`mfa:app is g${head.slice(0, 12)}`, "g"))).toHaveLength(2);
});

test("says what is deployed when that is not what was pushed", async () => {
  const head = commit();
  const { code, said } = await push("main", { other: "g0123456789ab" });
  expect(code).toBe(1);
  expect(said).toContain(
    `g${head.slice(0, 12)} was built, but g0123456789ab is deployed: another deploy has taken its place. Push again to deploy it.`,
  );
});

test("another repository moves the image there, with the version", async () => {
  commit();
  writeFileSync(
    join(folder, "Pulumi.production.yaml"),
    file().replace('setting: "mfa:app"', 'setting: "mfa:app", repository: registry.mfa.example/app'),
  );
  expect((await push("main")).code).toBe(0);
  expect(file()).toContain("mfa/app: { repository: registry.mfa.example/app, digests: { g");
});

test("a push that meets another one on the branch is made again", async () => {
  commit();
  await push("main");
  const head = commit();
  // As if it came from elsewhere: between what is read and what is pushed.
  const bare = join(folder, "data/git/mfa.git");
  const stolen = git("-C", app, "commit-tree", "-m", "Other", "HEAD^{tree}");
  git("-C", app, "push", "--quiet", bare, `${stolen}:refs/heads/other`);
  program(
    "data/git/mfa.git/hooks/pre-receive",
    `[ -e FOLDER/moved ] || { touch FOLDER/moved; env -u GIT_QUARANTINE_PATH git -C ${bare} update-ref refs/heads/main ${stolen}; }`,
  );
  const { code, said } = await push("main");
  expect(code).toBe(0);
  expect(said).toContain("another push has moved main meanwhile; pushing again");
  expect(git("-C", bare, "rev-parse", "main")).toBe(head);
});

test("a host without the repository is named", async () => {
  commit();
  rmSync(join(folder, "data/git/mfa.git"), { recursive: true });
  await expect(push("main")).rejects.toThrow(
    /main has no repository \/mnt\/data\/git\/mfa\.git that can be asked; up makes it \(berth:builds\.mfa, stack production\)/,
  );
});

test("what is not there is named, before anything is pushed", async () => {
  commit();
  await expect(push("main", { name: "mfaa" })).rejects.toThrow(
    'Pulumi.production.yaml: berth:builds has no "mfaa"; it has: mfa',
  );
  await expect(push("feature")).rejects.toThrow(/app has no "feature"; name a branch, a tag or a commit/);
  await expect(push("--force")).rejects.toThrow(/app has no "--force"/);
});
