import { type Backend, liveLockMessage } from "./backend.ts";
import { Cloud, type CloudAccess } from "./cloud.ts";
import {
  type Deployment,
  isObject,
  type Json,
  pendingOperations,
  providerUrn,
  resourceName,
  resources,
  type StateResource,
  textOf,
} from "./deployment.ts";
import { requireHost } from "./host-access.ts";
import { type CloudObject, cloudTypes } from "./observed.ts";
import { type RunCommand, runCommand } from "./run.ts";

/** What becomes of the data volume of a host whose server is gone. */
export type VolumeChoice = "keep" | "leave";

interface ForgetOptions {
  readonly backend: Backend;
  readonly cloud?: CloudAccess;
  readonly host: string;
  /** Needed where the volume still exists. */
  readonly volume?: VolumeChoice;
  /** Its server is there, and its Swarm is not: what ran in it is forgotten alone. */
  readonly swarm?: boolean;
  /** Default {@link runCommand}. */
  readonly run?: RunCommand;
}

export interface ForgetPlan {
  /** The state as it was read, and as it is to be. */
  readonly before: Deployment;
  readonly after: Deployment;
  readonly forgotten: readonly StateResource[];
  /** What stays at Hetzner and is no longer the stack's. */
  readonly left: readonly CloudObject[];
}

const attachmentType = "hcloud:index/volumeAttachment:VolumeAttachment";
const attachmentOf = (host: string) => `${host}-data-attachment`;
const addressesOf = (host: string) => [`${host}-address`, `${host}-address6`];

/** @throws when the host does not answer, or its Docker is part of a Swarm */
async function requireNoSwarm(deployment: Deployment, name: string, run = runCommand): Promise<void> {
  const host = requireHost(deployment, name, run);
  const state = (await host.run("docker info --format '{{.Swarm.LocalNodeState}}'\n", 60)).trim();
  if (state !== "inactive")
    throw new Error(
      `the Swarm of ${name} is ${state}, so nothing is forgotten. What is wrong: npm run ops -- status`,
    );
}

/**
 * What the state must forget of a host whose server, or whose Swarm, is gone, so that the next `up` makes all of it anew: the server, and everything that was
 * on it. `pulumi refresh` cannot: it asks the dead host for each of its services. Passwords, keys, DNS records and everything that is not on the
 * host stay as they are.
 * @throws when the server or the Swarm still exists, when the server's volume does and nothing says what becomes of it, or when somebody deploys
 */
export async function planForgetting(options: ForgetOptions): Promise<ForgetPlan> {
  const { backend, cloud, host, volume } = options;
  if (cloud === undefined)
    throw new Error(
      "no token for the cloud: set HCLOUD_TOKEN, or hcloud:token in the stack's configuration. Without it nobody knows whether the server is gone",
    );
  const lock = await backend.lock();
  if (lock !== undefined) throw new Error(liveLockMessage(backend, lock));
  const before = await backend.read();
  const objects = await new Cloud(cloud).list(backend.stack);
  const named = (type: string, name: string) =>
    resources(before).find((each) => each.type === type && resourceName(each.urn) === name && !each.delete);
  const there = (kind: CloudObject["kind"], name: string) =>
    objects.find((each) => each.kind === kind && each.id === named(cloudTypes[kind], name)?.id);

  if (named(cloudTypes.server, `${host}-server`) === undefined)
    throw new Error(
      `the state of ${backend.description} has no server of a host "${host}"; it has: ${serversIn(before).join(", ") || "none"}`,
    );
  const server = there("server", `${host}-server`);
  if (options.swarm === true) {
    if (server === undefined)
      throw new Error(`the server of ${host} is gone, and not its Swarm alone; leave --swarm out`);
    await requireNoSwarm(before, host, options.run);
    const stay = [`${host}-server`, `${host}-data`, attachmentOf(host), ...addressesOf(host)];
    return { before, ...forgetHost(before, host, { keepsData: true, stay }), left: [] };
  }
  if (server !== undefined)
    throw new Error(
      `the server ${server.name} (${server.id}) of ${host} still exists, so nothing is forgotten. If it does not answer, start it again at Hetzner; if it is lost, delete it there first; if its Docker has lost its Swarm, add --swarm`,
    );
  const disk = there("volume", `${host}-data`);
  if (disk !== undefined && volume === undefined)
    throw new Error(
      `the volume ${disk.name} (${disk.id}) of ${host} still exists, and has newer data than any backup. Say what becomes of it:
  --volume keep    a new server in the same location takes it, with its address; nothing is lost
  --volume leave   the new host begins with its backups, in any location; the volume stays at Hetzner until you delete it`,
    );
  if (disk === undefined && volume === "keep")
    throw new Error(`the volume of ${host} is gone too, so nothing can keep it; leave --volume out`);
  const keep = volume === "keep";
  const address = there("primary_ip", `${host}-address`);
  const address6 = there("primary_ip", `${host}-address6`);
  const stay = keep
    ? [disk, address, address6].flatMap((each) => (each === undefined ? [] : [each.resource]))
    : [];
  const left = keep ? [] : [disk, address, address6].filter((each) => each !== undefined);
  return { before, ...forgetHost(before, host, { keepsData: keep, stay }), left };
}

