import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { StateFileBackend } from "../../../lab/commands/state-file-backend.ts";
import { gitAccess } from "../../../ops/host-access.ts";
import { ops, stack, stateFile } from "../support.ts";
import { mfaSystem, set } from "../systems.ts";

/** A developer's work tree of MFA, and what a developer types in it. */

/** Every `up` of these scenarios: `ops push` runs one too. */
export const settings: readonly string[] = [
  ...mfaSystem.options,
  // A version that is never healthy is given up within 20 s.
  ...set("mfa:probe={graceSeconds: 10, attempts: 5, intervalSeconds: 2}"),
];

/** What the image is made from in the lab: its stand-in at a version, from the lab's registry. */
const from = (version: string) => `FROM registry.berth.lab:5000/mfa/app:${version}\n`;
const named = 'ARG VERSION\nENV APP_VERSION="$VERSION"\nCOPY change /app/change\n';

/** Dockerfiles by what becomes of them. */
export const dockerfiles = {
  good: from("v1.0.0") + named,
  failsToBuild: `${from("v1.0.0")}RUN ["sh", "-c", "echo npm ERR! missing script: build >&2; exit 3"]\n`,
  failsToMigrate: `${from("broken-migration-1")}${named}`,
  neverHealthy: from("broken-health-1"),
};

export interface WorkTree {
  readonly folder: string;
  /** Commits a change and answers its commit. */
  commit(dockerfile?: string): string;
  /** Runs Git in it. */
  git(...words: string[]): string;
  push(ref?: string): ReturnType<typeof ops>;
  remove(): void;
}

/** A new repository, or a clone of another. */
export function workTree(of?: WorkTree): WorkTree {
  const folder = mkdtempSync(join(tmpdir(), "berth-push-"));
  const git = (...words: string[]) =>
    execFileSync("git", ["-C", folder, ...words], {
      encoding: "utf8",
      stdio: ["ignore", "pipe", "pipe"],
    }).trim();
  if (of === undefined) git("init", "--quiet", "--initial-branch", "main");
  else git("clone", "--quiet", of.folder, ".");
  git("config", "user.name", "Developer");
  git("config", "user.email", "developer@drvn.be");
  let count = 0;
  return {
    ...{ folder, git },
    commit(dockerfile = dockerfiles.good) {
      count += 1;
      writeFileSync(join(folder, "Dockerfile"), dockerfile);
      writeFileSync(join(folder, "change"), `${folder} ${count}\n`);
      git("add", "--all");
      git("commit", "--quiet", "--message", `Change ${count}`);
      return git("rev-parse", "HEAD");
    },
    push: (ref = "main") => ops("push", "mfa", "--ref", ref, "--from", folder, ...settings),
    remove: () => rmSync(folder, { recursive: true, force: true }),
  };
}

/** How plain Git reaches the host: `git push <url>mnt/…` with that ssh. */
export async function plainGit(): Promise<{ readonly ssh: string; readonly url: string }> {
  const deployment = await new StateFileBackend(stack, stateFile).read();
  const { sshCommand, url } = gitAccess(deployment, "code");
  return { ssh: sshCommand, url };
}
