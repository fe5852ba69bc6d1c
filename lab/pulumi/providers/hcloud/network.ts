import { isIPv6 } from "node:net";
import { isProperties } from "../property-values.ts";
import type { CheckFailure, Properties, PropertyValue } from "../provider.ts";
import type { Json } from "./api.ts";
import {
  fields,
  labelsOf,
  locationName,
  protection,
  type ResourceKind,
  updateNameAndLabels,
} from "./kind.ts";

export const sshKeyKind: ResourceKind = {
  type: "hcloud:index/sshKey:SshKey",
  autoNamed: true,
  rules: {
    name: { kind: "string", computed: true },
    publicKey: { kind: "string", required: true, replaces: true },
    labels: { kind: "string map" },
  },
  async create(api, inputs, exists) {
    const body = fields(inputs, { name: "name", publicKey: "public_key", labels: "labels" });
    exists(String(((await api.send("POST", "/ssh_keys", body)).ssh_key as Json).id));
  },
  async observe(api, id, inputs) {
    const key = (await api.find(`/ssh_keys/${id}`))?.ssh_key as Json | undefined;
    if (!key) {
      return undefined;
    }
    const publicKey = String(key.public_key);
    return {
      name: String(key.name),
      // Hetzner stores the key without surrounding white space.
      publicKey: String(inputs.publicKey).trim() === publicKey.trim() ? (inputs.publicKey ?? "") : publicKey,
      fingerprint: String(key.fingerprint),
      labels: labelsOf(key),
    };
  },
  update: (api, id, changes, _olds, news) => updateNameAndLabels(api, `/ssh_keys/${id}`, changes, news),
  async remove(api, id) {
    await api.send("DELETE", `/ssh_keys/${id}`);
  },
};

export const primaryIpKind: ResourceKind = {
  type: "hcloud:index/primaryIp:PrimaryIp",
  autoNamed: true,
  rules: {
    name: { kind: "string", computed: true },
    type: { kind: "string", required: true, replaces: true, allowed: ["ipv4", "ipv6"] },
    location: { kind: "string", computed: true, replaces: true },
    datacenter: { kind: "string", refused: "the provider removed it; use location" },
    assigneeId: { kind: "number", refused: "name the address in the server's publicNets instead" },
    assigneeType: { kind: "string", computed: true, allowed: ["server"] },
    autoDelete: { kind: "boolean", default: false },
    labels: { kind: "string map" },
    deleteProtection: { kind: "boolean", default: false },
  },
  check: (inputs) =>
    inputs.location === undefined
      ? [
          {
            property: "location",
            reason:
              "is missing: exactly one of location and assigneeId must be set, and the lab takes location",
          },
        ]
      : [],
  async create(api, inputs, exists) {
    const answer = await api.send("POST", "/primary_ips", {
      ...fields(inputs, {
        name: "name",
        type: "type",
        location: "location",
        autoDelete: "auto_delete",
        labels: "labels",
      }),
      assignee_type: "server",
    });
    const id = String((answer.primary_ip as Json).id);
    exists(id);
    await api.settle(answer);
    if (inputs.deleteProtection) {
      await api.settle(
        await api.send("POST", `/primary_ips/${id}/actions/change_protection`, { delete: true }),
      );
    }
  },
  async observe(api, id) {
    const address = (await api.find(`/primary_ips/${id}`))?.primary_ip as Json | undefined;
    return (
      address && {
        name: String(address.name),
        type: String(address.type),
        location: locationName(address),
        datacenter: "",
        assigneeId: Number(address.assignee_id ?? 0),
        assigneeType: String(address.assignee_type),
        autoDelete: Boolean(address.auto_delete),
        labels: labelsOf(address),
        deleteProtection: protection(address).delete,
        // Of version 6 the first of the network (internal/primaryip/model.go).
        ipAddress: String(address.ip).replace(/\/64$/, ""),
        ipNetwork: address.type === "ipv6" ? String(address.ip) : "",
      }
    );
  },
  async update(api, id, changes, _olds, news) {
    const path = `/primary_ips/${id}`;
    if (changes.includes("deleteProtection")) {
      await api.settle(
        await api.send("POST", `${path}/actions/change_protection`, {
          delete: news.deleteProtection ?? false,
        }),
      );
    }
    await updateNameAndLabels(api, path, changes, news);
    if (changes.includes("autoDelete")) {
      await api.send("PUT", path, { auto_delete: news.autoDelete ?? false });
    }
  },
  remove: (api, id) =>
    api.retry(["resource_in_use", "locked"], async () => {
      await api.send("DELETE", `/primary_ips/${id}`);
    }),
};

const ruleFields = {
  direction: "direction",
  protocol: "protocol",
  port: "port",
  description: "description",
  sourceIps: "source_ips",
  destinationIps: "destination_ips",
};

const ruleList = (inputs: Properties): readonly Properties[] =>
  Array.isArray(inputs.rules) ? inputs.rules.filter(isProperties) : [];

const directions = ["in", "out"];

