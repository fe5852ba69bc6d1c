import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { execa } from "execa";
import { afterAll, beforeAll, expect, test } from "vitest";
import { parse } from "yaml";
import { ensureDocker } from "../../lab/docker/index.ts";
import type { OuterDocker } from "../../lab/docker/outer-docker.ts";
import { ownHome } from "./own-lab.ts";

/** The workflow that builds an app's image: its steps in a real shell, the build by a real engine. Login and push are noted alone. */
const workflow = parse(readFileSync(".github/workflows/image.yml", "utf8")) as {
  jobs: { image: { steps: { name?: string; run?: string }[] } };
};
const home = ownHome("image-workflow");
const folder = mkdtempSync(join(tmpdir(), "berth-build-"));
const image = "ghcr.io/berth-test/app";
let docker: OuterDocker;

beforeAll(async () => {
  docker = await ensureDocker(home, () => undefined);
  mkdirSync(join(folder, "bin"));
  const noted = `echo "$*" >> ${folder}/noted`;
  const script = [
    "#!/bin/sh",
    // Past itself.
    "PATH=$REAL_PATH",
    "case $1 in",
    `login) ${noted}; cat > ${folder}/password ;;`,
    `push) ${noted} ;;`,
    `manifest) [ -e ${folder}/released ] ;;`,
    `*) exec docker -H unix://${docker.socketPath} "$@" ;;`,
    "esac",
  ];
  writeFileSync(join(folder, "bin", "docker"), `${script.join("\n")}\n`, { mode: 0o755 });
  mkdirSync(join(folder, "apps", "backend"), { recursive: true });
  const file = [
    "FROM scratch",
    "ARG VITE_API_URL",
    "LABEL api=$VITE_API_URL",
    "COPY package.json /",
    'CMD ["/x"]',
  ];
  writeFileSync(join(folder, "apps", "backend", "Dockerfile"), `${file.join("\n")}\n`);
  writeFileSync(join(folder, "package.json"), "{}\n");
});
afterAll(async () => {
  await docker?.client
    .getImage(`${image}:v1.2.0`)
    .remove({ force: true })
    .catch(() => undefined);
  rmSync(folder, { recursive: true, force: true });
  rmSync(home.stateDir, { recursive: true, force: true });
});

const steps = (buildArguments = "VITE_API_URL=https://api.example.org\n") =>
  execa(
    "bash",
    [
      "-e",
      "-c",
      workflow.jobs.image.steps
        .flatMap(({ run }) => (run === undefined ? [] : [`( ${run}\n) || exit`]))
        .join("\n"),
    ],
    {
      cwd: folder,
      all: true,
      reject: false,
      timeout: 120_000,
      env: {
        PATH: `${join(folder, "bin")}${delimiter}${process.env.PATH}`,
        REAL_PATH: process.env.PATH,
        GITHUB_ACTOR: "somebody",
        GITHUB_SHA: "0123456789abcdef0123456789abcdef01234567",
        REGISTRY_PASSWORD: "token-canary-3f2a",
        IMAGE: image,
        VERSION: "v1.2.0",
        CONTEXT: ".",
        DOCKERFILE: "apps/backend/Dockerfile",
        BUILD_ARGUMENTS: buildArguments,
      },
    },
  );

test("an image is built from a folder of a monorepo, with its arguments and labels, and pushed", async () => {
  const { exitCode, all } = await steps();
  expect(exitCode, all).toBe(0);
  const { Config } = await docker.client.getImage(`${image}:v1.2.0`).inspect();
  expect(Config.Labels).toEqual({
    api: "https://api.example.org",
    "org.opencontainers.image.version": "v1.2.0",
    "org.opencontainers.image.revision": "0123456789abcdef0123456789abcdef01234567",
    "org.opencontainers.image.created": expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/),
  });
  expect(readFileSync(join(folder, "noted"), "utf8").trim().split("\n")).toEqual([
    "login --username somebody --password-stdin ghcr.io",
    `push ${image}:v1.2.0`,
  ]);
  expect(readFileSync(join(folder, "password"), "utf8")).toBe("token-canary-3f2a\n");
});

test.each(["VITE_API_URL=api.example.org", "vite_api=x", "VITE_API_URL"])(
  "the build argument %s is refused before anything is built",
  async (argument) => {
    const { exitCode, all } = await steps(`${argument}\n`);
    expect(exitCode).toBe(1);
    expect(all).toContain(`build argument ${argument}: use NAME=value, and https:// for a VITE_…_URL`);
  },
);

test("a version that the registry has is not built again", async () => {
  writeFileSync(join(folder, "released"), "");
  const { exitCode, all } = await steps();
  expect(exitCode).toBe(1);
  expect(all).toContain(`${image}:v1.2.0 is there already`);
});
