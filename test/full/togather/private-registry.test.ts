import { rmSync, writeFileSync } from "node:fs";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { releaseStep } from "../../../lab/bench/step-watch.ts";
import { registryFiles } from "../../../lab/images/access.ts";
import { registryPasswordKey } from "../../../lab/stack/registry-login.ts";
import { leftovers } from "../leftovers.ts";
import { type OwnImages, ownImages } from "../own-images.ts";
import { scenarios } from "../search.ts";
import { home, type LabRun, lab, labOk, onMachine, ops, startLab, togather } from "../support.ts";
import { printFailure, printSteps } from "../tables.ts";
import { expectNoFailure, underLoad } from "../under-load.ts";

/** Images as the world has them: a registry with a login, a slow one, images that lack what a service needs. */

scenarios();

let images: OwnImages;
beforeAll(async () => {
  images = await ownImages("v1.1.0");
});
afterEach(() => fault({}));
afterAll(() => images?.close());

const { faults } = registryFiles(home);
function fault(of: { readonly expired?: boolean; readonly bytesPerSecond?: number }): void {
  if (Object.keys(of).length === 0) rmSync(faults, { force: true });
  else writeFileSync(faults, JSON.stringify(of));
}

const version = (of: string) => ["--set", `togather:app.version=${of}`];
const login = ["--set", 'berth:registries={"ghcr.io": {"user": "deploy", "passwordExpires": "2020-01-31"}}'];
const releaseSteps = (run: LabRun) => run.steps.map(releaseStep).filter((step) => step !== undefined);
const logins = () => onMachine("jq --compact-output '.auths | keys' ~/.docker/config.json");

/** What went wrong has changed nothing: neither a snapshot nor a slot was made. */
async function expectNothingChanged(run: LabRun, before: Awaited<ReturnType<typeof togather>>) {
  expect(run.exitCode).not.toBe(0);
  expect(releaseSteps(run)).toEqual(["pull"]);
  expect(await togather()).toEqual(before);
  expect(await leftovers()).toEqual([]);
}

describe("a registry with a login", () => {
  test("is pulled from, by a password that the preview says is over", async () => {
    const run = await labOk("up", ...login, ...version("v1.1.0"));
    printSteps("v1.1.0 from a registry with a login", run);
    expect(run.output).toContain(
      "berth:registries.registry.berth.lab:5000.passwordExpires: the password expired on 2020-01-31, and registry.berth.lab:5000 may refuse the next pull",
    );
    expect(await togather()).toMatchObject({ version: "v1.1.0", healthy: true });
    expect(await onMachine("stat --format '%a %U' ~/.docker/config.json")).toMatch(/^600 deploy$/m);
    expect(await logins()).toContain('["registry.berth.lab:5000"]');
    await labOk("preview", ...login, ...version("v1.1.0"), "--expect-no-changes");
    expect(await leftovers()).toEqual([]);
  });

  test("whose password has expired stops the release before anything is changed, and a new one heals it", async () => {
    const before = await togather();
    fault({ expired: true });
    const { result: failed, load } = await underLoad("a pull with an expired password", () =>
      lab("up", ...login, ...version("v1.2.0")),
    );
    printFailure("what it said", failed);
    expect(failed.output).toMatch(
      /registry\.berth\.lab:5000 refuses the pull of registry\.berth\.lab:5000\/togather\/app@sha256:\w+: .*(unauthorized|authentication required).*\. Nothing was changed\. The password of the login may have expired, or may not read this image\. Set another: cat password\.txt \| npx pulumi config set --secret berth:registryPassword\.registry\.berth\.lab_5000 --stack production/,
    );
    expectNoFailure(load);
    await expectNothingChanged(failed, before);

    const wrong = await lab("up", ...login, ...version("v1.1.0"), "--rotate", registryPasswordKey);
    printFailure("what a new password that is wrong is told", wrong);
    expect(wrong.output).toMatch(
      /registry\.berth\.lab:5000 does not take the login of deploy: .*(401|unauthorized).*\. Its password expired on 2020-01-31\. An earlier login stays as it was\. Set another one: cat password\.txt/,
    );

    fault({});
    await labOk("up", ...login, ...version("v1.2.0"), "--rotate", registryPasswordKey);
    expect(await togather()).toMatchObject({ version: "v1.2.0", healthy: true });
    expect(await leftovers()).toEqual([]);
  });

  test("is left when the configuration no longer names it", async () => {
    await labOk("up", ...version("v1.2.0"));
    expect(await logins()).not.toContain("registry.berth.lab");
    expect(await leftovers()).toEqual([]);
  });
});

