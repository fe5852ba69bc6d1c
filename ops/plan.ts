import {
  type Deployment,
  isObject,
  isSecret,
  type PendingOperation,
  pendingOperations,
  providerUrn,
  resourceName,
  resources,
  type StateResource,
  textOf,
} from "./deployment.ts";
import {
  type CloudKind,
  type CloudObject,
  cloudTypes,
  type DockerObject,
  dockerKinds,
  dockerTypes,
  type HostWorld,
  type World,
} from "./world.ts";

/** One thing that recovery does, or on purpose does not do. */
export type Action =
  /** Forgets a pending operation: the next `up` does what it left undone. */
  | { readonly kind: "clear"; readonly operation: PendingOperation; readonly why: string }
  /** Records what was created but not written down. */
  | {
      readonly kind: "adopt";
      readonly operation: PendingOperation;
      readonly id: string;
      readonly why: string;
    }
  /** Forgets a resource whose deletion was interrupted after it was gone. */
  | { readonly kind: "forget"; readonly resource: StateResource; readonly why: string }
  | {
      readonly kind: "remove-docker";
      readonly provider: string;
      readonly object: DockerObject;
      readonly why: string;
    }
  | { readonly kind: "remove-cloud"; readonly object: CloudObject; readonly why: string }
  | { readonly kind: "remove-record"; readonly zone: string; readonly record: string; readonly why: string }
  /** Leaves something alone and says so: a person decides. */
  | { readonly kind: "keep"; readonly what: string; readonly why: string };

/** Kinds of cloud objects that can hold what nobody can make again: data, or an address that others know. */
const precious: readonly CloudKind[] = ["server", "volume", "primary_ip", "zone"];

/**
 * What to do so that the next `up` starts from what is there. Pure. Never removes what the state names (resources to be
 * deleted included) or a route names; things that may hold data only when this very state was creating them.
 */
export function planRecovery(deployment: Deployment, world: World): Action[] {
  const state = new StateIndex(deployment);
  return [
    ...world.hosts.flatMap((host) => planHost(state, host)),
    ...planCloud(state, world.cloud ?? []),
    ...state.pending.flatMap((operation) => planOperation(state, operation, world)),
  ];
}

class StateIndex {
  readonly resources: readonly StateResource[];
  readonly pending: readonly PendingOperation[];
  readonly #ids = new Set<string>();

  constructor(deployment: Deployment) {
    this.resources = resources(deployment);
    this.pending = pendingOperations(deployment);
    for (const { type, id } of this.resources) {
      if (id) this.#ids.add(`${type} ${id}`);
    }
  }

  names(type: string, id: string): boolean {
    return this.#ids.has(`${type} ${id}`);
  }

  isCreating(type: string, name: string): boolean {
    return this.pending.some(
      (operation) =>
        operation.type === "creating" &&
        operation.resource.type === type &&
        resourceName(operation.resource.urn) === name,
    );
  }
}

function planHost(state: StateIndex, host: HostWorld): Action[] {
  // A slot that stays to be gone back to is nobody's orphan, nor is what it uses.
  const kept = host.objects.filter(({ kind, name }) => kind === "service" && host.kept.includes(name));
  const keptIds = new Set(kept.flatMap(({ id, uses }) => [id, ...uses]));
  const orphans = host.objects.filter(
    ({ kind, id }) => !state.names(dockerTypes[kind], id) && !keptIds.has(id),
  );
  // Services first: what they use cannot be removed before.
  return dockerKinds.flatMap((kind) =>
    orphans.filter((object) => object.kind === kind).map((object) => planDockerOrphan(state, host, object)),
  );
}

function planDockerOrphan(state: StateIndex, host: HostWorld, object: DockerObject): Action {
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
      why: `it is not in the state, but keeps data in ${object.data.join(", ")}; if it may go: docker service rm ${object.name}`,
    };
  }
  const data = object.data.length > 0 ? `; its data stays in ${object.data.join(", ")}` : "";
  return {
    kind: "remove-docker",
    provider: host.provider,
    object,
    why: `${interrupted ? "its creation was interrupted before it was recorded" : "it is in no resource of the state"}${data}`,
  };
}

/** Whether a route file names this service: as a whole word, since one name can begin another. */
function namesSlot(routes: string, name: string): boolean {
  return routes.split(/[^A-Za-z0-9_-]+/).includes(name);
}

function planCloud(state: StateIndex, objects: readonly CloudObject[]): Action[] {
  const order: readonly CloudKind[] = [
    "server",
    "volume",
    "primary_ip",
    "firewall",
    "ssh_key",
    "network",
    "zone",
  ];
  const orphans = objects.filter((object) => !state.names(cloudTypes[object.kind], object.id));
  // A server first: firewalls, addresses and volumes that are in use cannot be removed.
  return order.flatMap((kind) =>
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
            why: "it is not in the state, but may hold what cannot be made again; remove it by hand if it may go",
          };
        }
        return { kind: "remove-cloud", object, why: "it is in no resource of the state" };
      }),
  );
}

