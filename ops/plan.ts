import type { Deployment } from "./deployment.ts";
import {
  type CloudKind,
  type CloudObject,
  cloudKinds,
  cloudTypes,
  type DockerObject,
  dockerKinds,
  dockerTypes,
  type HostObservation,
  type Observation,
} from "./observed.ts";
import { planOperation } from "./plan-operations.ts";
import type { Action } from "./recovery-action.ts";
import { StateIndex } from "./state-index.ts";

/** Kinds of cloud objects that cannot be created again: they hold data, or an address that others use. */
const precious: readonly CloudKind[] = ["server", "volume", "primary_ip", "zone"];

/**
 * The actions after which the state matches what exists. Pure. Never removes what the state contains (including
 * resources to be deleted) or a route names. Removes what may hold data only when this state was creating it.
 */
export function planRecovery(deployment: Deployment, observed: Observation): Action[] {
  const state = new StateIndex(deployment);
  return [
    ...observed.hosts.flatMap((host) => planHost(state, host)),
    ...planCloud(state, observed.cloud ?? []),
    ...state.pending.flatMap((operation) => planOperation(state, operation, observed)),
  ];
}

function planHost(state: StateIndex, host: HostObservation): Action[] {
  // A slot that is kept for going back is not an orphan, nor are its secrets and configs.
  const kept = host.objects.filter(({ kind, name }) => kind === "service" && host.kept.includes(name));
  const keptIds = new Set(kept.flatMap(({ id, uses }) => [id, ...uses]));
  const orphans = host.objects.filter(
    ({ kind, id }) => !state.names(dockerTypes[kind], id) && !keptIds.has(id),
  );
  // Services first: what they use cannot be removed before them.
  return dockerKinds.flatMap((kind) =>
    orphans.filter((object) => object.kind === kind).map((object) => planDockerOrphan(state, host, object)),
  );
}

function planDockerOrphan(state: StateIndex, host: HostObservation, object: DockerObject): Action {
  const what = `${object.kind} ${object.name}`;
  const interrupted = state.isCreating(dockerTypes[object.kind], object.resource);
  if (object.kind === "service" && namesSlot(host.routes, object.name)) {
    return { kind: "keep", what, why: "it is not in the state, but a route sends requests to it" };
  }
  if (object.job && host.commands > 0) {
    return { kind: "keep", what, why: "a command on the host still runs it" };
  }
  if (object.data.length > 0 && !interrupted) {
    return {
      kind: "keep",
      what,
      why: `it is not in the state, but keeps data in ${object.data.join(", ")}; if it can be removed: docker service rm ${object.name}`,
    };
  }
  const data = object.data.length > 0 ? `; its data stays in ${object.data.join(", ")}` : "";
  return {
    kind: "remove-docker",
    provider: host.provider,
    object,
    why: `${interrupted ? "its creation was interrupted before it was recorded" : "it belongs to no resource of the state"}${data}`,
  };
}

/** Whether a route file names this service: as a whole word, since one name can begin another. */
function namesSlot(routes: string, name: string): boolean {
  return routes.split(/[^A-Za-z0-9_-]+/).includes(name);
}

function planCloud(state: StateIndex, objects: readonly CloudObject[]): Action[] {
  const orphans = objects.filter((object) => !state.names(cloudTypes[object.kind], object.id));
  // A server first: firewalls, addresses and volumes that are in use cannot be removed.
  return cloudKinds.flatMap((kind) =>
    orphans
      .filter((object) => object.kind === kind)
      .map((object): Action => {
        if (state.isCreating(cloudTypes[kind], object.resource)) {
          return {
            kind: "remove-cloud",
            object,
            why: "its creation was interrupted before it was recorded",
          };
        }
        if (precious.includes(kind)) {
          return {
            kind: "keep",
            what: `${kind} ${object.name} (${object.id})`,
            why: "it is not in the state, but may hold data or an address that cannot be recreated; remove it by hand if it is not needed",
          };
        }
        return { kind: "remove-cloud", object, why: "it belongs to no resource of the state" };
      }),
  );
}
