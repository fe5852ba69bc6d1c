/** docker.Network, docker.Secret and docker.ServiceConfig: every change replaces them. */
import { setTimeout as sleep } from "node:timers/promises";
import { isProperties } from "../property-values.ts";
import type { Properties, PropertyValue } from "../provider.ts";
import type { LabelMap } from "./engine-types.ts";
import type { Kind } from "./kind.ts";
import { type BlockNode, block, boolean, check, compare, complete, map, set, string } from "./schema.ts";
import { label } from "./service-schema.ts";
import { labelMap } from "./service-spec.ts";
import { labelPairs } from "./service-state.ts";
import { type DockerApi, DockerError } from "./transport.ts";

const base64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;
const replacing = { replaces: true } as const;
const labels = { ...set(label(true)), ...replacing };

function checkWith(schema: BlockNode, news: Properties) {
  const failures = check(schema, news, "").map(({ property, reason }) => ({
    property: property.replace(/^\./, ""),
    reason,
  }));
  return { inputs: news, failures };
}

function diffWith(schema: BlockNode, state: Properties, news: Properties) {
  const wanted = complete(schema, news) as Properties;
  const changes = Object.entries(schema.fields)
    .filter(([key, node]) => compare(node, state[key], wanted[key]) !== "same")
    .map(([key]) => key);
  return { changes, replaces: changes };
}

async function noUpdate(): Promise<never> {
  throw new Error("every change of it replaces it");
}

const networkSchema = block({
  name: { ...string, ...replacing },
  labels,
  driver: { ...string, ...replacing, computed: true },
  options: { ...map, ...replacing, computed: true },
  internal: { ...boolean, ...replacing, computed: true },
  attachable: { ...boolean, ...replacing },
  ingress: { ...boolean, ...replacing },
  ipv6: { ...boolean, ...replacing },
  ipamDriver: { ...string, ...replacing, default: "default" },
  ipamOptions: { ...map, ...replacing },
  ipamConfigs: {
    ...set(block({ subnet: string, ipRange: string, gateway: string, auxAddress: map })),
    ...replacing,
    computed: true,
  },
});

interface NetworkJson {
  Name: string;
  Id: string;
  Scope: string;
  Driver: string;
  EnableIPv6: boolean;
  Internal: boolean;
  Attachable: boolean;
  Ingress: boolean;
  Labels: LabelMap | null;
  Options: LabelMap | null;
  IPAM: {
    Driver: string;
    Options: LabelMap | null;
    Config: { Subnet?: string; IPRange?: string; Gateway?: string }[] | null;
  };
}

async function readNetwork(
  api: DockerApi,
  id: string,
): Promise<{ id: string; outputs: Properties } | undefined> {
  const network = await api.find<NetworkJson>(`/networks/${id}`);
  return (
    network && {
      id: network.Id,
      outputs: {
        name: network.Name,
        labels: labelPairs(network.Labels ?? {}),
        driver: network.Driver,
        internal: network.Internal,
        attachable: network.Attachable,
        ingress: network.Ingress,
        ipv6: network.EnableIPv6,
        ipamDriver: network.IPAM.Driver,
        ipamOptions: network.IPAM.Options ?? {},
        scope: network.Scope,
        options: network.Options ?? {},
        ipamConfigs: (network.IPAM.Config ?? []).map(
          ({ Subnet, IPRange, Gateway }) =>
            Object.fromEntries(
              Object.entries({ subnet: Subnet, ipRange: IPRange, gateway: Gateway }).filter(
                ([, value]) => value,
              ),
            ) as Properties,
        ),
      },
    }
  );
}

const networkReadyTimeout = 30_000;

