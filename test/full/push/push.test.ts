import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { cloudToken } from "../../../lab/stack/cloud-access.ts";
import { power } from "../faults.ts";
import { endOtherSystems } from "../search.ts";
import { home, labOk, onMachine, running, testSystem } from "../support.ts";
import { mfaSystem } from "../systems.ts";
import { expectNoFailure, underLoad } from "../under-load.ts";
import { dockerfiles, plainGit, settings, type WorkTree, workTree } from "./app.ts";

/**
 * Push to deploy on a host of the lab: Git, Docker's builder, the registry behind Traefik with a certificate of Pebble's, and the release of
 * MFA are real, the app is its stand-in.
 */

const repository = "registry.shop.drvn.be/mfa";
const minutes = 60_000;
const mfa = () => running("mfa", "app");
const versionOf = (commit: string) => `g${commit.slice(0, 12)}`;
let app: WorkTree;
/** The commit that serves. */
let serving: string;

/** Pushes what is new and expects it to serve. */
async function pushed(tree = app) {
  const commit = tree.commit();
  const run = await tree.push();
  expect(run.exitCode, run.output.slice(-6000)).toBe(0);
  expect(await mfa()).toMatchObject({ version: versionOf(commit), healthy: true });
  serving = commit;
  return run;
}

beforeAll(async () => {
  // MFA comes with the first push.
  testSystem({ ...mfaSystem, name: "registry" });
  await endOtherSystems("registry", "mfa");
  await labOk("up", ...settings);
  testSystem(mfaSystem);
  app = workTree();
}, 25 * minutes);
afterAll(() => app?.remove());

