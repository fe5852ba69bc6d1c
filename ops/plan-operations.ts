import {
  isObject,
  isSecret,
  type PendingOperation,
  providerUrn,
  resourceName,
  type StateResource,
  textOf,
} from "./deployment.ts";
import { cloudTypes, dockerKinds, dockerTypes, type HostObservation, type Observation } from "./observed.ts";
import type { Action } from "./recovery-action.ts";
import type { StateIndex } from "./state-index.ts";

/** The action for an operation that an interrupted run left unfinished. */
export function planOperation(
  state: StateIndex,
  operation: PendingOperation,
  observed: Observation,
): Action[] {
  const { resource } = operation;
  const clear = (why: string): Action => ({ kind: "clear", operation, why });
  switch (operation.type) {
    case "creating":
      return planCreation(state, operation, observed);
    case "deleting":
      return isGone(resource, observed)
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

function planCreation(state: StateIndex, operation: PendingOperation, observed: Observation): Action[] {
  const { resource } = operation;
  const clear = (why: string): Action => ({ kind: "clear", operation, why });
  if (!wasRead(resource, observed)) {
    return [
      {
        kind: "keep",
        what: `the interrupted creation of ${resourceName(resource.urn)}`,
        why: "whether it exists could not be checked",
      },
    ];
  }
  const recorded = state.resources.some((other) => other.urn === resource.urn && !other.delete);
  const databaseId = postgresId(resource);
  if (databaseId !== undefined && !recorded && databaseHas(state, resource, databaseId.entry, observed)) {
    return [{ kind: "adopt", operation, id: databaseId.id, why: "it exists in the database" }];
  }
  if (resource.type === "hcloud:index/volumeAttachment:VolumeAttachment" && !recorded) {
    const volume = textOf(resource.inputs, "volumeId");
    const server = textOf(resource.inputs, "serverId");
    const attached = observed.cloud?.some(
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

/** Whether objects of this kind were read: their host, or the cloud, answered. */
function wasRead(resource: StateResource, observed: Observation): boolean {
  if (resource.type.startsWith("hcloud:")) return observed.cloud !== undefined;
  return !resource.type.startsWith("docker:") || hostOf(resource, observed) !== undefined;
}

function hostOf(resource: StateResource, observed: Observation): HostObservation | undefined {
  return observed.hosts.find(({ provider }) => provider === resourceName(providerUrn(resource.provider)));
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

function databaseHas(
  state: StateIndex,
  resource: StateResource,
  entry: string,
  observed: Observation,
): boolean {
  const server = state.resources.find(({ urn, delete: old }) => urn === resource.deletedWith && !old);
  if (server?.id === undefined) return false;
  const id = server.id;
  return observed.hosts.some((host) => host.databases[id]?.includes(entry));
}

/** Whether objects of this type were read and this one is not among them. */
function isGone(resource: StateResource, observed: Observation): boolean {
  // Objects are found by their label: one without the label seems not to exist.
  if (!JSON.stringify(resource.inputs?.labels ?? null).includes("berth.stack")) return false;
  const dockerKind = dockerKinds.find((kind) => dockerTypes[kind] === resource.type);
  if (dockerKind !== undefined) {
    const host = hostOf(resource, observed);
    return (
      host !== undefined && !host.objects.some(({ kind, id }) => kind === dockerKind && id === resource.id)
    );
  }
  const cloud = observed.cloud;
  return (
    cloud !== undefined &&
    Object.values(cloudTypes).includes(resource.type) &&
    !cloud.some(({ kind, id }) => cloudTypes[kind] === resource.type && id === resource.id)
  );
}

/** Whether the state stays consistent without the resource: nothing else refers to its URN, or a replacement has the same URN. */
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
