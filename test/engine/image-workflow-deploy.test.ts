import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { execa } from "execa";
import { expect, test } from "vitest";
import { parse } from "yaml";

/** The image workflow's deploy job, its step in a real shell with a git of the test. */
const workflow = readFileSync(new URL("../../.github/workflows/image.yml", import.meta.url), "utf8");
const { jobs } = parse(workflow) as {
  jobs: { deploy: { if: string; needs: string; steps: { run?: string }[] } };
};

const push = async (SERVICE: string, VERSION: string) => {
  const folder = mkdtempSync(join(tmpdir(), "berth-image-deploy-"));
  try {
    writeFileSync(join(folder, "git"), '#!/bin/sh\necho "$*"\n', { mode: 0o755 });
    return await execa("bash", ["-e", "-c", jobs.deploy.steps[1]?.run ?? "exit 9"], {
      reject: false,
      all: true,
      env: { SERVICE, VERSION, PATH: `${folder}${delimiter}${process.env.PATH}` },
    });
  } finally {
    rmSync(folder, { recursive: true });
  }
};

test("it runs after the image, and only where Berth's repository is named", () => {
  expect(jobs.deploy).toMatchObject({ if: "inputs.berth != ''", needs: "image" });
});

test("it pushes the tag that deploys the version", async () => {
  const { exitCode, all } = await push("connected-repo/api", "v42-0123456");
  expect(all).toBe("push origin HEAD:refs/tags/connected-repo/api/v42-0123456");
  expect(exitCode).toBe(0);
});

test.each([
  ["connected-repo", "v1"],
  ["connected-repo/api", "main"],
  ["../heads", "v1"],
])("service %s, version %s: nothing is pushed", async (service, version) => {
  const { exitCode, all } = await push(service, version);
  expect(all).toBe(`service: "${service}", version: "${version}"; use system/service and v…`);
  expect(exitCode).toBe(1);
});
