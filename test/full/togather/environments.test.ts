import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { request } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { parse } from "yaml";
import { authorityFile } from "../../../lab/stack/certificate.ts";
import { type Client, openClient } from "../clients.ts";
import { home, type LabRun, lab, labOk, type RunningSystem, togather, tunnelSetting } from "../support.ts";

/**
 * The environments beside production, from the same definition: staging with its tests after the switch, development, one stack
 * a lab, and the deploy that a tag starts, with the SSH access that it opens and closes.
 */

/** Asks a system by its domain, at its machine, trusting the lab's authority alone. */
async function ask(at: RunningSystem, path: string): Promise<string> {
  const outgoing = request({
    host: at.address,
    servername: at.domain,
    headers: { host: at.domain },
    path,
    ca: readFileSync(authorityFile(home)),
    agent: false,
    timeout: 10_000,
  });
  outgoing.on("timeout", () => outgoing.destroy(new Error(`${path}: no answer within 10 s`)));
  outgoing.end();
  const [response] = await once(outgoing, "response");
  let text = "";
  for await (const part of response) text += part;
  return text;
}

const up = (stack: string, version: string) =>
  lab("up", "--stack", stack, "--set", `togather:app.version=${version}`);

function expectOk(run: LabRun): void {
  expect(run.exitCode, run.output.slice(-6000)).toBe(0);
}

beforeAll(async () => {
  // What an earlier file has left in this lab: a lab is one stack's.
  await lab("destroy", "--stack", "production");
});

