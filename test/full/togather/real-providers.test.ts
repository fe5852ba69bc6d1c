import { readFileSync } from "node:fs";
import { beforeAll, describe, expect, test } from "vitest";
import { findCommand } from "../../../lab/docker/index.ts";
import { providerPackages } from "../../../lab/pulumi/providers/index.ts";
import { findPlugin } from "../../../lab/pulumi/providers/plugin.ts";
import { parseDeployment, resources } from "../../../ops/deployment.ts";
import { leftovers } from "../leftovers.ts";
import { scenarios } from "../search.ts";
import { expectTasks, labOk, stateFile, togather } from "../support.ts";
import { expectNoFailure, underLoad } from "../under-load.ts";

/** As in production: the pulumi on the PATH and Pulumi's real provider plugins, on the lab's cloud and machine. */

const real = ["--engine", "pulumi", "--providers", "real"];
const scaled = ["--set", "togather:app.replicas=2"];
const newer = ["--set", "togather:app.version=v1.1.0"];

const missing = [
  ...((await findCommand("pulumi")) === undefined ? ["pulumi on the PATH"] : []),
  ...providerPackages
    .filter((plugin) => findPlugin(plugin) === undefined)
    .map(({ name, version }) => `plugin ${name} ${version}`),
];
if (missing.length > 0) console.log(`skipped: --engine pulumi --providers real: no ${missing.join(", no ")}`);

const urns = () =>
  resources(parseDeployment(readFileSync(stateFile, "utf8")))
    .map(({ urn }) => urn)
    .sort();

describe.skipIf(missing.length > 0)("Pulumi with its real providers", () => {
  // So that the real ones make everything.
  beforeAll(async () => {
    const { stdout } = await labOk("status", "--json");
    if (JSON.parse(stdout).machines.length > 0) await labOk("destroy");
  });
  scenarios(...real);

  test("a second up does nothing, and the lab's engine and providers take over the state and hand it back", async () => {
    const before = urns();
    await labOk("preview", "--expect-no-changes", ...real);
    await labOk("preview", "--expect-no-changes");
    expect((await labOk("up")).output).toMatch(/Up in .*: nothing to do/);
    expect(urns()).toEqual(before);
    await labOk("preview", "--expect-no-changes", ...real);
    expect((await labOk("up", ...real)).output).toMatch(/Up in .*: nothing to do/);
    expect(await leftovers()).toEqual([]);
  });

  test("one replica to two and back: no request fails, and the slot stays", async () => {
    const before = await togather();
    const { load } = await underLoad("scaling 1 to 2 to 1 with the real providers", async () => {
      await labOk("up", ...scaled, ...real);
      await expectTasks(2);
      await labOk("preview", ...scaled, "--expect-no-changes", ...real);
      await labOk("up", ...real);
      await expectTasks(1);
    });
    expectNoFailure(load);
    expect((await togather()).slot).toBe(before.slot);
    expect(await leftovers()).toEqual([]);
  });

  test("deploys a version without a failed request, and a refresh finds nothing to change", async () => {
    const before = await togather();
    const { load } = await underLoad("a new version with the real providers", () =>
      labOk("up", ...newer, ...real),
    );
    expectNoFailure(load);
    const after = await togather();
    expect(after).toMatchObject({ version: "v1.1.0", healthy: true });
    expect(after.slot).not.toBe(before.slot);
    expect(await leftovers()).toEqual([]);
    await labOk("refresh", ...real);
    await labOk("preview", ...newer, "--expect-no-changes", ...real);
    await labOk("preview", ...newer, "--expect-no-changes");
  });
});

describe.skipIf(missing.length > 0)("and at the end", () => {
  test("destroys all of it", async () => {
    await labOk("destroy", ...real);
    const { stdout } = await labOk("status", "--json");
    expect(JSON.parse(stdout)).toMatchObject({ machines: [], systems: [] });
  });
});
