import { afterAll, beforeAll, expect, test } from "vitest";
import { edgeKind, expectNoFailure, lab, labOk, onMachine, running, underLoad } from "../support.ts";

/** MFA's everyday releases, of an app and a worker at once, under load; `BERTH_TEST_EDGE=traefik` as for Togather. */

const edge =
  edgeKind === "traefik"
    ? []
    : ["--set", "berth:hosts.code.edge.kind=nginx", "--set", "berth:hosts.code.edge.version=1.28.3"];
const tunnel = ["--set", `mfa:postgres.tunnelPort=${process.env.BERTH_TEST_TUNNEL_PORT ?? "15442"}`];
const up = (...more: string[]) => labOk("up", "mfa", ...edge, ...tunnel, ...more);
const slots = async () => ({
  app: await running("mfa", "app"),
  worker: await running("mfa", "worker"),
});

beforeAll(async () => {
  await up();
});
afterAll(async () => {
  // The next file knows nothing of this system.
  await labOk("down");
});

test("a new version under a constant load: no request fails, and the worker follows", async () => {
  const before = await slots();
  const { load } = await underLoad("a new version", () => up("--set", "mfa:app.version=v2.0.0"), "mfa");
  expectNoFailure(load);
  const after = await slots();
  expect([after.app.version, after.worker.version]).toEqual(["v2.0.0", "v2.0.0"]);
  expect(after.worker.slot).not.toBe(before.worker.slot);
});

test("a worker that does not start: the run fails, and the one of before goes on", async () => {
  const before = await slots();
  const impatient = ["--set", 'mfa:probe={"graceSeconds":5,"attempts":2,"intervalSeconds":1}'];
  const wrong = ["--set", "mfa:worker.environment.LOG_LEVEL=shouting"];
  const version = ["--set", "mfa:app.version=v2.0.0"];
  const failed = await lab("up", "mfa", ...edge, ...tunnel, ...version, ...impatient, ...wrong);
  expect(failed.exitCode).not.toBe(0);
  expect(failed.output).toContain('LOG_LEVEL is "shouting"; use one of: debug, info, warn, error');
  expect((await slots()).worker).toEqual(before.worker);
  const status =
    "docker ps --filter status=running --format '{{.Names}}' --filter label=berth.resource=mfa_worker";
  expect(await onMachine(status)).toContain(before.worker.slot);
});