describe("staging", () => {
  const tested = "Integration test ";

  beforeAll(async () => {
    expectOk(await up("staging", "v1.0.0"));
  });
  afterAll(async () => {
    await labOk("destroy", "--stack", "staging");
  });

  test("serves, was tested after its switch by its own image, and a second up has nothing to do", async () => {
    const at = await togather("staging");
    expect(at).toMatchObject({ version: "v1.0.0", healthy: true, domain: "staging.togather.example" });
    expect(await ask(at, `/api/v1/events?search=${encodeURIComponent(tested)}`)).toContain(tested);
    await labOk(
      ...["preview", "--stack", "staging", "--expect-no-changes", "--set", "togather:app.version=v1.0.0"],
    );
    const jobs = await labOk(
      ...["ssh", "--stack", "staging", "main", "--", "docker service ls --format '{{.Name}}'"],
    );
    expect(jobs.stdout).not.toContain("integration-tests");
  });

  test("a version whose tests fail: up fails with what they said and how to go back; going back works", async () => {
    const before = await togather("staging");
    const failed = await up("staging", "broken-integration-1");
    expect(failed.exitCode).not.toBe(0);
    const report = failed.output.slice(failed.output.indexOf("the integration tests of"));
    process.stdout.write(`\n${report}\n`);
    expect(report).toMatch(
      /^the integration tests of togather_app failed after the switch: broken-integration-1 takes the requests \(slot togather_app-\w+\)/,
    );
    expect(report).toContain(
      "go back: npx pulumi config set --path togather:app.version v1.0.0 --stack staging && npx pulumi up --stack staging --continue-on-error.",
    );
    expect(report).toMatch(/ok +the health is that of this version/);
    expect(report).toMatch(
      /FAILED +an event is stored and read back as it was: the event: .*"description":""/,
    );
    // It serves, and the slot before is still there.
    const between = await togather("staging");
    expect(JSON.parse(await ask(between, "/health"))).toMatchObject({ version: "broken-integration-1" });
    expectOk(await up("staging", before.version));
    const after = await togather("staging");
    expect(JSON.parse(await ask(after, "/health"))).toMatchObject({
      version: before.version,
      status: "healthy",
    });
    await labOk(
      ...["preview", "--stack", "staging", "--expect-no-changes", "--set", "togather:app.version=v1.0.0"],
    );
  });

  test("another stack is refused in this lab, and staging notices nothing", async () => {
    const before = await togather("staging");
    const { exitCode, output } = await lab("up", "--stack", "production");
    expect(exitCode).not.toBe(0);
    expect(output).toContain(
      `--stack: this lab (${home.name}) runs staging, and a lab is one Hetzner project`,
    );
    expect(output).toContain("npm run lab -- destroy --stack staging");
    expect(await togather("staging")).toEqual(before);
  });

  test("a secret past its age is warned about, and that is no change", async () => {
    const file = join(home.stateDir, "secret-records-staging.json");
    const records = readFileSync(file, "utf8");
    const since = JSON.parse(records)["togather:jwtSecret"].since as string;
    const preview = ["preview", "--stack", "staging", "--set", "togather:app.version=v1.0.0"];
    expect((await labOk(...preview, "--expect-no-changes")).output).not.toContain("record-secrets");
    writeFileSync(file, records.replaceAll(since, "2024-01-01"));
    try {
      const { output } = await labOk(...preview, "--expect-no-changes");
      expect(output).toMatch(
        /togather:jwtSecret: is \d+ days old, to be rotated after 90\. Rotate it: openssl/,
      );
      expect(output).not.toContain("togather:adminApiKey: is");
    } finally {
      writeFileSync(file, records);
    }
  });

  describe("the deploy that a tag starts", () => {
    const tools = mkdtempSync(join(tmpdir(), "berth-workflow-"));
    let outside: Client;

    /** The runner is a client of the lab; `pulumi up` is the lab's. Everything else is what the workflow says. */
    beforeAll(async () => {
      outside = await openClient(await togather("staging"), 40);
      shim("curl", `echo ${outside.address}`);
    });
    afterAll(async () => {
      await outside?.close();
      rmSync(tools, { recursive: true });
    });

    function shim(name: string, script: string): void {
      const path = join(tools, name);
      writeFileSync(path, `#!/bin/sh\n${script}\n`);
      chmodSync(path, 0o755);
    }

    const opensSsh = () => outside.connects(22);

    /** Runs the steps from the opening to the closing as GitHub does: after a failure those alone that run always. */
    async function deploy(): Promise<{ failed: string[]; openMeanwhile: boolean; output: string }> {
      const file = parse(readFileSync(".github/workflows/deploy.yml", "utf8"));
      const steps = file.jobs.deploy.steps as { name: string; run?: string; if?: string }[];
      const first = steps.findIndex(({ name }) => name === "Open SSH for this runner");
      const last = steps.findIndex(({ name }) => name === "Close SSH");
      const failed: string[] = [];
      let openMeanwhile = false;
      let output = "";
      for (const step of steps.slice(first, last + 1)) {
        if (failed.length > 0 && step.if !== "always()") continue;
        const shell = spawn("bash", ["-e", "-c", step.run ?? ""], {
          env: {
            ...process.env,
            PATH: `${tools}:${process.env.PATH}`,
            STACK: "staging",
            GITHUB_RUN_ID: "4711",
            GITHUB_RUN_ATTEMPT: "1",
          },
          stdio: ["ignore", "pipe", "pipe"],
        });
        for (const stream of [shell.stdout, shell.stderr]) {
          stream.on("data", (part: Buffer) => {
            output += part;
          });
        }
        const [code] = await once(shell, "exit");
        if (code !== 0) failed.push(step.name);
        if (step.name === "Open SSH for this runner") openMeanwhile = await opensSsh();
      }
      process.stdout.write(`\n${output}\n`);
      return { failed, openMeanwhile, output };
    }

    test.each([
      ["a version that is good", "v1.1.0", []],
      ["a deploy that fails", "broken-health-1", ["Deploy"]],
    ])(
      "%s: SSH is open for the runner meanwhile, and for nobody else before and after",
      async (_what, version, failing) => {
        // The workflow's `npm run ops` operates the lab's stack here.
        shim(
          "npm",
          `PATH=\${PATH#*:}; [ "$2" = ops ] || exec npm "$@"; shift 3; exec npm run --silent lab -- ops "$@"`,
        );
        shim(
          "pulumi",
          `PATH=\${PATH#*:}; exec npm run --silent lab -- up --stack staging --set togather:app.version=${version} --set ${tunnelSetting}`,
        );
        expect(await opensSsh()).toBe(false);
        const { failed, openMeanwhile, output } = await deploy();
        expect(failed, output).toEqual(failing);
        expect(openMeanwhile).toBe(true);
        expect(output).toContain(`is open for ${outside.address}`);
        expect(output).toContain("closed: ssh-staging-4711-1");
        expect(await opensSsh()).toBe(false);
      },
    );
  });
});

describe("development", () => {
  const keeping = ["--stack", "development", "--set", "togather:app.keepPreviousMinutes=60"];

  beforeAll(async () => {
    await labOk("up", ...keeping);
  });
  afterAll(async () => {
    await labOk("destroy", "--stack", "development");
  });

  test("serves, says everything it does, is not tested after its switch, and a second up has nothing to do", async () => {
    const at = await togather("development");
    expect(at).toMatchObject({ healthy: true, domain: "development.togather.example" });
    await labOk("preview", ...keeping, "--expect-no-changes");
    expect(await ask(at, "/api/v1/events?search=Integration")).toBe('{"events":[]}');
    const { stdout } = await labOk(
      ...["ssh", "--stack", "development", "main", "--", `docker service logs --raw ${at.slot} 2>&1`],
    );
    expect(stdout).toMatch(/"level":"debug"/i);
  });

  test("is destroyed with the slot that stays to be gone back to", async () => {
    await labOk("up", ...keeping, "--set", "togather:app.version=v1.1.0");
    const command = "docker service ls --quiet --filter label=berth.resource=togather_app";
    const slots = await labOk("ssh", "--stack", "development", "main", "--", command);
    expect(slots.stdout.trim().split("\n")).toHaveLength(2);
    await labOk("destroy", "--stack", "development");
    const { stdout } = await labOk("status", "--json");
    expect(JSON.parse(stdout)).toMatchObject({ machines: [], systems: [] });
  });
});
