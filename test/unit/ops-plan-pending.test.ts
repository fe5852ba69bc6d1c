import { describe, expect, test } from "vitest";
import { applyToState } from "../../ops/apply-to-state.ts";
import { cloudTypes } from "../../ops/observed.ts";
import { planRecovery } from "../../ops/plan.ts";
import {
  cloudObject,
  creating,
  deployment,
  kinds,
  object,
  observed,
  postgres,
  resource,
  service,
} from "./ops-fixtures.ts";

describe("pending operations", () => {
  const inputs = { name: "togather", owner: "togather", password: { ciphertext: "v1:x" }, __defaults: [] };
  const database = resource("postgresql:index/database:Database", "togather-database", {
    inputs,
    deletedWith: postgres.urn,
  });

  test("a database that exists is added to the state, with its secrets unchanged", () => {
    const state = deployment([postgres], [creating(database)]);
    const objects = [
      object({ id: "service-postgres", resource: "togather_postgres", data: ["/mnt/data/x"] }),
    ];
    const actions = planRecovery(
      state,
      observed(objects, { databases: { "service-postgres": ["role:togather", "database:togather"] } }),
    );
    expect(actions).toMatchObject([{ kind: "adopt", id: "togather" }]);
    const after = applyToState(state, actions, new Date(0));
    expect(after.deployment.pending_operations).toBeUndefined();
    expect(after.deployment.resources?.at(-1)).toEqual({
      ...database,
      id: "togather",
      outputs: { name: "togather", owner: "togather", password: { ciphertext: "v1:x" } },
      created: "1970-01-01T00:00:00.000Z",
      modified: "1970-01-01T00:00:00.000Z",
    });
  });

  test.each([
    ["role", "postgresql:index/role:Role", { name: "togather" }, "role:togather", "togather"],
    [
      "extension",
      "postgresql:index/extension:Extension",
      { name: "vector", database: "togather" },
      "extension:togather.vector",
      "togather.vector",
    ],
  ])("an existing %s is adopted under the provider's id", (_name, type, given, entry, id) => {
    const what = resource(type, "x", { inputs: given, deletedWith: postgres.urn });
    const found = { databases: { "service-postgres": [entry] } };
    const state = deployment([postgres], [creating(what)]);
    const objects = [object({ id: "service-postgres" })];
    expect(planRecovery(state, observed(objects, found))).toMatchObject([{ kind: "adopt", id }]);
    expect(planRecovery(state, observed(objects))).toMatchObject([{ kind: "clear" }]);
  });

  test("a recorded resource is not adopted again", () => {
    const state = deployment([postgres, { ...database, id: "togather" }], [creating(database)]);
    const objects = [object({ id: "service-postgres" })];
    const actions = planRecovery(
      state,
      observed(objects, { databases: { "service-postgres": ["database:togather"] } }),
    );
    expect(kinds(actions)).toEqual(["clear"]);
  });

  test("commands, random values and keys are created again", () => {
    for (const type of [
      "command:local:Command",
      "random:index/randomPassword:RandomPassword",
      "tls:index/privateKey:PrivateKey",
    ]) {
      const actions = planRecovery(deployment([], [creating(resource(type, "x"))]), observed([]));
      expect(actions).toMatchObject([{ kind: "clear", why: "the next up creates it" }]);
    }
  });

  test("a resource with an interrupted deletion is removed from the state if its object does not exist; otherwise the next up deletes it", () => {
    const doomed = service("togather_app", { id: "slot-old", delete: true });
    const present = service("togather_app", { id: "slot-new" });
    const state = deployment([present, doomed], [{ type: "deleting", resource: doomed }]);
    const gone = planRecovery(state, observed([object({ id: "slot-new" })]));
    expect(kinds(gone)).toEqual(["forget", "clear"]);
    expect(applyToState(state, gone)).toEqual(deployment([present]));
    const there = planRecovery(state, observed([object({ id: "slot-new" }), object({ id: "slot-old" })]));
    expect(kinds(there)).toEqual(["clear"]);
  });

  test("resources that others depend on, and resources without a label, are not removed from the state", () => {
    const doomed = service("old_network", { id: "gone" });
    const user = service("user", { id: "user", dependencies: [doomed.urn] });
    const state = deployment([doomed, user], [{ type: "deleting", resource: doomed }]);
    expect(kinds(planRecovery(state, observed([object({ id: "user" })])))).toEqual(["clear"]);
    const bare = service("bare", { id: "gone", inputs: {} });
    const unlabelled = deployment([bare], [{ type: "deleting", resource: bare }]);
    expect(kinds(planRecovery(unlabelled, observed([])))).toEqual(["clear"]);
  });

  test("a host that does not answer: nothing on it counts as deleted", () => {
    const doomed = service("togather_app", { id: "slot-old", delete: true });
    const state = deployment([doomed], [{ type: "deleting", resource: doomed }]);
    expect(kinds(planRecovery(state, { hosts: [], cloud: [] }))).toEqual(["clear"]);
  });

  test("an operation that cannot be checked stays pending", () => {
    const state = deployment(
      [],
      [creating(service("a")), creating(resource(cloudTypes.server, "main-server"))],
    );
    const actions = planRecovery(state, { hosts: [], cloud: undefined });
    expect(kinds(actions)).toEqual(["keep", "keep"]);
    expect(applyToState(state, actions)).toEqual(state);
  });

  test("a record set of an interrupted creation is removed, so that it can be created", () => {
    const record = resource("hcloud:index/zoneRrset:ZoneRrset", "r", {
      inputs: { zone: "togather.example", name: "@", type: "A" },
    });
    expect(planRecovery(deployment([], [creating(record)]), observed([]))).toMatchObject([
      { kind: "remove-record", zone: "togather.example", record: "@/A" },
      { kind: "clear" },
    ]);
  });

  test("a completed attachment is added to the state", () => {
    const attachment = resource("hcloud:index/volumeAttachment:VolumeAttachment", "a", {
      inputs: { volumeId: 7, serverId: 3 },
    });
    const volume = resource("hcloud:index/volume:Volume", "v", { id: "7" });
    const state = deployment([volume], [creating(attachment)]);
    const attached = { hosts: [], cloud: [cloudObject({ kind: "volume", id: "7", serverId: "3" })] };
    expect(planRecovery(state, attached)).toMatchObject([{ kind: "adopt", id: "7" }]);
    const loose = { hosts: [], cloud: [cloudObject({ kind: "volume", id: "7" })] };
    expect(planRecovery(state, loose)).toMatchObject([{ kind: "clear" }]);
  });
});
