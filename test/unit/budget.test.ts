import { expect, test } from "vitest";
import { completeConfig } from "../program/committed-config.ts";
import { changedValues, problemsOf } from "./changed-config.ts";

/** The memory budget of a host: all limits on it and the second slot of its largest release, against what its server type has. */

const { values, secretKeys } = completeConfig("production", ["gadgetbot", "registry"]);
const onOneHost = changedValues({ ...values, "berth:builds": "{}" }, "berth:systems.registry", {
  ...{ host: "gadget", domain: "registry.shop.drvn.be", edgeNetwork: 2 },
});
const problemsWith = (path: string, value: unknown) =>
  problemsOf(changedValues(onOneHost, path, value), secretKeys).join("\n");

test("GadgetBot fits its CX23, with a small registry beside it", () => {
  expect(problemsWith("registry:server.memoryMebibytes", 256)).toBe("");
});

test("a sixth service that does not fit is refused, with the table and by how much", () => {
  expect(problemsWith("registry:server.memoryMebibytes", 512)).toBe(
    `berth:hosts.gadget.serverType: cx23 has 4096 MiB, and the limits of what runs on it are 4192 MiB, 96 MiB too much; choose a larger type or lower the services' memoryMebibytes
                                        memory (MiB)  processors
      --------------------------------  ------------  ----------
      registry server                   512           all
      gadgetbot app                     512           0.5
      gadgetbot zitadel                 800           0.5
      gadgetbot login                   256           0.25
      gadgetbot postgres                400           all
      gadgetbot zitadeldb               400           all
      second slot of gadgetbot zitadel  800           0.5
      operating system, Docker, edge    512
      all                               4192
      cx23                              4096          2`,
  );
  expect(problemsWith("registry:server.memoryMebibytes", 416)).toBe("");
});

test("replicas count, and their second slots", () => {
  const problems = problemsWith("gadgetbot:app.replicas", 3);
  expect(problems).toMatch(/^ +gadgetbot app +1536 +3 x 0\.5$/m);
  expect(problems).toMatch(/^ +second slot of gadgetbot app +1536 +3 x 0\.5$/m);
});

test("a job of a release counts where it is larger than a second slot", () => {
  expect(problemsWith("gadgetbot:zitadelSetup.memoryMebibytes", 2000)).toMatch(
    /^ +migrations of gadgetbot zitadel +2000$/m,
  );
});

test("what keeps data never runs twice", () => {
  expect(problemsWith("gadgetbot:postgres.memoryMebibytes", 560)).toBe("");
});

test("a task may not use more processors than its host has", () => {
  expect(problemsWith("gadgetbot:app.cpus", 2)).toBe("");
  expect(problemsWith("gadgetbot:app.cpus", 2.5)).toBe(
    "gadgetbot:app.cpus: 2.5 is more than the 2 processors of cx23; use 2 or less, or another berth:hosts.gadget.serverType",
  );
});