describe("a push", () => {
  test("builds on the host, and deploys by digest what its own registry has", async () => {
    const { output } = await pushed();
    process.stdout.write(`\n## a first push\n${output}\n`);
    expect(output).toMatch(/remote: built in \d+ s; pushing/);
    expect(output).toMatch(/^push and build +\d+\.\d$/m);
    expect(output).toMatch(/^deploy +\d+\.\d$/m);
    const image = await onMachine(
      "docker service ls --quiet --filter label=berth.resource=mfa_app | xargs docker service inspect --format '{{.Spec.TaskTemplate.ContainerSpec.Image}}'",
    );
    const digest = /mfa:app is g\w+, (sha256:\w+)\. Deploying/.exec(output)?.[1];
    expect(image.trim()).toBe(`${repository}@${digest}`);
    await labOk("preview", ...settings, "--expect-no-changes");
  });

  test("serves under load without a failed request, with the seconds of each step", async () => {
    const { result, load } = await underLoad("a push", () => pushed());
    process.stdout.write(`\n## a push under load\n${result.output}\n`);
    expectNoFailure(load);
    for (const step of ["pull", "snapshot", "migration", "probe", "switch"])
      expect(result.output).toMatch(new RegExp(`^ {2}${step}\\S* +\\d+\\.\\d$`, "m"));
  });

  test.each([
    [
      "build",
      dockerfiles.failsToBuild,
      /npm ERR! missing script: build.*the build of \w{12} failed, as said above\. Nothing was changed.*The push was refused/s,
    ],
    ["migration", dockerfiles.failsToMigrate, /migration.*The deploy failed, as said above/is],
    ["health check", dockerfiles.neverHealthy, /did not become healthy.*The deploy failed, as said above/s],
  ])("whose %s fails leaves the old version serving, and says why", async (what, dockerfile, says) => {
    const before = await mfa();
    const commit = app.commit(dockerfile);
    const { result, load } = await underLoad(`a push whose ${what} fails`, () => app.push());
    process.stdout.write(`\n## a push whose ${what} fails\n${result.output.slice(-5000)}\n`);
    expect(result.exitCode).not.toBe(0);
    expect(result.output).toMatch(says);
    expectNoFailure(load);
    expect(await mfa()).toEqual(before);
    const branch = await onMachine("git -C /mnt/data/git/mfa.git rev-parse main");
    expect(branch.trim() === commit).toBe(what !== "build");
    // Nothing of a version that failed is left for the next one.
    app.git("reset", "--quiet", "--hard", serving);
  });

  test("of a commit that was pushed before goes back to it, without a build", async () => {
    const before = serving;
    await pushed();
    const run = await app.push(before);
    process.stdout.write(`\n## back to the commit before\n${run.output}\n`);
    expect(run.exitCode, run.output.slice(-4000)).toBe(0);
    expect(run.output).toContain(`the registry has ${repository}:${versionOf(before)} already`);
    expect(run.output).not.toContain("building");
    expect(await mfa()).toMatchObject({ version: versionOf(before), healthy: true });
    serving = before;
  });

  test("by plain Git builds, deploys nothing and says how to", async () => {
    const before = await mfa();
    const commit = app.commit();
    const { ssh, url } = await plainGit();
    const words = ["-C", app.folder, "push", `${url}/mnt/data/git/mfa.git`, "main", "main:feature"];
    const env = { ...process.env, GIT_SSH_COMMAND: ssh };
    const said = execFileSync("sh", ["-c", 'git "$@" 2>&1', "git", ...words], { encoding: "utf8", env });
    process.stdout.write(`\n## git push\n${said}\n`);
    expect(said).toContain(`mfa: built ${commit} as sha256:`);
    expect(said).toContain(`Deploy it: npm run ops -- push mfa --stack production --ref ${commit}`);
    expect(said).toContain("mfa: refs/heads/feature was taken; nothing is built or deployed of it");
    expect(await mfa()).toEqual(before);
  });

  test("at the same time as another: one after the other, both reported", async () => {
    const colleague = workTree(app);
    const commits = [app.commit(), colleague.commit()];
    const runs = await Promise.all([app.push(), colleague.push()]);
    colleague.remove();
    for (const [index, { output, exitCode }] of runs.entries()) {
      process.stdout.write(`\n## push ${index + 1} of two at once\n${output.slice(-5000)}\n`);
      expect(exitCode, output.slice(-4000)).toBe(0);
      expect(output).toContain(`mfa ${versionOf(commits[index] ?? "")} is deployed.`);
    }
    expect(runs.map(({ output }) => output).join("")).toMatch(
      /another push of mfa is being built; waiting for it/,
    );
    const { version } = await mfa();
    expect(commits.map(versionOf)).toContain(version);
    serving = commits.find((commit) => versionOf(commit) === version) ?? "";
  });

  test("loses no layer to the registry's collection, which leaves it alone meanwhile", async () => {
    const unit = "berth-collect-registry_server.service";
    const collecting = onMachine(
      `from=$(date +%s); for round in $(seq 40); do
        # systemd starts a unit five times in ten seconds at most, and then only one whose count is reset.
        sudo systemctl reset-failed ${unit} 2>/dev/null; sudo systemctl start ${unit}; sleep 1
      done; sudo journalctl --unit ${unit} --since "@$from" --output cat`,
      600,
    );
    await pushed();
    const said = (await collecting).split("\n");
    const left = said.filter((line) => line.includes("somebody pushes")).length;
    process.stdout.write(`\n## ${left} of 40 collections left the registry alone\n`);
    expect(left).toBeGreaterThan(0);
    expect(left + said.filter((line) => line.includes("requests waited")).length).toBeGreaterThanOrEqual(30);
  });
});

describe("what going back needs", () => {
  test("stays when images are removed from the host and from the registry", async () => {
    const before = serving;
    await pushed();
    // Everything is as old as the daily removal wants it.
    const said = await onMachine(
      `sudo find /mnt/data/registry/server/docker/registry/v2/repositories -name link -exec touch --date '9 days ago' {} +
       sudo sed -i 's/^KEEP_VERSIONS=.*/KEEP_VERSIONS=1/; s/^QUIET_MINUTES=.*/QUIET_MINUTES=0/' /usr/local/lib/berth/collect-registry_server
       sudo FLOOR_MEBIBYTES=1 berth-prune-images now
       sudo /usr/local/lib/berth/collect-registry_server`,
      300,
    );
    process.stdout.write(`\n## removal\n${said}\n`);
    expect(said).toMatch(/removed [1-9]\d* tags, \d+ manifests/);
    const run = await app.push(before);
    expect(run.exitCode, run.output.slice(-4000)).toBe(0);
    expect(run.output).toContain(`the registry has ${repository}:${versionOf(before)} already`);
    expect(await mfa()).toMatchObject({ version: versionOf(before), healthy: true });
    serving = before;
  });
});