describe("an image of 400 MiB that takes longer than the probe is patient", () => {
  const mebibytes = 400;
  const seconds = 85;

  test("is deployed: the pull has its own time, says how far it is, and costs no request", async () => {
    const large = await images.build("large", "COPY large /app/large", {
      large: `head --bytes ${mebibytes}M /dev/urandom`,
    });
    fault({ bytesPerSecond: Math.floor((mebibytes * 1024 * 1024) / seconds) });
    // Not while this machine puts the image into the lab's registry: that is no part of a deploy.
    const pulling = Promise.withResolvers<void>();
    const up = startLab(["up", "--image", `togather/app=${large}`, ...version("v1.1.0")], (step) => {
      if (releaseStep(step) === "pull") pulling.resolve();
    });
    await Promise.race([pulling.promise, up.done]);
    const { result, load } = await underLoad("a slow pull", () => up.done);
    expect(result.exitCode, result.output.slice(-6000)).toBe(0);
    printSteps("an image of 400 MiB from a slow registry", result);
    expectNoFailure(load);
    expect(releaseSteps(result)).toEqual([
      "pull",
      "snapshot",
      "migration",
      "slot",
      "probe",
      "switch",
      "removal",
    ]);
    const [pull] = result.steps.filter((step) => releaseStep(step) === "pull");
    expect(((pull?.endedMs ?? 0) - (pull?.startedMs ?? 0)) / 1000).toBeGreaterThan(70);
    const { stdout } = await ops("deployments", "togather", "--json");
    const [last] = (
      JSON.parse(stdout) as { deployment_id: string; steps: Record<string, number> }[]
    ).toSorted((a, b) => (a.deployment_id < b.deployment_id ? 1 : -1));
    expect(last?.steps.pull).toBeGreaterThan(70);
    const log = await onMachine(`sudo cat /var/log/togather/deployments/${last?.deployment_id}.log`);
    process.stdout.write(`\n## the deployment's log\n${log}\n`);
    expect(log.match(/pulling: \d+ MiB in \d+ s/g)?.length).toBeGreaterThan(3);
    expect(await leftovers()).toEqual([]);
  });
});

describe("an image that cannot be the service", () => {
  const asRoot = (command: string) => `USER 0\nRUN ${command}\nUSER 10001:10001`;
  const broken: [what: string, dockerfile: string, says: string[]][] = [
    [
      "has no shell",
      asRoot('["rm", "/usr/bin/sh"]'),
      ["- the program /bin/sh: makes variables of the secret files"],
    ],
    [
      "has no health tool and no migrations",
      asRoot('["rm", "-r", "/usr/bin/wget", "/app/internal/storage/postgres/migrations"]'),
      [
        "- the program wget, nowhere in its PATH",
        "- the folder /app/internal/storage/postgres/migrations: the migrations",
      ],
    ],
    [
      "runs as root",
      "USER root",
      [
        `- a user other than root: its processes would run as root. Give it one (USER in its Dockerfile), or acknowledge it: npx pulumi config set --path 'berth:images["togather/app"].allowRoot' true --stack production`,
      ],
    ],
  ];

  test.each(broken)("since it %s: named before anything is changed", async (what, dockerfile, says) => {
    const before = await togather();
    const image = await images.build(what.replaceAll(" ", "-"), dockerfile);
    const run = await lab("up", "--image", `togather/app=${image}`, ...version("v1.3.0"));
    printFailure(`an image that ${what}`, run);
    expect(run.output).toContain("cannot be togather_app. Nothing was changed. It lacks:");
    for (const line of says) expect(run.output).toContain(line);
    expect(run.output.match(/^ +- the (program|folder)|^ +- a user/gm)).toHaveLength(says.length);
    await expectNothingChanged(run, before);
  });

  test("since it is built for another architecture: refused before the pull", async () => {
    const before = await togather();
    const image = await images.forArchitecture("arm64");
    const run = await lab("up", "--image", `togather/app=${image}`, ...version("v1.3.0"));
    printFailure("an image for another architecture", run);
    expect(run.output).toMatch(
      /togather\/app@sha256:\w+ is built for linux\/arm64, and the server is linux\/amd64\. Nothing was pulled or changed/,
    );
    await expectNothingChanged(run, before);
    // Not a layer of it has come.
    expect(
      await onMachine(
        "docker image ls --filter dangling=false --format '{{.ID}}' | xargs docker image inspect --format '{{.Architecture}}' | sort -u",
      ),
    ).toMatch(/^amd64\s*$/);
  });
});
