import { execFileSync } from "node:child_process";
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { Backend } from "../../ops/backend.ts";
import { pushAndDeploy } from "../../ops/push.ts";
import { runCommand } from "../../ops/run.ts";
import { deployment } from "../unit/ops-fixtures.ts";

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

async function push(ref: string, { exitCode = 0, name = "mfa" } = {}) {
  const said: string[] = [];
  const deployed: string[] = [];
  const code = await pushAndDeploy({
    ...{ projectDir: folder, stack: "production", name, ref, folder: app, run: runCommand },
    backend: { read: async () => deployment([]), opsCommand: "npm run ops --" } as unknown as Backend,
    up: async () => {
      deployed.push(file());
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
  expect(said).toBe(
    `Pulumi.production.yaml: mfa:app is ${version}, ${digest}. Deploying\nmfa ${version} is deployed. Commit Pulumi.production.yaml.`,
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

test("what is not there is named, before anything is pushed", async () => {
  commit();
  await expect(push("main", { name: "mfaa" })).rejects.toThrow(
    'Pulumi.production.yaml: berth:builds has no "mfaa"; it has: mfa',
  );
  await expect(push("feature")).rejects.toThrow(/app has no "feature"; name a branch, a tag or a commit/);
  await expect(push("--force")).rejects.toThrow(/app has no "--force"/);
});