describe("the host", () => {
  test("has neither the cloud's token nor the passphrase", async () => {
    const secrets = [cloudToken(home), readFileSync(join(home.stateDir, "passphrase"), "utf8").trim()];
    const search = (needles: readonly string[]) =>
      onMachine(
        `sudo grep --recursive --files-with-matches --fixed-strings --file=- --devices=skip --exclude-dir=proc --exclude-dir=sys / <<'END' || true\n${needles.join("\n")}\nEND\n` +
          `sudo cat /proc/[0-9]*/environ | tr '\\0' '\\n' | grep --count --fixed-strings --file=<(cat <<'END'\n${needles.join("\n")}\nEND\n) || true`,
        300,
      );
    // The search finds what is there.
    expect(await search(["/usr/local/lib/berth/collect-registry_server"])).toContain("/etc/systemd");
    expect((await search(secrets)).trim()).toBe("0");
  });

  test("comes up again after a reboot, with its registry, and takes a push", async () => {
    await power("reboot");
    await expect
      .poll(() => mfa().then(({ healthy }) => healthy), { timeout: 3 * minutes, interval: 3000 })
      .toBe(true);
    expect(await mfa()).toMatchObject({ version: versionOf(serving) });
    await pushed();
  });

  test("serves its images from a copy of the registry's folder, and without one takes them anew", async () => {
    const scale = (count: number) =>
      `docker service scale --detach=false registry_server=${count} >/dev/null 2>&1 || docker service ls --quiet --filter label=berth.resource=registry_server | xargs -I {} docker service scale --detach {}=${count}`;
    const restored = (folder: string) => `${scale(0)}
      for _ in $(seq 60); do [ -n "$(docker ps --quiet --filter label=berth.resource=registry_server)" ] || break; sleep 1; done
      ${folder}
      ${scale(1)}
      for _ in $(seq 60); do curl --silent --fail --output /dev/null --cacert /etc/docker/certs.d/registry.shop.drvn.be/berth.crt https://registry.shop.drvn.be/ && break; sleep 1; done`;
    const image = `${repository}:${versionOf(serving)}`;
    const pull = `docker pull --quiet ${image}`;
    const data = "/mnt/data/registry/server";
    const whole = await onMachine(
      `sudo cp --archive ${data} /mnt/data/copy\n${restored(`sudo rm -rf ${data} && sudo mv /mnt/data/copy ${data}`)}\n${pull}`,
      300,
    );
    expect(whole).toContain(image);
    const empty = await onMachine(
      `${restored(`sudo find ${data} -mindepth 1 -delete`)}\n${pull} 2>&1 || true\ndocker push --quiet ${image}\n${pull}`,
      300,
    );
    expect(empty).toMatch(/manifest unknown|not found/);
    expect(await mfa()).toMatchObject({ version: versionOf(serving), healthy: true });
    await labOk("preview", ...settings, "--expect-no-changes");
  });

  test("logs in by another password, and no service changes", async () => {
    const services = () =>
      onMachine(
        "docker service ls --quiet | xargs docker service inspect --format '{{.ID}} {{.Version.Index}} {{.Spec.Name}}' | sort",
      );
    const login = () =>
      onMachine(`jq --raw-output '.auths["registry.shop.drvn.be"].auth' ~/.docker/config.json`);
    const [before, old] = [await services(), await login()];
    const again = ["--set", "registry:server.passwordGeneration=2"];
    await labOk("up", ...settings, ...again);
    expect(await services()).toBe(before);
    expect(await login()).not.toBe(old);
    const refused = await onMachine(
      `printf 'header = "Authorization: Basic %s"' ${old.trim()} | curl --silent --config - --output /dev/null --write-out '%{http_code}' --cacert /etc/docker/certs.d/registry.shop.drvn.be/berth.crt https://registry.shop.drvn.be/v2/`,
    );
    expect(refused).toBe("401");
    await onMachine(`docker pull --quiet ${repository}:${versionOf(serving)}`);
  });
});
