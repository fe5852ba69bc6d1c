import { setTimeout as sleep } from "node:timers/promises";
import { isProperties } from "../property-values.ts";
import { type DiffResult, PartialFailure, type Properties } from "../provider.ts";
import { authHeader, type RegistryAuth } from "./auth.ts";
import { convergeCreated, convergeUpdated } from "./converge.ts";
import type { Service, Task } from "./engine-types.ts";
import type { Kind } from "./kind.ts";
import { check, compare, complete, isZero, nanoseconds } from "./schema.ts";
import { serviceSchema } from "./service-schema.ts";
import { serviceSpec } from "./service-spec.ts";
import { isComplete, serviceState } from "./service-state.ts";
import { type DockerApi, DockerError } from "./transport.ts";

const readDeadlineMilliseconds = 30_000;
/** Seconds that a registry has to answer with an image's digest. */
const resolveSeconds = 10;

const withDefaults = (inputs: Properties) => complete(serviceSchema, inputs) as Properties;

function containerSpecOf(properties: Properties): Properties {
  const task = properties.taskSpec;
  const container = isProperties(task) ? task.containerSpec : undefined;
  return isProperties(container) ? container : {};
}

function diffService(state: Properties, news: Properties): DiffResult {
  const wanted = withDefaults(news);
  const found = Object.entries(serviceSchema.fields).map(
    ([key, node]) => [key, compare(node, state[key], wanted[key])] as const,
  );
  const changes = found.filter(([, difference]) => difference !== "same").map(([key]) => key);
  const replaces = found.filter(([, difference]) => difference === "replace").map(([key]) => key);
  // As in the real plugin, whose diff contains the task's maps that are left out as soon as anything changes; a sysctl replaces.
  const { sysctl, env } = containerSpecOf(wanted);
  const task = (leftOut: boolean, others: readonly string[]) =>
    leftOut && others.length > 0 && !others.includes("taskSpec") ? [...others, "taskSpec"] : others;
  return {
    changes: task(isZero(sysctl) || isZero(env), changes),
    replaces: task(isZero(sysctl), replaces),
  };
}

/** A mode as the real plugin reads it: of 01777, the sticky bit is lost. */
function withoutStickyBit(outputs: Properties): Properties {
  const container = containerSpecOf(outputs);
  if (!Array.isArray(container.mounts)) return outputs;
  const mounts = container.mounts.map((mount) => {
    const tmpfs = isProperties(mount) ? mount.tmpfsOptions : undefined;
    if (!isProperties(mount) || !isProperties(tmpfs)) return mount;
    return { ...mount, tmpfsOptions: { ...tmpfs, mode: Number(tmpfs.mode) & 0o777 } };
  });
  const task = outputs.taskSpec as Properties;
  return { ...outputs, taskSpec: { ...task, containerSpec: { ...container, mounts } } };
}

/** Reads a service once Docker reports all of it; undefined when it does not exist. */
async function readState(
  api: DockerApi,
  id: string,
  inputs: Properties,
): Promise<{ id: string; outputs: Properties } | undefined> {
  const deadline = Date.now() + readDeadlineMilliseconds;
  for (;;) {
    const service = await api.find<Service>(`/services/${id}`);
    if (!service) {
      return undefined;
    }
    if (isComplete(service)) {
      return { id: service.ID, outputs: serviceState(service, inputs) };
    }
    if (Date.now() > deadline) {
      throw new Error(`service ${id}: Docker does not report its endpoint`);
    }
    await sleep(100);
  }
}

/** Like Docker's client with its registry query: a tag is resolved to its digest if the registry answers. */
async function resolveImage(
  api: DockerApi,
  spec: ReturnType<typeof serviceSpec>,
  headers: Readonly<Record<string, string>>,
): Promise<void> {
  const container = spec.TaskTemplate.ContainerSpec;
  const image = container.Image ?? "";
  const tagged = image.includes("@") || /:[^/]+$/.test(image) ? image : `${image}:latest`;
  container.Image = tagged;
  if (tagged.includes("@")) {
    return;
  }
  try {
    const found = await api.send<{ Descriptor: { digest: string } }>("GET", `/distribution/${tagged}/json`, {
      headers,
      timeoutSeconds: resolveSeconds,
    });
    container.Image = `${tagged}@${found.Descriptor.digest}`;
  } catch {
    // As Docker's client: without an answer the nodes resolve the tag themselves.
  }
}

async function waitRemoved(api: DockerApi, container: string, seconds: number): Promise<void> {
  try {
    await api.send("POST", `/containers/${container}/wait`, {
      query: { condition: "removed" },
      timeoutSeconds: seconds,
    });
  } catch (error) {
    if (error instanceof DockerError && error.status === 404) {
      return;
    }
    throw new Error(
      `error on wait for container with ID '${container}': context deadline exceeded (its stopGracePeriod; the service itself is gone)`,
    );
  }
}

async function removeService(api: DockerApi, id: string, state: Properties): Promise<void> {
  const grace = nanoseconds(containerSpecOf(state).stopGracePeriod) / 1e9;
  const containers: string[] = [];
  if (grace > 0) {
    const tasks = await api.send<Task[]>("GET", "/tasks", {
      query: { filters: JSON.stringify({ service: [id] }) },
    });
    for (const { Status: status } of tasks) {
      if (status.ContainerStatus?.ContainerID && status.State !== "shutdown") {
        containers.push(status.ContainerStatus.ContainerID);
      }
    }
  }
  await api.send("DELETE", `/services/${id}`);
  for (const container of containers) {
    await waitRemoved(api, container, grace);
  }
}

