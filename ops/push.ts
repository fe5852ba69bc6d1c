import { readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { Command } from "commander";
import { parse } from "yaml";
import { z } from "zod";
import { type Build, buildsSchema } from "../components/build/build-config.ts";
import { hostPaths } from "../components/host/paths.ts";
import { renderTable } from "../components/table.ts";
import { type Backend, isStale, type StackLock } from "./backend.ts";
import { isObject, resources, textOf } from "./deployment.ts";
import { readDeployments } from "./deployments.ts";
import { gitAccess, requireHost } from "./host-access.ts";
import type { VersionToRecord } from "./record-version.ts";
import { attach, type RunCommand } from "./run.ts";

const stackFile = z.object({ config: z.object({ "berth:builds": buildsSchema.optional() }) });

/** How often a push is tried again because another one has moved the branch meanwhile. */
const attempts = 5;
/** How long a deploy waits for another one to end: a release with a long migration is over by then. */
const patienceSeconds = 3600;

export interface PushOptions {
  readonly stack: string;
  readonly backend: Backend;
  /** Key of `berth:builds`. */
  readonly name: string;
  readonly build: Build;
  /** Branch, tag or commit of the app's repository. */
  readonly ref: string;
  /** The app's repository on this machine. */
  readonly folder: string;
  readonly run: RunCommand;
  /** Where version and digest are written before they are deployed, for messages: `Pulumi.production.yaml`. */
  readonly file: string;
  /** Writes them there; throws when they may not be. */
  readonly record: (wanted: VersionToRecord) => void;
  /** Deploys what is recorded by now, its output for this terminal, and answers its exit code. */
  readonly up: () => Promise<number>;
  readonly print: (line: string) => void;
}

/** The words of the command, for production and for the lab. */
export function addPushCommand(program: Command): Command {
  return program
    .command("push")
    .description(
      "push a commit of an app to its host, which builds the image, then deploy it; of a commit that was built before: deploy that",
    )
    .argument("<name>", "the key in berth:builds")
    .option("--ref <ref>", "branch, tag or commit of the app's repository", "main")
    .option("--from <folder>", "the app's repository", process.env.INIT_CWD ?? ".");
}

/** @throws when the stack's file has no such build */
export function readBuild(projectDir: string, stack: string, name: string): Build {
  const file = `Pulumi.${stack}.yaml`;
  const { config } = stackFile.parse(parse(readFileSync(join(projectDir, file), "utf8")));
  return buildNamed(config["berth:builds"] ?? {}, name, file);
}

/** @throws when there is no such build, naming those that there are */
export function buildNamed(
  builds: Readonly<Record<string, Build>>,
  name: string,
  file: string,
  known: readonly string[] = Object.keys(builds),
): Build {
  const build = builds[name];
  if (build !== undefined) return build;
  throw new Error(`${file}: berth:builds has no "${name}"; it has: ${known.join(", ") || "none"}`);
}

/**
 * Pushes a commit to its host, which builds the image unless its registry has that already, records version and digest and deploys them
 * from here. A push whose build fails changes nothing; when the deploy fails, the record names the version that failed. Going back to an
 * earlier commit is the same. Pushes at once are built one after the other by their host, and deployed one after the other by the
 * stack's lock.
 * @returns the exit code of what failed, 0 when all is deployed
 * @throws when there is no such commit, no repository on the host, or the record refuses the version
 */
export async function pushAndDeploy(options: PushOptions): Promise<number> {
  const { stack, backend, name, build, ref, folder, run, file, record, print } = options;
  const began = Date.now();
  const commit = await commitOf(folder, ref, run);
  const version = versionOf(commit);
  const { digest, code: refused } = await buildOnHost(options, commit);
  if (digest === undefined) {
    print(`The push was refused: nothing was changed, ${name} goes on as it is.`);
    return refused;
  }
  const built = Date.now();
  const { setting, image, repository } = build;
  const code = await deploy(options, () => {
    record({ setting, image, version, digest, repository });
    print(`${file}: ${setting} is ${version}, ${digest}. Deploying`);
  });
  const steps = await stepsOf(options, version, began);
  const seconds = (from: number, to: number) => ((to - from) / 1000).toFixed(1);
  const rows = [
    ["push and build", seconds(began, built)],
    ["deploy", seconds(built, Date.now())],
    ...steps.map(([step, time]) => [`  ${step}`, time.toFixed(1)]),
    ["in all", seconds(began, Date.now())],
  ];
  print(renderTable(["step", "seconds"], rows));
  const back = `${backend.opsCommand} push ${name} --ref <the commit before> --stack ${stack}`;
  if (code !== 0) {
    print(
      `The deploy failed, as said above, and ${file} names ${version}. Go on with up when the reason is gone, or go back: ${back}`,
    );
    return code;
  }
  const serves = await deployedVersion(backend, setting);
  if (serves === version) {
    print(`${name} ${version} is deployed.`);
    return 0;
  }
  print(
    serves === undefined
      ? `${version} is built and recorded, but nothing runs it: place the system ${setting.split(":")[0]} in berth:systems and run up.`
      : `${version} was built, but ${serves} is deployed: another deploy has taken its place. Push again to deploy it.`,
  );
  return 1;
}

/** The version of a commit's image, as the host tags it (components/build/scripts/build.sh). */
export function versionOf(commit: string): string {
  return `g${commit.slice(0, 12)}`;
}

/** Has the image of a commit in its registry; no digest when the host has refused it, which has said why. */
async function buildOnHost(options: PushOptions, commit: string): Promise<{ digest?: string; code: number }> {
  const { stack, backend, name, build, folder, run, print } = options;
  const deployment = await backend.read();
  const { sshCommand, url } = gitAccess(deployment, build.host);
  const host = requireHost(deployment, build.host, run);
  const remote = `${url}${hostPaths.repository(name)}`;
  const branch = `refs/heads/${build.branch}`;
  const git = ["-C", folder, "-c", `core.sshCommand=${sshCommand}`];
  const tip = async () => {
    try {
      return await run("git", [...git, "ls-remote", remote, branch], { timeoutSeconds: 60 });
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      throw new Error(
        `${build.host} has no repository ${hostPaths.repository(name)} that can be asked; up makes it (berth:builds.${name}, stack ${stack}). ${reason}`,
      );
    }
  };
  for (let attempt = 1; ; attempt += 1) {
    const before = await tip();
    const words = ["push", "--force", "--push-option=deploying", remote, `${commit}:${branch}`];
    const code = await attach("git", [...git, ...words]);
    if (code === 0) break;
    if (attempt === attempts || (await tip()) === before) return { code };
    print(`another push has moved ${build.branch} meanwhile; pushing again`);
  }
  // The branch may have been there already, and its image may be gone.
  let last = "";
  try {
    await host.stream(`${hostPaths.buildScript(name)} ${commit} 2>&1`, (line) => {
      last = line;
      if (!line.startsWith("sha256:")) print(line);
    });
  } catch (error) {
    print(error instanceof Error ? error.message : String(error));
    return { code: 1 };
  }
  const digest = /^sha256:[0-9a-f]{64}$/.exec(last.trim())?.[0];
  if (digest === undefined) throw new Error(`the host names no digest of ${commit}: ${last}`);
  return { digest, code: 0 };
}

/** Records and deploys while nobody else does: another run is waited for, also one that has begun between the look and ours. */
async function deploy({ backend, up, print }: PushOptions, record: () => void): Promise<number> {
  const until = Date.now() + patienceSeconds * 1000;
  for (;;) {
    let told: string | undefined;
    for (
      let lock = await held(backend);
      lock !== undefined && Date.now() < until;
      lock = await held(backend)
    ) {
      if (told !== lock.owner) print(`${lock.owner} deploys ${backend.stack}; waiting for that to end`);
      told = lock.owner;
      await sleep(2000);
    }
    record();
    const code = await up();
    if (code === 0 || Date.now() > until || (await held(backend)) === undefined) return code;
  }
}

/** The lock of a run that goes on; of one that has ended, `up` says how it is taken over. */
async function held(backend: Backend): Promise<StackLock | undefined> {
  const lock = await backend.lock();
  return lock === undefined || isStale(lock) ? undefined : lock;
}

/** Seconds of the release's steps, as the host has recorded them; none when the version was there already. */
async function stepsOf(
  { backend, build, run }: PushOptions,
  version: string,
  began: number,
): Promise<[string, number][]> {
  const [system = ""] = build.setting.split(":");
  const service = build.setting.replace(":", "_");
  const lines = await readDeployments(backend, system, run).catch(() => []);
  const own = lines.filter(
    (line) => line.service === service && line.version === version && Date.parse(line.timestamp) >= began,
  );
  return Object.entries(own.at(-1)?.steps ?? {});
}

/** The version that the last run has left behind for a setting; undefined when the stack does not run its system. */
async function deployedVersion(backend: Backend, setting: string): Promise<string | undefined> {
  const [system = "", service = ""] = setting.split(":");
  const stack = resources(await backend.read()).find(({ type }) => type === "pulumi:pulumi:Stack");
  const systems = stack?.outputs?.systems;
  const placed = isObject(systems) ? systems[system] : undefined;
  const services = isObject(placed) ? placed.services : undefined;
  const found = isObject(services) ? services[service] : undefined;
  return isObject(found) ? textOf(found, "version") : undefined;
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
