import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { applyToState } from "../../ops/apply-to-state.ts";
import type { PendingOperation, StateResource } from "../../ops/deployment.ts";
import { planRecovery } from "../../ops/plan.ts";
import type { Action } from "../../ops/recovery-action.ts";
import { cloudKinds, cloudTypes, type DockerObject, dockerKinds, dockerTypes } from "../../ops/world.ts";
import {
  cloudObject,
  creating,
  deployment,
  host,
  object,
  postgres,
  resource,
  service,
} from "./ops-fixtures.ts";

const world = (objects: readonly DockerObject[], more = {}) => ({ hosts: [host(objects, more)], cloud: [] });
const kinds = (actions: readonly Action[]) => actions.map(({ kind }) => kind);

describe("what an interrupted creation left on a host", () => {
  const old = service("togather_app", { id: "slot-old", delete: false });

  test("a slot that was created and not recorded goes, the recorded one stays", () => {
    const state = deployment([old], [creating(service("togather_app"))]);
    const actions = planRecovery(state, world([object({ id: "slot-old" }), object({ id: "slot-new" })]));
    expect(actions).toMatchObject([
      {
        kind: "remove-docker",
        provider: "main-docker",
        object: { id: "slot-new" },
        why: "its creation was interrupted before it was recorded",
      },
      { kind: "clear", operation: { type: "creating" }, why: "the next up creates it" },
    ]);
    expect(applyToState(state, actions)).toEqual(deployment([old]));
  });

  test("nothing to find: the operation is cleared all the same", () => {
    const actions = planRecovery(deployment([], [creating(service("togather_app"))]), world([]));
    expect(kinds(actions)).toEqual(["clear"]);
  });

  test("a slot that awaits its deletion is in the state, and stays for the next up", () => {
    const state = deployment([old, service("togather_app", { id: "slot-older", delete: true })]);
    expect(planRecovery(state, world([object({ id: "slot-old" }), object({ id: "slot-older" })]))).toEqual(
      [],
    );
  });

  test("a service that a route names is never removed", () => {
    const routes = "upstream togather_app {\n  server togather_app-lost:8080 resolve;\n}\n";
    const actions = planRecovery(deployment([]), world([object({ id: "lost" })], { routes }));
    expect(actions).toEqual([
      {
        kind: "keep",
        what: "service togather_app-lost",
        why: "it is not in the state, but a route sends requests to it",
      },
    ]);
  });

  test("a route names whole names: togather_app-1 is not togather_app-12", () => {
    const routes = "server togather_app-12:8080;";
    expect(kinds(planRecovery(deployment([]), world([object({ id: "1" })], { routes })))).toEqual([
      "remove-docker",
    ]);
  });

  test("services go before what they use", () => {
    const leftovers = [
      object({ kind: "network", id: "n" }),
      object({ kind: "config", id: "c" }),
      object({ kind: "secret", id: "s" }),
      object({ kind: "service", id: "x" }),
    ];
    const actions = planRecovery(deployment([]), world(leftovers));
    expect(actions.map((action) => action.kind === "remove-docker" && action.object.kind)).toEqual([
      "service",
      "secret",
      "config",
      "network",
    ]);
  });

  test("a service with data is removed only if this state was creating it, and says where the data stays", () => {
    const stateful = object({
      id: "pg",
      name: "togather_postgres",
      resource: "togather_postgres",
      data: ["/mnt/data/x"],
    });
    expect(planRecovery(deployment([]), world([stateful]))).toMatchObject([{ kind: "keep" }]);
    const interrupted = deployment([], [creating(service("togather_postgres"))]);
    expect(planRecovery(interrupted, world([stateful]))[0]).toMatchObject({
      kind: "remove-docker",
      why: "its creation was interrupted before it was recorded; its data stays in /mnt/data/x",
    });
  });

  test("a migration that still runs is left to end; one that nobody runs any more goes", () => {
    const job = object({ id: "m", name: "togather_app_migration", job: true });
    expect(kinds(planRecovery(deployment([]), world([job], { commands: 1 })))).toEqual(["keep"]);
    expect(kinds(planRecovery(deployment([]), world([job])))).toEqual(["remove-docker"]);
  });
});

