import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { lt, valid } from "semver";
import { parseDocument } from "yaml";
import type { RunCommand } from "./run.ts";

/** How often a push is tried when others push at the same time. */
const attempts = 5;

export interface VersionToRecord {
  /** Setting whose `version` names it: `togather:app`. */
  readonly setting: string;
  /** Key of `berth:images`. */
  readonly image: string;
  readonly version: string;
  /** What the registry holds under the version: `sha256:…`. */
  readonly digest: string;
  /** Where it is, when the image's repository becomes another one with this version. */
  readonly repository?: string | undefined;
}

/**
 * The text of a stack file that deploys this version by this digest; comments and everything else stay.
 * @throws when the file has a newer version, so that a late or repeated deploy of an older tag does not downgrade
 *   production, or when the version was recorded with another digest, because the tag of a release must not change.
 */
export function withVersion(file: string, text: string, wanted: VersionToRecord): string {
  const { setting, image, version, digest, repository } = wanted;
  const document = parseDocument(text);
  const [problem] = document.errors;
  if (problem !== undefined) throw new Error(`${file}: not YAML: ${problem.message}`);
  const settings = ["config", setting];
  const digests = ["config", "berth:images", image, "digests"];
  for (const [path, what] of [
    [settings, setting],
    [digests.slice(0, -1), `berth:images.${image}`],
  ] as const) {
    if (!document.hasIn(path)) throw new Error(`${file}: no ${what}`);
  }
  const recorded = String(document.getIn([...settings, "version"]) ?? "");
  if (valid(recorded) !== null && valid(version) !== null && lt(version, recorded)) {
    throw new Error(
      `${file}: ${setting}.version: is ${recorded}, which is newer than ${version}; to go back to ${version}, change the file, or: npm run ops -- back ${setting.split(":")[0]}`,
    );
  }
  const known = document.getIn([...digests, version]);
  if (known !== undefined && known !== digest) {
    throw new Error(
      `${file}: berth:images.${image}.digests.${version}: is ${known}, but the registry has ${digest} under that version now; make a new version, or remove the recorded digest when the change is wanted`,
    );
  }
  const place = ["config", "berth:images", image, "repository"];
  const moves = repository !== undefined && document.getIn(place) !== repository;
  if (known === digest && recorded === version && !moves) return text;
  if (moves) document.setIn(place, repository);
  document.setIn([...digests, version], digest);
  document.setIn([...settings, "version"], version);
  return document.toString({ lineWidth: 0 });
}

/**
 * Records a version in Pulumi.<stack>.yaml and pushes that to the remote's default branch, which is checked out, before it is
 * deployed: a later `up` from that branch, for example to rotate a secret, then deploys this version. A version whose preview
 * fails is not recorded. When others push at the same time, it starts again from their commit.
 * @returns what was done, a sentence; nothing is committed when the file says so already.
 * @throws when the branch has changes that are not pushed; when the file refuses the version ({@link withVersion}).
 */
export async function recordVersion(options: {
  readonly projectDir: string;
  readonly stack: string;
  readonly wanted: VersionToRecord;
  readonly run: RunCommand;
  /** Previews the changes of the present file; rejects when it cannot be deployed. */
  readonly preview: () => Promise<void>;
}): Promise<string> {
  const { projectDir, stack, wanted, run, preview } = options;
  const file = `Pulumi.${stack}.yaml`;
  const path = join(projectDir, file);
  const git = async (...args: string[]) =>
    (await run("git", ["-C", projectDir, ...args], { timeoutSeconds: 120 })).trim();

  const branch = await git("branch", "--show-current");
  if (branch === "")
    throw new Error("no branch is checked out; check out the default branch: git switch main");
  const upstream = `refs/remotes/origin/${branch}`;
  const fetch = () => git("fetch", "--quiet", "origin", `+refs/heads/${branch}:${upstream}`);
  await fetch();
  const pending = await git("status", "--porcelain", "--untracked-files=no");
  if (pending !== "") throw new Error(`there are changes that are not committed:\n${pending}`);
  const unpushed = await git("rev-list", "--count", `${upstream}..HEAD`);
  if (unpushed !== "0") throw new Error(`${unpushed} commits of ${branch} are not pushed; push them first`);

  for (let attempt = 1; ; attempt += 1) {
    const before = await git("rev-parse", "HEAD");
    await git("merge", "--quiet", "--ff-only", upstream);
    const packages = await git("diff", "--name-only", before, "HEAD", "--", "package-lock.json");
    if (packages !== "") await run("npm", ["ci", "--prefix", projectDir], { timeoutSeconds: 600 });

    const text = readFileSync(path, "utf8");
    const changed = withVersion(file, text, wanted);
    if (changed !== text) writeFileSync(path, changed);
    try {
      await preview();
    } catch (error) {
      writeFileSync(path, text);
      throw error;
    }
    if (changed === text) return `${file} of ${branch} says ${wanted.version} already.`;
    await git("commit", "--quiet", "--message", `Deploy ${wanted.version} to ${stack}`, "--", file);
    const commit = await git("rev-parse", "--short", "HEAD");
    try {
      await git("push", "--quiet", "origin", `HEAD:refs/heads/${branch}`);
      return `${file} says ${wanted.version}: ${commit} on ${branch}.`;
    } catch (error) {
      // The commit is always reverted: a version that is not pushed must not be deployed.
      await git("reset", "--quiet", "--hard", "HEAD~1");
      const tip = await git("rev-parse", upstream);
      await fetch();
      if (attempt >= attempts || (await git("rev-parse", upstream)) === tip) throw error;
    }
  }
}
