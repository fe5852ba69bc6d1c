import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { execa } from "execa";
import { describe, expect, test } from "vitest";
import { findCommand } from "../../../lab/docker/index.ts";
import { parseDeployment, resources } from "../../../ops/deployment.ts";
import { sql } from "../database.ts";
import { leftovers } from "../leftovers.ts";
import { scenarios } from "../search.ts";
import { home, type LabRun, lab, labOk, onMachine, startLab, stateFile, togather } from "../support.ts";
import { expectNoFailure, underLoad } from "../under-load.ts";

/** The whole rehearsal through a real Pulumi: the pulumi on the PATH, its own state and lock, the lab's providers. */

const pulumi = await findCommand("pulumi");
if (pulumi === undefined) console.log("skipped: --engine pulumi needs a pulumi on the PATH");

const real = ["--engine", "pulumi"];
const other = (version: string) => (version === "v1.0.0" ? "v1.1.0" : "v1.0.0");
const urns = () =>
  resources(parseDeployment(readFileSync(stateFile, "utf8")))
    .map(({ urn }) => urn)
    .sort();

/** Deploys and kills everything as soon as the real engine says that a step on this resource has begun. */
async function killedAt(resource: string, ...deploy: string[]): Promise<LabRun> {
  const eventLog = join(home.stateDir, "pulumi", "events.jsonl");
  const began = new RegExp(`"resourcePreEvent".*"urn":"[^"]*::${resource}"`);
  const before = existsSync(eventLog) ? readFileSync(eventLog, "utf8") : "";
  const running = startLab(deploy);
  const timer = setInterval(() => {
    const events = existsSync(eventLog) ? readFileSync(eventLog, "utf8") : "";
    // The log of the run before is removed when this one begins.
    if (
      events === before ||
      !events.split("\n").some((line) => began.test(line) && !/"op":"same"/.test(line))
    )
      return;
    clearInterval(timer);
    running.kill();
  }, 100);
  try {
    return await running.done;
  } finally {
    clearInterval(timer);
  }
}

