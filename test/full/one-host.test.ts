import { beforeAll, describe, expect, test } from "vitest";
import { endOtherSystems } from "./search.ts";
import { labOk, running, testSystem } from "./support.ts";
import { connectedRepoSystem, mfaSystem, set, tunnelPort } from "./systems.ts";
import { expectNoFailure, underLoad } from "./under-load.ts";

/** MFA and connected-repo on one host, on either kind of edge: each with its own certificate of Pebble's, on networks of its own. */

const both = [
  "connected-repo",
  ...connectedRepoSystem.options,
  ...set("berth:systems.connected-repo.host=code", "berth:systems.connected-repo.edgeNetwork=3"),
  ...set(`connected-repo:postgres.tunnelPort=${Number(tunnelPort) + 1}`),
];
const kinds = ["traefik", "nginx"] as const;

beforeAll(async () => {
  testSystem(mfaSystem);
  await endOtherSystems();
});

describe.each(kinds)("on %s", (kind) => {
  const options = [...both, ...mfaSystem.edges[kind]];

  test("both answer by their certificates, and nothing would change", async () => {
    await labOk("up", ...options);
    const systems = [await running("mfa", "app"), await running("connected-repo", "api")];
    expect(systems.map(({ healthy }) => healthy)).toEqual([true, true]);
    expect(new Set(systems.map(({ address }) => address)).size).toBe(1);
    await labOk("preview", "--expect-no-changes", ...options);
  });

  test("a release of one costs no request of the other", async () => {
    const before = await running("mfa", "app");
    const version = kind === "traefik" ? "v1.1.0" : "v1.2.0";
    const { load } = await underLoad(`connected-repo to ${version}, asked for MFA`, () =>
      labOk("up", ...options, ...set(`connected-repo:api.version=${version}`)),
    );
    expectNoFailure(load);
    expect(await running("mfa", "app")).toEqual(before);
    expect(await running("connected-repo", "api")).toMatchObject({ version, healthy: true });
  });
});