/** Writes the planned state, unless another one was written meanwhile. */
export async function forget(backend: Backend, { before, after }: ForgetPlan): Promise<void> {
  await backend.write(after, before);
}

/**
 * The state without a host's server and what was made on it. Pure.
 * @param keepsData its volume goes on, and with it what is in the databases
 * @param stay names of the server's, volume's and addresses' resources that go on
 */
export function forgetHost(
  deployment: Deployment,
  host: string,
  { keepsData, stay }: { readonly keepsData: boolean; readonly stay: readonly string[] },
): Pick<ForgetPlan, "after" | "forgotten"> {
  const all = resources(deployment);
  const isOf = (resource: StateResource, type: string, names: readonly string[]) =>
    resource.type === type && names.includes(resourceName(resource.urn));
  const lost = (resource: StateResource) =>
    !stay.includes(resourceName(resource.urn)) &&
    (isOf(resource, cloudTypes.server, [`${host}-server`]) ||
      isOf(resource, attachmentType, [attachmentOf(host)]) ||
      isOf(resource, cloudTypes.volume, [`${host}-data`]) ||
      isOf(resource, cloudTypes.primary_ip, addressesOf(host)));
  const ofProvider = (resource: StateResource, providers: readonly string[]) =>
    providers.includes(providerUrn(resource.provider));
  // The words of a command that runs there: components/host/command.ts.
  const isCommand = ({ type, inputs }: StateResource) =>
    type.startsWith("command:") && textOf(inputs, "create")?.includes(` on ${host} (`) === true;
  const commands = all.filter(isCommand).map(({ urn }) => urn);
  const docker = all
    .filter((each) => isOf(each, "pulumi:providers:docker", [`${host}-docker`]))
    .map(({ urn }) => urn);
  // Each is made when its server is ready, which a command on the host says.
  const postgresql = all
    .filter(
      (each) =>
        each.type === "pulumi:providers:postgresql" &&
        texts(each.dependencies).some((urn) => commands.includes(urn)),
    )
    .map(({ urn }) => urn);
  const made = [...docker, ...(keepsData ? [] : postgresql)];
  const goes = (resource: StateResource) =>
    lost(resource) || isCommand(resource) || made.includes(resource.urn) || ofProvider(resource, made);
  const forgotten = all.filter(goes);
  const gone = new Set(forgotten.map(({ urn }) => urn));
  const { pending_operations: _, ...rest } = deployment.deployment;
  const pending = pendingOperations(deployment).filter(({ resource }) => !goes(resource));
  return {
    forgotten,
    after: {
      ...deployment,
      deployment: {
        ...rest,
        resources: all.filter(({ urn }) => !gone.has(urn)).map((each) => withoutMention(each, gone)),
        ...(pending.length > 0 ? { pending_operations: pending } : {}),
      },
    },
  };
}

/** Without what it depended on; a component, its parent, is no thing on a host. */
function withoutMention(resource: StateResource, gone: ReadonlySet<string>): StateResource {
  const without = (list: Json | undefined) => texts(list).filter((urn) => !gone.has(urn));
  const { deletedWith, ...rest } = resource;
  return {
    ...rest,
    ...(deletedWith === undefined || gone.has(String(deletedWith)) ? {} : { deletedWith }),
    ...(resource.dependencies === undefined ? {} : { dependencies: without(resource.dependencies) }),
    ...(resource.propertyDependencies === undefined
      ? {}
      : {
          propertyDependencies: Object.fromEntries(
            Object.entries(objectOf(resource.propertyDependencies)).map(([key, list]) => [
              key,
              without(list),
            ]),
          ),
        }),
  };
}

function texts(list: Json | undefined): string[] {
  return Array.isArray(list) ? list.filter((each) => typeof each === "string") : [];
}

function objectOf(value: Json | undefined) {
  return isObject(value) ? value : {};
}

function serversIn(deployment: Deployment): string[] {
  return resources(deployment)
    .filter(({ type }) => type === cloudTypes.server)
    .map(({ urn }) => resourceName(urn).replace(/-server$/, ""));
}

/** The plan in words. */
export function describeForgetting({ before, after, forgotten, left }: ForgetPlan, host: string): string {
  const counts = new Map<string, number>();
  for (const { type } of forgotten) {
    const provider = type.split(":")[type.startsWith("pulumi:") ? 2 : 0] ?? type;
    counts.set(provider, (counts.get(provider) ?? 0) + 1);
  }
  const what = [...counts].map(([provider, count]) => `${count} of ${provider}`).join(", ");
  return [
    `Of ${resources(before).length} resources of the state, ${forgotten.length} were on ${host} and are gone: ${what}.`,
    `They are forgotten, and the next up makes them anew. ${resources(after).length} stay: passwords, keys, DNS records, the firewall.`,
    ...left.map(
      ({ kind, name, id }) =>
        `The ${kind === "primary_ip" ? "address" : kind} ${name} (${id}) stays at Hetzner, is paid for, and is no longer the stack's: delete it there once the new host serves.`,
    ),
  ].join("\n");
}