/** docker.Service. `registries` are the provider's own. */
export function serviceKind(registries: readonly RegistryAuth[]): Kind {
  const headersFor = (inputs: Properties) =>
    authHeader(inputs.auth, registries, String(containerSpecOf(inputs).image ?? ""));
  const convergence = (inputs: Properties) =>
    isProperties(inputs.convergeConfig)
      ? {
          delayMilliseconds: nanoseconds(inputs.convergeConfig.delay) / 1e6,
          timeoutText: String(inputs.convergeConfig.timeout),
          timeoutMilliseconds: nanoseconds(inputs.convergeConfig.timeout) / 1e6,
        }
      : undefined;
  return {
    type: "docker:index/service:Service",
    check(news) {
      const failures = check(serviceSchema, news, "").map(({ property, reason }) => ({
        property: property.replace(/^\./, ""),
        reason,
      }));
      return { inputs: news, failures };
    },
    diff: (_oldInputs, state, news) => diffService(state, news),

    async create(api, news) {
      const inputs = withDefaults(news);
      const headers = headersFor(inputs);
      const spec = serviceSpec(inputs);
      await resolveImage(api, spec, headers);
      const { ID: id } = await api.send<{ ID: string }>("POST", "/services/create", { body: spec, headers });
      const converge = convergence(inputs);
      if (converge) {
        try {
          await convergeCreated(api, id, converge);
        } catch (error) {
          // The real provider deletes a service that does not converge.
          await removeService(api, id, inputs);
          throw error;
        }
      }
      try {
        const made = await readState(api, id, inputs);
        if (!made) {
          throw new Error(`service ${id} was gone right after it was created`);
        }
        return made;
      } catch (error) {
        throw new PartialFailure((error as Error).message, id, inputs);
      }
    },

    async read(api, id, inputs) {
      const found = await readState(api, id, withDefaults(inputs));
      return found && { ...found, outputs: withoutStickyBit(found.outputs) };
    },

    async update(api, id, _olds, news) {
      const inputs = withDefaults(news);
      const service = await api.send<Service>("GET", `/services/${id}`);
      await api.send("POST", `/services/${id}/update`, {
        query: { version: String(service.Version.Index) },
        body: keepComputed(serviceSpec(inputs), service.Spec, inputs),
        headers: headersFor(inputs),
      });
      const converge = convergence(inputs);
      if (converge) {
        await convergeUpdated(api, id, converge);
      }
      const state = await readState(api, id, inputs);
      if (!state) {
        throw new Error(`service ${id} does not exist any more; run "pulumi refresh"`);
      }
      return state.outputs;
    },

    remove: (api, id, outputs) => removeService(api, id, outputs),
  };
}

/** Computed fields that are left out of the inputs keep the service's value. */
function keepComputed(
  spec: ReturnType<typeof serviceSpec>,
  present: Service["Spec"],
  inputs: Properties,
): ReturnType<typeof serviceSpec> {
  const task = isProperties(inputs.taskSpec) ? inputs.taskSpec : {};
  const container = containerSpecOf(inputs);
  const [mine, theirs] = [spec.TaskTemplate, present.TaskTemplate];
  return {
    ...spec,
    ...(inputs.labels === undefined ? { Labels: present.Labels } : {}),
    ...(inputs.mode === undefined ? { Mode: present.Mode } : {}),
    ...(inputs.endpointSpec === undefined ? { EndpointSpec: present.EndpointSpec } : {}),
    TaskTemplate: {
      ...mine,
      ...(task.resources === undefined ? { Resources: theirs.Resources } : {}),
      ...(task.restartPolicy === undefined ? { RestartPolicy: theirs.RestartPolicy } : {}),
      ...(task.placement === undefined ? { Placement: theirs.Placement } : {}),
      ...(task.forceUpdate === undefined ? { ForceUpdate: theirs.ForceUpdate } : {}),
      ...(task.runtime === undefined ? { Runtime: theirs.Runtime } : {}),
      ContainerSpec: {
        ...mine.ContainerSpec,
        Env: reordered(mine.ContainerSpec.Env ?? [], theirs.ContainerSpec.Env ?? []),
        ...(container.stopGracePeriod === undefined
          ? { StopGracePeriod: theirs.ContainerSpec.StopGracePeriod }
          : {}),
        ...(container.healthcheck === undefined ? { Healthcheck: theirs.ContainerSpec.Healthcheck } : {}),
        ...(container.dnsConfig === undefined ? { DNSConfig: theirs.ContainerSpec.DNSConfig } : {}),
        ...(container.init === undefined ? { Init: theirs.ContainerSpec.Init } : {}),
      },
    },
  };
}

/**
 * As in the real plugin, whose updates send the variables in the order of a Go map, which differs nearly each time. Swarm treats
 * that as a changed task and restarts all tasks of the service. Here the order differs each time.
 */
export function reordered(wanted: readonly string[], present: readonly string[]): string[] {
  const [first, ...rest] = wanted;
  if (first === undefined || wanted.join("\0") !== present.join("\0")) return [...wanted];
  return [...rest, first];
}