/** Errors that the real provider reports in a preview: an invalid direction, and a CIDR block with host bits. */
function ruleFailures(rule: Properties): CheckFailure[] {
  const fail = (reason: string): CheckFailure[] => [{ property: "rules", reason }];
  const { direction } = rule;
  const ips = [rule.sourceIps, rule.destinationIps].flatMap((list) => (Array.isArray(list) ? list : []));
  return [
    ...(typeof direction === "string" && !directions.includes(direction)
      ? fail(`"${direction}" is not a valid direction; use one of: ${directions.join(", ")}`)
      : []),
    ...ips.flatMap((ip) =>
      typeof ip === "string" && hasHostBits(ip)
        ? fail(`${ip} is not the start of its block of addresses`)
        : [],
    ),
  ];
}

/** For IPv4; IPv6 is checked by the API. */
function hasHostBits(block: string): boolean {
  const [, ip = "", prefix = "32"] = /^(\d+\.\d+\.\d+\.\d+)\/(\d+)$/.exec(block) ?? [];
  const number = ip.split(".").reduce((sum, part) => sum * 256 + Number(part), 0);
  return ip !== "" && number % 2 ** (32 - Number(prefix)) !== 0;
}

/** An address without a prefix length is a block of one address. */
function blockOf(ip: PropertyValue): PropertyValue {
  if (typeof ip !== "string" || ip.includes("/")) return ip;
  return isIPv6(ip) ? `${ip}/128` : `${ip}/32`;
}

function ruleBodies(inputs: Properties): object[] {
  return ruleList(inputs).map((rule) => {
    const body = fields(rule, ruleFields);
    // In the provider's schema an empty text means none.
    const filled = Object.entries(body).filter(([, value]) => value !== "");
    return Object.fromEntries(
      filled.map(([key, value]) => [key, Array.isArray(value) ? value.map(blockOf) : value]),
    );
  });
}

function targets(inputs: Properties): object[] {
  return ((inputs.applyTos ?? []) as readonly PropertyValue[])
    .filter(isProperties)
    .map((target) =>
      target.labelSelector
        ? { type: "label_selector", label_selector: { selector: target.labelSelector } }
        : { type: "server", server: { id: target.server } },
    );
}

export const firewallKind: ResourceKind = {
  type: "hcloud:index/firewall:Firewall",
  autoNamed: true,
  sets: ["rules", "applyTos"],
  rules: {
    name: { kind: "string", computed: true },
    labels: { kind: "string map" },
    rules: { kind: "list" },
    applyTos: { kind: "list", computed: true },
  },
  check: (inputs) => ruleList(inputs).flatMap(ruleFailures),
  async create(api, inputs, exists) {
    const answer = await api.send("POST", "/firewalls", {
      ...fields(inputs, { name: "name", labels: "labels" }),
      rules: ruleBodies(inputs),
      apply_to: targets(inputs),
    });
    exists(String((answer.firewall as Json).id));
    await api.settle(answer);
  },
  async observe(api, id) {
    const firewall = (await api.find(`/firewalls/${id}`))?.firewall as Json | undefined;
    return (
      firewall && {
        name: String(firewall.name),
        labels: labelsOf(firewall),
        rules: (firewall.rules as Json[]).map((rule) => {
          const back = Object.entries(ruleFields).map(([input, field]) => [input, rule[field]] as const);
          return Object.fromEntries(
            back.filter(([, value]) => value !== null && !(Array.isArray(value) && value.length === 0)),
          ) as Properties;
        }),
        applyTos: (
          firewall.applied_to as {
            type: string;
            server?: { id: number };
            label_selector?: { selector: string };
          }[]
        ).map(
          ({ server, label_selector }): Properties =>
            label_selector ? { labelSelector: label_selector.selector } : { server: server?.id ?? 0 },
        ),
      }
    );
  },
  async update(api, id, changes, olds, news) {
    const path = `/firewalls/${id}`;
    await updateNameAndLabels(api, path, changes, news);
    if (changes.includes("rules")) {
      await api.settle(await api.send("POST", `${path}/actions/set_rules`, { rules: ruleBodies(news) }));
    }
    if (changes.includes("applyTos")) {
      const written = (list: object[]) => list.map((target) => JSON.stringify(target));
      const [before, after] = [targets(olds), targets(news)];
      const gone = before.filter((target) => !written(after).includes(JSON.stringify(target)));
      const added = after.filter((target) => !written(before).includes(JSON.stringify(target)));
      if (gone.length > 0) {
        await api.settle(
          await api.send("POST", `${path}/actions/remove_from_resources`, { remove_from: gone }),
        );
      }
      if (added.length > 0) {
        await api.settle(await api.send("POST", `${path}/actions/apply_to_resources`, { apply_to: added }));
      }
    }
  },
  async remove(api, id) {
    const path = `/firewalls/${id}`;
    const firewall = (await api.find(path))?.firewall as Json | undefined;
    const applied = (firewall?.applied_to ?? []) as object[];
    if (applied.length > 0) {
      await api.settle(
        await api.send("POST", `${path}/actions/remove_from_resources`, { remove_from: applied }),
      );
    }
    await api.retry(["conflict", "resource_in_use"], () => api.send("DELETE", path));
  },
};