describe.skipIf(pulumi === undefined)("a real pulumi", () => {
  scenarios();

  test("takes over the state of the lab's engine: the same URNs, and nothing to change", async () => {
    const before = urns();
    const preview = await labOk("preview", "--expect-no-changes", ...real);
    expect(preview.output).toContain("nothing to do");
    const up = await labOk("up", ...real);
    expect(up.output).toMatch(/Up in .*: nothing to do/);
    expect(urns()).toEqual(before);
    // And back: what it has written is the lab's to read.
    await labOk("preview", "--expect-no-changes");
  });

  test("deploys and rotates without a failed request", async () => {
    const before = await togather();
    const version = other(before.version);
    const { load } = await underLoad(`a new version by a real pulumi`, async () => {
      await labOk("up", "--set", `togather:app.version=${version}`, ...real);
      await labOk(
        "up",
        "--set",
        `togather:app.version=${version}`,
        "--rotate",
        "togather:jwtSecret",
        ...real,
      );
    });
    expectNoFailure(load);
    expect(await togather()).toMatchObject({ version });
    expect(await leftovers()).toEqual([]);
    await labOk("refresh", ...real);
    await labOk("preview", "--set", `togather:app.version=${version}`, "--expect-no-changes", ...real);
  });

  test("names what was changed by hand, and puts it back without a failed request", async () => {
    const { load } = await underLoad("changes by hand, and up --refresh by a real pulumi", async () => {
      const { slot } = await togather();
      await sql("ALTER DATABASE togather CONNECTION LIMIT 77");
      await onMachine(`docker service update --detach --quiet --env-add BY_HAND=1 ${slot}`);
      const found = await lab("preview", "--refresh", "--expect-no-changes", ...real);
      expect(found.exitCode).not.toBe(0);
      for (const name of ["postgresql:Database", "Service togather_app"])
        expect(found.output).toContain(name);
      await labOk("up", "--refresh", ...real);
    });
    expectNoFailure(load);
    expect(await sql("SELECT datconnlimit FROM pg_database WHERE datname = 'togather'")).toBe("-1");
    await labOk("preview", "--refresh", "--expect-no-changes", ...real);
    expect(await leftovers()).toEqual([]);
  });

  test("is looked at in a loop during ten deploys, and its state is what the deploys wrote", async () => {
    const folder = join(home.stateDir, "pulumi");
    const checkpoint = () =>
      readFileSync(join(folder, "backend/.pulumi/stacks/berth/production.json"), "utf8");
    const env = {
      PULUMI_BACKEND_URL: `file://${join(folder, "backend")}`,
      PULUMI_CONFIG_PASSPHRASE: readFileSync(join(home.stateDir, "passphrase"), "utf8").trim(),
    };
    let looks = 0;
    let deploying = true;
    const looking = (async () => {
      while (deploying) {
        const look = await execa("npm", ["run", "--silent", "ops", "--", "status"], {
          env,
          all: true,
          reject: false,
        });
        expect(look.exitCode, look.all).toBe(0);
        expect(look.stderr).toContain(`Acting on the stack production in ${env.PULUMI_BACKEND_URL}`);
        looks += 1;
      }
    })();
    let version = (await togather()).version;
    for (let deploy = 1; deploy <= 10; deploy += 1) {
      version = other(version);
      await labOk("up", "--set", `togather:app.version=${version}`, ...real);
      // What the deploy wrote last, before anybody could have written over it.
      expect(await togather()).toMatchObject({ version });
    }
    const written = checkpoint();
    const looksBefore = looks;
    while (looks < looksBefore + 3) await sleep(200);
    deploying = false;
    await looking;
    expect(checkpoint()).toBe(written);
    const runs = readdirSync(join(folder, "backend/.pulumi/history/berth/production"));
    process.stdout.write(
      `ops status looked ${looks} times during ten deploys; ${runs.filter((name) => name.endsWith(".history.json")).length} runs in the backend's history\n`,
    );
    expect(looks).toBeGreaterThan(10);
    await labOk("preview", "--set", `togather:app.version=${version}`, "--expect-no-changes", ...real);
    expect(await leftovers()).toEqual([]);
  });

  test("keeps the old version when a probe fails, and goes on from there", async () => {
    const before = await togather();
    const failed = await lab("up", "--set", "togather:app.version=broken-health", ...real);
    expect(failed.exitCode).toBe(1);
    expect(failed.output).toContain("togather_app-probe");
    expect(await togather()).toMatchObject({ version: before.version, slot: before.slot });
    await labOk("up", "--set", `togather:app.version=${before.version}`, ...real);
    expect(await leftovers()).toEqual([]);
  });

  test.each(["togather_app", "togather_app-switch"])(
    "killed at %s: the next up recovers",
    async (resource) => {
      const version = other((await togather()).version);
      const deploy = ["up", "--set", `togather:app.version=${version}`, ...real];
      const { result, load } = await underLoad(`a real pulumi killed at ${resource}`, async () => {
        const killed = await killedAt(resource, ...deploy);
        expect(killed.exitCode, killed.output.slice(-3000)).toBeNull();
        return labOk(...deploy);
      });
      expect(result.output).toContain("An earlier run was interrupted");
      expect(result.output).toMatch(/deploy lock of .*removed/);
      expectNoFailure(load);
      expect(await togather()).toMatchObject({ version });
      expect(await leftovers()).toEqual([]);
    },
  );

  test("destroys all of it, and the lab's engine makes it anew", async () => {
    await labOk("destroy", ...real);
    const { stdout } = await labOk("status", "--json");
    expect(JSON.parse(stdout)).toMatchObject({ machines: [], systems: [] });
    await labOk("up");
    expect(await leftovers()).toEqual([]);
  });
});