export const networkKind: Kind = {
  type: "docker:index/network:Network",
  check: (news) => checkWith(networkSchema, news),
  diff: (_oldInputs, state, news) => diffWith(networkSchema, state, news),
  async create(api, news) {
    const inputs = complete(networkSchema, news) as Properties;
    const pools = (inputs.ipamConfigs ?? []) as readonly PropertyValue[];
    const { Id: id } = await api.send<{ Id: string }>("POST", "/networks/create", {
      body: {
        Name: inputs.name,
        CheckDuplicate: true,
        Driver: inputs.driver ?? "bridge",
        Labels: labelMap(inputs.labels),
        Options: inputs.options ?? {},
        Internal: inputs.internal ?? false,
        Attachable: inputs.attachable ?? false,
        Ingress: inputs.ingress ?? false,
        EnableIPv6: inputs.ipv6 ?? false,
        IPAM: {
          Driver: inputs.ipamDriver,
          Options: inputs.ipamOptions ?? {},
          Config: pools.filter(isProperties).map((pool) => ({
            ...(pool.subnet ? { Subnet: pool.subnet } : {}),
            ...(pool.ipRange ? { IPRange: pool.ipRange } : {}),
            ...(pool.gateway ? { Gateway: pool.gateway } : {}),
            ...(pool.auxAddress ? { AuxiliaryAddresses: pool.auxAddress } : {}),
          })),
        },
      },
    });
    // Swarm assigns an overlay network's VXLAN id and subnet a moment later; the real provider waits 2 s for them.
    const deadline = Date.now() + networkReadyTimeout;
    for (;;) {
      const made = await readNetwork(api, id);
      const ready =
        made && (made.outputs.scope !== "swarm" || Object.keys(made.outputs.options ?? {}).length > 0);
      if (made && (ready || Date.now() > deadline)) {
        return made;
      }
      if (Date.now() > deadline) {
        throw new Error(`network ${id} was gone right after it was created`);
      }
      await sleep(100);
    }
  },
  read: (api, id) => readNetwork(api, id),
  update: noUpdate,
  async remove(api, id) {
    const deadline = Date.now() + networkReadyTimeout;
    for (;;) {
      try {
        await api.send("DELETE", `/networks/${id}`);
        return;
      } catch (error) {
        const busy =
          error instanceof DockerError && /has active endpoints|in use by (service|task)/.test(error.message);
        if (!busy || Date.now() > deadline) {
          throw error;
        }
        await sleep(500);
      }
    }
  },
};

const secretSchema = block({
  name: { ...string, ...replacing },
  data: { ...string, ...replacing, required: true },
  labels,
});

const notBase64 = { property: "data", reason: "is not base64 encoded" };

/** Its data is never read back: Docker does not return it. */
export const secretKind: Kind = {
  type: "docker:index/secret:Secret",
  check(news) {
    const result = checkWith(secretSchema, news);
    if (typeof news.data === "string" && !base64.test(news.data)) {
      result.failures.push(notBase64);
    }
    return result;
  },
  diff: (_oldInputs, state, news) => diffWith(secretSchema, state, news),
  async create(api, inputs) {
    const { ID: id } = await api.send<{ ID: string }>("POST", "/secrets/create", {
      body: { Name: inputs.name, Labels: labelMap(inputs.labels), Data: inputs.data },
    });
    return { id, outputs: inputs };
  },
  async read(api, id, inputs, outputs) {
    const found = await api.find<{ ID: string; Spec: { Name: string } }>(`/secrets/${id}`);
    return found && { id: found.ID, outputs: { ...inputs, ...outputs, name: found.Spec.Name } };
  },
  update: noUpdate,
  async remove(api, id) {
    await api.send("DELETE", `/secrets/${id}`);
  },
};

const configSchema = block({
  name: { ...string, ...replacing },
  data: { ...string, ...replacing },
  dataRaw: { ...string, ...replacing },
  labels,
});

async function readConfig(api: DockerApi, id: string, inputs: Properties) {
  const found = await api.find<{ ID: string; Spec: { Name: string; Labels?: LabelMap; Data?: string } }>(
    `/configs/${id}`,
  );
  if (!found) {
    return undefined;
  }
  const data = found.Spec.Data ?? "";
  return {
    id: found.ID,
    outputs: {
      name: found.Spec.Name,
      labels: labelPairs(found.Spec.Labels),
      ...(typeof inputs.dataRaw === "string"
        ? { dataRaw: Buffer.from(data, "base64").toString() }
        : { data }),
    },
  };
}

export const configKind: Kind = {
  type: "docker:index/serviceConfig:ServiceConfig",
  check(news) {
    const result = checkWith(configSchema, news);
    if ((news.data === undefined) === (news.dataRaw === undefined)) {
      result.failures.push({ property: "data", reason: "exactly one of data and dataRaw must be set" });
    }
    if (typeof news.data === "string" && !base64.test(news.data)) {
      result.failures.push(notBase64);
    }
    return result;
  },
  diff: (_oldInputs, state, news) => diffWith(configSchema, state, news),
  async create(api, inputs) {
    const data =
      typeof inputs.dataRaw === "string" ? Buffer.from(inputs.dataRaw).toString("base64") : inputs.data;
    const { ID: id } = await api.send<{ ID: string }>("POST", "/configs/create", {
      body: { Name: inputs.name, Labels: labelMap(inputs.labels), Data: data },
    });
    return (await readConfig(api, id, inputs)) ?? { id, outputs: inputs };
  },
  read: (api, id, inputs) => readConfig(api, id, inputs),
  update: noUpdate,
  async remove(api, id) {
    await api.send("DELETE", `/configs/${id}`);
  },
};