describe("pending operations", () => {
  const inputs = { name: "togather", owner: "togather", password: { ciphertext: "v1:x" }, __defaults: [] };
  const database = resource("postgresql:index/database:Database", "togather-database", {
    inputs,
    deletedWith: postgres.urn,
  });

  test("a database that exists is taken into the state, its secrets as they were", () => {
    const state = deployment([postgres], [creating(database)]);
    const objects = [
      object({ id: "service-postgres", resource: "togather_postgres", data: ["/mnt/data/x"] }),
    ];
    const actions = planRecovery(
      state,
      world(objects, { databases: { "service-postgres": ["role:togather", "database:togather"] } }),
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
    expect(planRecovery(state, world(objects, found))).toMatchObject([{ kind: "adopt", id }]);
    expect(planRecovery(state, world(objects))).toMatchObject([{ kind: "clear" }]);
  });

  test("what is recorded already is not adopted again", () => {
    const state = deployment([postgres, { ...database, id: "togather" }], [creating(database)]);
    const objects = [object({ id: "service-postgres" })];
    const actions = planRecovery(
      state,
      world(objects, { databases: { "service-postgres": ["database:togather"] } }),
    );
    expect(kinds(actions)).toEqual(["clear"]);
  });

  test("commands, random values and keys are done again", () => {
    for (const type of [
      "command:local:Command",
      "random:index/randomPassword:RandomPassword",
      "tls:index/privateKey:PrivateKey",
    ]) {
      const actions = planRecovery(deployment([], [creating(resource(type, "x"))]), world([]));
      expect(actions).toMatchObject([{ kind: "clear", why: "the next up creates it" }]);
    }
  });

  test("a deletion whose object is gone is taken out of the state; one that is there stays for the next up", () => {
    const doomed = service("togather_app", { id: "slot-old", delete: true });
    const present = service("togather_app", { id: "slot-new" });
    const state = deployment([present, doomed], [{ type: "deleting", resource: doomed }]);
    const gone = planRecovery(state, world([object({ id: "slot-new" })]));
    expect(kinds(gone)).toEqual(["forget", "clear"]);
    expect(applyToState(state, gone)).toEqual(deployment([present]));
    const there = planRecovery(state, world([object({ id: "slot-new" }), object({ id: "slot-old" })]));
    expect(kinds(there)).toEqual(["clear"]);
  });

  test("what others in the state depend on is not forgotten, and neither is what carries no label to find it by", () => {
    const doomed = service("old_network", { id: "gone" });
    const user = service("user", { id: "user", dependencies: [doomed.urn] });
    const state = deployment([doomed, user], [{ type: "deleting", resource: doomed }]);
    expect(kinds(planRecovery(state, world([object({ id: "user" })])))).toEqual(["clear"]);
    const bare = service("bare", { id: "gone", inputs: {} });
    const unlabelled = deployment([bare], [{ type: "deleting", resource: bare }]);
    expect(kinds(planRecovery(unlabelled, world([])))).toEqual(["clear"]);
  });

  test("a host that did not answer: nothing on it counts as gone", () => {
    const doomed = service("togather_app", { id: "slot-old", delete: true });
    const state = deployment([doomed], [{ type: "deleting", resource: doomed }]);
    expect(kinds(planRecovery(state, { hosts: [], cloud: [] }))).toEqual(["clear"]);
  });

  test("what nobody could be asked about stays pending", () => {
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
    expect(planRecovery(deployment([], [creating(record)]), world([]))).toMatchObject([
      { kind: "remove-record", zone: "togather.example", record: "@/A" },
      { kind: "clear" },
    ]);
  });

  test("an attachment that took place is taken into the state", () => {
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

describe("the cloud", () => {
  test("a server of an interrupted creation goes; one that nobody knows is left to a person", () => {
    const server = cloudObject({ kind: "server", id: "3", resource: "main-server" });
    const type = cloudTypes.server;
    expect(
      kinds(
        planRecovery(deployment([], [creating(resource(type, "main-server"))]), {
          hosts: [],
          cloud: [server],
        }),
      ),
    ).toEqual(["remove-cloud", "clear"]);
    expect(planRecovery(deployment([]), { hosts: [], cloud: [server] })).toMatchObject([{ kind: "keep" }]);
  });

  test("ids of different kinds are different things", () => {
    const state = deployment([resource(cloudTypes.firewall, "f", { id: "3" })]);
    const objects = [cloudObject({ kind: "firewall", id: "3" }), cloudObject({ kind: "ssh_key", id: "3" })];
    expect(planRecovery(state, { hosts: [], cloud: objects })).toMatchObject([
      { kind: "remove-cloud", object: { kind: "ssh_key" } },
    ]);
  });
});

describe("laws", () => {
  const ids = fc.constantFrom("1", "2", "3", "4", "5", "6");
  const anyObject = fc
    .record({
      kind: fc.constantFrom(...dockerKinds),
      id: ids,
      data: fc.constantFrom<readonly string[]>([], ["/mnt/data/x"]),
      job: fc.boolean(),
      resource: fc.constantFrom("a", "b", "c"),
    })
    .map((given) => object({ ...given, name: `${given.resource}-${given.id}` }));
  const anyResource: fc.Arbitrary<StateResource> = fc
    .record({
      type: fc.constantFrom(...Object.values(dockerTypes), ...Object.values(cloudTypes)),
      name: fc.constantFrom("a", "b", "c"),
      id: fc.option(ids, { nil: undefined }),
      delete: fc.boolean(),
    })
    .map(({ type, name, id, delete: old }) => resource(type, name, { ...(id ? { id } : {}), delete: old }));
  const anyOperation: fc.Arbitrary<PendingOperation> = fc.record({
    type: fc.constantFrom("creating", "updating", "deleting", "reading"),
    resource: anyResource,
  });
  const anyCloud = fc
    .record({ kind: fc.constantFrom(...cloudKinds), id: ids, resource: fc.constantFrom("a", "b", "c") })
    .map(cloudObject);
  const situation = fc.record({
    resources: fc.array(anyResource, { maxLength: 8 }),
    pending: fc.array(anyOperation, { maxLength: 4 }),
    objects: fc.array(anyObject, { maxLength: 8 }),
    routed: fc.array(fc.record({ name: fc.constantFrom("a", "b", "c"), id: ids }), { maxLength: 3 }),
    cloud: fc.array(anyCloud, { maxLength: 6 }),
    commands: fc.constantFrom(0, 1),
  });

  test("never removes what the state or a route names, nor what holds data, unless this state was creating it", () => {
    fc.assert(
      fc.property(situation, ({ resources, pending, objects, routed, cloud, commands }) => {
        const state = deployment(resources, pending);
        const routes = routed.map(({ name, id }) => `server ${name}-${id}:8080 resolve;`).join("\n");
        const actions = planRecovery(state, { hosts: [host(objects, { routes, commands })], cloud });
        const isCreating = (type: string, name: string) =>
          pending.some(
            (operation) =>
              operation.type === "creating" &&
              operation.resource.type === type &&
              operation.resource.urn.endsWith(`::${name}`),
          );
        for (const action of actions) {
          if (action.kind === "remove-docker") {
            const { kind, id, name, data, job } = action.object;
            expect(resources.some((each) => each.type === dockerTypes[kind] && each.id === id)).toBe(false);
            if (kind === "service") expect(routed.some((to) => `${to.name}-${to.id}` === name)).toBe(false);
            if (data.length > 0) expect(isCreating(dockerTypes[kind], action.object.resource)).toBe(true);
            if (commands > 0) expect(job).toBe(false);
          }
          if (action.kind === "remove-cloud") {
            const { kind, id } = action.object;
            expect(resources.some((each) => each.type === cloudTypes[kind] && each.id === id)).toBe(false);
            if (["server", "volume", "primary_ip", "zone"].includes(kind)) {
              expect(isCreating(cloudTypes[kind], action.object.resource)).toBe(true);
            }
          }
        }
      }),
      { numRuns: 500 },
    );
  });

  test("resolves every pending operation, loses no resource but those that are gone, and has nothing left to do", () => {
    fc.assert(
      fc.property(situation, ({ resources, pending, objects, cloud }) => {
        const state = deployment(resources, pending);
        const actions = planRecovery(state, { hosts: [host(objects)], cloud });
        const after = applyToState(state, actions);
        expect(after.deployment.pending_operations).toBeUndefined();
        const forgotten = actions.flatMap((action) => (action.kind === "forget" ? [action.resource] : []));
        for (const each of resources) {
          const kept = after.deployment.resources?.includes(each) ?? false;
          expect(kept).toBe(!forgotten.some(({ urn, id }) => urn === each.urn && id === each.id));
        }
        const removed = new Set(
          actions.flatMap((action) => ("object" in action ? [action.object as object] : [])),
        );
        const again = planRecovery(after, {
          hosts: [host(objects.filter((each) => !removed.has(each)))],
          cloud: cloud.filter((each) => !removed.has(each)),
        });
        expect(again.filter(({ kind }) => kind !== "keep")).toEqual([]);
      }),
      { numRuns: 500 },
    );
  });
});