function planOperation(state: StateIndex, operation: PendingOperation, world: World): Action[] {
  const { resource } = operation;
  const clear = (why: string): Action => ({ kind: "clear", operation, why });
  switch (operation.type) {
    case "creating":
      return planCreation(state, operation, world);
    case "deleting":
      return isGone(resource, world)
        ? [
            ...(canForget(state, resource)
              ? [{ kind: "forget", resource, why: "its deletion was interrupted, and it is gone" } as const]
              : []),
            clear("it is gone"),
          ]
        : [clear("still there: the next up deletes it")];
    case "updating":
      return [clear("the next up updates it again")];
    default:
      return [clear("it changed nothing")];
  }
}

function planCreation(state: StateIndex, operation: PendingOperation, world: World): Action[] {
  const { resource } = operation;
  const clear = (why: string): Action => ({ kind: "clear", operation, why });
  if (!wasAsked(resource, world)) {
    return [
      {
        kind: "keep",
        what: `the interrupted creation of ${resourceName(resource.urn)}`,
        why: "nobody could be asked whether it exists",
      },
    ];
  }
  const recorded = state.resources.some((other) => other.urn === resource.urn && !other.delete);
  const databaseId = postgresId(resource);
  if (databaseId !== undefined && !recorded && databaseHas(state, resource, databaseId.entry, world)) {
    return [{ kind: "adopt", operation, id: databaseId.id, why: "it exists in the database" }];
  }
  if (resource.type === "hcloud:index/volumeAttachment:VolumeAttachment" && !recorded) {
    const volume = textOf(resource.inputs, "volumeId");
    const server = textOf(resource.inputs, "serverId");
    const attached = world.cloud?.some(
      ({ kind, id, serverId }) => kind === "volume" && id === volume && serverId === server,
    );
    if (attached && volume !== undefined) {
      return [{ kind: "adopt", operation, id: volume, why: "the volume is attached to the server" }];
    }
  }
  if (resource.type === "hcloud:index/zoneRrset:ZoneRrset" && !recorded) {
    const [zone, name, type] = ["zone", "name", "type"].map((key) => textOf(resource.inputs, key));
    if (zone !== undefined && name !== undefined && type !== undefined) {
      return [
        { kind: "remove-record", zone, record: `${name}/${type}`, why: "its creation was interrupted" },
        clear("the next up creates it"),
      ];
    }
  }
  return [clear("the next up creates it")];
}

/** Whether the world says anything about objects of this kind: their host, or the cloud, answered. */
function wasAsked(resource: StateResource, world: World): boolean {
  if (resource.type.startsWith("hcloud:")) return world.cloud !== undefined;
  return !resource.type.startsWith("docker:") || hostOf(resource, world) !== undefined;
}

function hostOf(resource: StateResource, world: World): HostWorld | undefined {
  return world.hosts.find(({ provider }) => provider === resourceName(providerUrn(resource.provider)));
}

/** The id that the postgresql provider gives, and what to look for in the database. */
function postgresId(resource: StateResource): { id: string; entry: string } | undefined {
  const name = textOf(resource.inputs, "name");
  if (name === undefined) return undefined;
  switch (resource.type) {
    case "postgresql:index/role:Role":
      return { id: name, entry: `role:${name}` };
    case "postgresql:index/database:Database":
      return { id: name, entry: `database:${name}` };
    case "postgresql:index/extension:Extension": {
      const id = `${textOf(resource.inputs, "database") ?? "postgres"}.${name}`;
      return { id, entry: `extension:${id}` };
    }
    default:
      return undefined;
  }
}

function databaseHas(state: StateIndex, resource: StateResource, entry: string, world: World): boolean {
  const server = state.resources.find(({ urn, delete: old }) => urn === resource.deletedWith && !old);
  if (server?.id === undefined) return false;
  const id = server.id;
  return world.hosts.some((host) => host.databases[id]?.includes(entry));
}

/** Whether the world was asked for objects of this type and does not have this one. */
function isGone(resource: StateResource, world: World): boolean {
  // Objects are found by their label: one that never had it only looks gone.
  if (!JSON.stringify(resource.inputs?.labels ?? null).includes("berth.stack")) return false;
  const dockerKind = dockerKinds.find((kind) => dockerTypes[kind] === resource.type);
  if (dockerKind !== undefined) {
    const host = hostOf(resource, world);
    return (
      host !== undefined && !host.objects.some(({ kind, id }) => kind === dockerKind && id === resource.id)
    );
  }
  const cloud = world.cloud;
  return (
    cloud !== undefined &&
    Object.values(cloudTypes).includes(resource.type) &&
    !cloud.some(({ kind, id }) => cloudTypes[kind] === resource.type && id === resource.id)
  );
}

/** Whether the state stays whole without the resource: nothing else names its URN, or a replacement carries it on. */
function canForget(state: StateIndex, resource: StateResource): boolean {
  const same = (other: StateResource) => other.urn === resource.urn && other.id === resource.id;
  const others = state.resources.filter((other) => !same(other));
  if (others.length === state.resources.length) return false;
  if (others.some(({ urn }) => urn === resource.urn)) return true;
  return !others.some((other) => mentions(other, resource.urn));
}

function mentions(resource: StateResource, urn: string): boolean {
  const lists = [resource.dependencies, ...Object.values(asObject(resource.propertyDependencies))];
  return (
    resource.parent === urn ||
    resource.deletedWith === urn ||
    resource.provider?.startsWith(`${urn}::`) === true ||
    lists.some((list) => Array.isArray(list) && list.includes(urn))
  );
}

function asObject(value: StateResource[string]) {
  return isObject(value) && !isSecret(value) ? value : {};
}
