import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parse } from "yaml";
import { z } from "zod";
import { buildsSchema } from "../components/build/build-config.ts";
import { hostPaths } from "../components/host/paths.ts";
import type { Backend } from "./backend.ts";
import { gitAccess, hostsOf } from "./host-access.ts";
import { withVersion } from "./record-version.ts";
import { attach, type RunCommand } from "./run.ts";

const stackFile = z.object({ config: z.object({ "berth:builds": buildsSchema.optional() }) });

export interface PushOptions {
  readonly projectDir: string;
  readonly stack: string;
  readonly backend: Backend;
  /** Key of `berth:builds`. */
  readonly name: string;
  /** Branch, tag or commit of the app's repository. */
  readonly ref: string;
  /** The app's repository on this machine. */
  readonly folder: string;
  readonly run: RunCommand;
  /** Deploys what the stack's file says by now, its output for this terminal, and answers its exit code. */
  readonly up: () => Promise<number>;
  readonly print: (line: string) => void;
}

/**
 * Pushes a commit to its host, which builds the image unless its registry has that already, writes version and digest into the stack's file
 * and deploys them from here. A push whose build fails changes nothing; when the deploy fails, the file names the version that failed.
 * Going back to an earlier commit is the same.
 * @returns the exit code of what failed, 0 when all is deployed
 * @throws when there is no such build or commit, or the file refuses the version
 */
export async function pushAndDeploy(options: PushOptions): Promise<number> {
  const { projectDir, stack, backend, name, ref, folder, run, up, print } = options;
  const file = `Pulumi.${stack}.yaml`;
  const path = join(projectDir, file);
  const builds = stackFile.parse(parse(readFileSync(path, "utf8"))).config["berth:builds"] ?? {};
  const build = builds[name];
  if (build === undefined) {
    const known = Object.keys(builds).join(", ") || "none";
    throw new Error(`${file}: berth:builds has no "${name}"; it has: ${known}`);
  }
  const commit = await commitOf(folder, ref, run);
  const deployment = await backend.read();
  const { sshCommand, url } = gitAccess(deployment, build.host);
  const host = hostsOf(deployment, run).find(({ provider }) => provider === `${build.host}-docker`);
  if (host === undefined) throw new Error(`the state has no way to the host ${build.host}`);

  const git = ["-C", folder, "-c", `core.sshCommand=${sshCommand}`, "push", "--force"];
  const remote = `${url}${hostPaths.repository(name)}`;
  const pushed = await attach("git", [
    ...git,
    ...["--push-option=deploying", remote, `${commit}:refs/heads/${build.branch}`],
  ]);
  if (pushed !== 0) {
    print(`The push was refused: nothing was changed, ${name} goes on as it is.`);
    return pushed;
  }
  // The branch may have been there already, and its image may be gone.
  const answer = await host.run(`${hostPaths.buildScript(name)} ${commit}`, build.deadlineMinutes * 60 + 60);
  const digest = /sha256:[0-9a-f]{64}/.exec(answer)?.[0];
  if (digest === undefined) throw new Error(`the host names no digest of ${commit}: ${answer.trim()}`);
  const version = versionOf(commit);
  const wanted = { setting: build.setting, image: build.image, version, digest };
  writeFileSync(path, withVersion(file, readFileSync(path, "utf8"), wanted));
  print(`${file}: ${build.setting} is ${version}, ${digest}. Deploying`);
  const code = await up();
  print(
    code === 0
      ? `${name} ${version} is deployed. Commit ${file}.`
      : `The deploy failed, as said above, and ${file} names ${version}. Go on with up when the reason is gone, or go back: ${backend.opsCommand} push ${name} --ref <the commit before> --stack ${stack}`,
  );
  return code;
}

/** The version of a commit's image, as the host tags it (components/build/scripts/build.sh). */
export function versionOf(commit: string): string {
  return `g${commit.slice(0, 12)}`;
}

async function commitOf(folder: string, ref: string, run: RunCommand): Promise<string> {
  const words = ["-C", folder, "rev-parse", "--verify", "--end-of-options", `${ref}^{commit}`];
  try {
    return (await run("git", words, { timeoutSeconds: 30 })).trim();
  } catch (error) {
    throw new Error(
      `${folder} has no "${ref}"; name a branch, a tag or a commit of the app's repository, and its folder with --from. ${error instanceof Error ? error.message : ""}`,
    );
  }
}
