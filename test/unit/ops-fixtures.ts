import type { Deployment, PendingOperation, StateResource } from "../../ops/deployment.ts";
import type { CloudObject, DockerObject, HostObservation } from "../../ops/observed.ts";
import type { Action } from "../../ops/recovery-action.ts";

/** A state in the middle of a deploy, and the observed objects, as a basis for variations. */

const urn = (type: string, name: string) => `urn:pulumi:production::berth::${type}::${name}`;
const dockerProvider = urn("pulumi:providers:docker", "main-docker");

export function resource(type: string, name: string, more: Partial<StateResource> = {}): StateResource {
  return {
    urn: urn(type, name),
    type,
    custom: true,
    ...(type.startsWith("docker:")
      ? {
          provider: `${dockerProvider}::0`,
          inputs: { labels: [{ label: "berth.stack", value: "production" }] },
        }
      : {}),
    ...more,
  };
}

export const service = (name: string, more: Partial<StateResource> = {}) =>
  resource("docker:index/service:Service", name, more);

export const provider = resource("pulumi:providers:docker", "main-docker", {
  id: "0",
  inputs: {
    host: "ssh://deploy@198.51.100.7:2222",
    sshOpts: JSON.stringify(["-o", "StrictHostKeyChecking=yes", "-o", "KnownHostsCommand=/bin/echo a b"]),
  },
});

export const postgres = service("togather_postgres", { id: "service-postgres" });

export function deployment(
  resources: readonly StateResource[],
  pending: readonly PendingOperation[] = [],
): Deployment {
  return {
    version: 3,
    deployment: {
      manifest: { version: "v3.270.0" },
      resources: [provider, ...resources],
      ...(pending.length > 0 ? { pending_operations: pending } : {}),
    },
  };
}

export function object(more: Partial<DockerObject> & Pick<DockerObject, "id">): DockerObject {
  return {
    kind: "service",
    name: `togather_app-${more.id}`,
    resource: "togather_app",
    createdAt: "2026-01-28T14:30:22Z",
    data: [],
    job: false,
    uses: [],
    image: "registry.example/togather/app",
    ...more,
  };
}

export function host(objects: readonly DockerObject[], more: Partial<HostObservation> = {}): HostObservation {
  return { provider: "main-docker", objects, routes: "", commands: 0, kept: [], databases: {}, ...more };
}

export function cloudObject(more: Partial<CloudObject> & Pick<CloudObject, "kind" | "id">): CloudObject {
  return { name: `${more.kind}-${more.id}`, resource: "main-server", ...more };
}

export const creating = (what: StateResource): PendingOperation => ({ type: "creating", resource: what });

/** One host with these objects, and no objects in the cloud. */
export const observed = (objects: readonly DockerObject[], more = {}) => ({
  hosts: [host(objects, more)],
  cloud: [],
});

export const kinds = (actions: readonly Action[]) => actions.map(({ kind }) => kind);
