import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { applyToState } from "../../ops/apply-to-state.ts";
import type { PendingOperation, StateResource } from "../../ops/deployment.ts";
import { cloudKinds, cloudTypes, dockerKinds, dockerTypes } from "../../ops/observed.ts";
import { planRecovery } from "../../ops/plan.ts";
import {
  cloudObject,
  creating,
  deployment,
  host,
  kinds,
  object,
  observed,
  resource,
  service,
} from "./ops-fixtures.ts";

describe("leftovers of an interrupted creation on a host", () => {
  const old = service("togather_app", { id: "slot-old", delete: false });

  test("a slot that was created and not recorded is removed, the recorded one stays", () => {
    const state = deployment([old], [creating(service("togather_app"))]);
    const actions = planRecovery(state, observed([object({ id: "slot-old" }), object({ id: "slot-new" })]));
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

  test("nothing exists: the operation is cleared nevertheless", () => {
    const actions = planRecovery(deployment([], [creating(service("togather_app"))]), observed([]));
    expect(kinds(actions)).toEqual(["clear"]);
  });

  test("a slot that awaits its deletion is in the state, and stays for the next up", () => {
    const state = deployment([old, service("togather_app", { id: "slot-older", delete: true })]);
    expect(planRecovery(state, observed([object({ id: "slot-old" }), object({ id: "slot-older" })]))).toEqual(
      [],
    );
  });

  test("a service that a route names is never removed", () => {
    const routes = "upstream togather_app {\n  server togather_app-lost:8080 resolve;\n}\n";
    const actions = planRecovery(deployment([]), observed([object({ id: "lost" })], { routes }));
    expect(actions).toEqual([
      {
        kind: "keep",
        what: "service togather_app-lost",
        why: "it is not in the state, but a route sends requests to it",
      },
    ]);
  });

  test("a route matches whole names: togather_app-1 is not togather_app-12", () => {
    const routes = "server togather_app-12:8080;";
    expect(kinds(planRecovery(deployment([]), observed([object({ id: "1" })], { routes })))).toEqual([
      "remove-docker",
    ]);
  });

  test("services are removed before the objects that they use", () => {
    const leftovers = [
      object({ kind: "network", id: "n" }),
      object({ kind: "config", id: "c" }),
      object({ kind: "secret", id: "s" }),
      object({ kind: "service", id: "x" }),
    ];
    const actions = planRecovery(deployment([]), observed(leftovers));
    expect(actions.map((action) => action.kind === "remove-docker" && action.object.kind)).toEqual([
      "service",
      "secret",
      "config",
      "network",
    ]);
  });

  test("a service with data is removed only if this state was creating it, and the location of the data is reported", () => {
    const stateful = object({
      id: "pg",
      name: "togather_postgres",
      resource: "togather_postgres",
      data: ["/mnt/data/x"],
    });
    expect(planRecovery(deployment([]), observed([stateful]))).toMatchObject([{ kind: "keep" }]);
    const interrupted = deployment([], [creating(service("togather_postgres"))]);
    expect(planRecovery(interrupted, observed([stateful]))[0]).toMatchObject({
      kind: "remove-docker",
      why: "its creation was interrupted before it was recorded; its data stays in /mnt/data/x",
    });
  });

  test("a running migration job is not removed; an abandoned one is", () => {
    const job = object({ id: "m", name: "togather_app_migration", job: true });
    expect(kinds(planRecovery(deployment([]), observed([job], { commands: 1 })))).toEqual(["keep"]);
    expect(kinds(planRecovery(deployment([]), observed([job])))).toEqual(["remove-docker"]);
  });
});

describe("the cloud", () => {
  test("a server of an interrupted creation is removed; an unknown one is only reported", () => {
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

  test("equal ids of different kinds are different objects", () => {
    const state = deployment([resource(cloudTypes.firewall, "f", { id: "3" })]);
    const objects = [cloudObject({ kind: "firewall", id: "3" }), cloudObject({ kind: "ssh_key", id: "3" })];
    expect(planRecovery(state, { hosts: [], cloud: objects })).toMatchObject([
      { kind: "remove-cloud", object: { kind: "ssh_key" } },
    ]);
  });
});

describe("properties", () => {
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
