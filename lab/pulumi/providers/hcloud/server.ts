import { createHash } from "node:crypto";
import { isProperties } from "../property-values.ts";
import type { Properties } from "../provider.ts";
import type { HcloudApi, Json } from "./api.ts";
import {
  fields,
  labelsOf,
  locationName,
  protection,
  type ResourceKind,
  updateNameAndLabels,
} from "./kind.ts";

const later = "the lab's cloud does not have it yet";

function publicNet(inputs: Properties): Json | undefined {
  const [net] = Array.isArray(inputs.publicNets) ? inputs.publicNets : [];
  if (!isProperties(net)) {
    return undefined;
  }
  // As in the provider: an address that is given enables its family.
  return {
    enable_ipv4: Boolean(net.ipv4) || (net.ipv4Enabled ?? true),
    enable_ipv6: Boolean(net.ipv6) || (net.ipv6Enabled ?? true),
    ...(net.ipv4 ? { ipv4: net.ipv4 } : {}),
    ...(net.ipv6 ? { ipv6: net.ipv6 } : {}),
  };
}

async function setProtection(api: HcloudApi, id: string, inputs: Properties): Promise<void> {
  await api.settle(
    await api.send("POST", `/servers/${id}/actions/change_protection`, {
      delete: inputs.deleteProtection ?? false,
      rebuild: inputs.rebuildProtection ?? false,
    }),
  );
}

async function changeFirewalls(api: HcloudApi, id: string, server: Json, news: Properties): Promise<void> {
  const net = server.public_net as { firewalls: { id: number }[] };
  const present = net.firewalls.map((firewall) => firewall.id);
  const wanted = (news.firewallIds ?? []) as readonly number[];
  const target = [{ type: "server", server: { id: Number(id) } }];
  for (const firewall of present.filter((one) => !wanted.includes(one))) {
    await api.settle(
      await api.send("POST", `/firewalls/${firewall}/actions/remove_from_resources`, { remove_from: target }),
    );
  }
  for (const firewall of wanted.filter((one) => !present.includes(one))) {
    await api.settle(
      await api.send("POST", `/firewalls/${firewall}/actions/apply_to_resources`, { apply_to: target }),
    );
  }
}

/**
 * As the provider (internal/server/resource.go, updatePublicNet): pulls the plug, takes away each address that is declared and gives it back, takes away
 * what is declared no more, and powers the server on.
 */
async function changeAddresses(api: HcloudApi, id: string, server: Json, news: Properties): Promise<void> {
  const wanted = publicNet(news);
  const present = server.public_net as Record<"ipv4" | "ipv6", { id: number } | null>;
  const families = ["ipv4", "ipv6"] as const;
  for (const family of families) {
    if (wanted?.[`enable_${family}`] === true && typeof wanted[family] !== "number") {
      throw new Error(`publicNets: an ${family} address that Hetzner chooses is not supported by the lab`);
    }
  }
  const act = async (path: string, body?: object) => api.settle(await api.send("POST", path, body));
  await act(`/servers/${id}/actions/poweroff`);
  for (const family of families) {
    const before = present[family]?.id;
    if (before !== undefined) await act(`/primary_ips/${before}/actions/unassign`);
    const after = wanted?.[family];
    if (after !== undefined) {
      await act(`/primary_ips/${after}/actions/assign`, { assignee_id: Number(id), assignee_type: "server" });
    }
  }
  await act(`/servers/${id}/actions/poweron`);
}

async function get(api: HcloudApi, id: string): Promise<Json | undefined> {
  return (await api.find(`/servers/${id}`))?.server as Json | undefined;
}

export const serverKind: ResourceKind = {
  type: "hcloud:index/server:Server",
  autoNamed: true,
  rules: {
    name: { kind: "string", computed: true },
    serverType: { kind: "string", required: true },
    image: { kind: "string", computed: true, replaces: true },
    location: { kind: "string", computed: true, replaces: true },
    datacenter: {
      kind: "string",
      refused: "the provider removed it; use location",
    },
    userData: { kind: "string", replaces: true },
    sshKeys: { kind: "strings", replaces: true },
    keepDisk: { kind: "boolean", default: false },
    allowDeprecatedImages: { kind: "boolean" },
    backups: { kind: "boolean", default: false },
    iso: { kind: "string", refused: later },
    rescue: { kind: "string", refused: later },
    labels: { kind: "string map" },
    publicNets: { kind: "list", computed: true },
    networks: { kind: "list", refused: later },
    ignoreRemoteFirewallIds: { kind: "boolean", default: false },
    firewallIds: { kind: "list", unordered: true, computed: true },
    placementGroupId: { kind: "number", refused: later },
    deleteProtection: { kind: "boolean", default: false },
    rebuildProtection: { kind: "boolean", default: false },
    shutdownBeforeDeletion: { kind: "boolean", default: false },
  },

  check: (inputs) => (inputs.backups === true ? [{ property: "backups", reason: later }] : []),

  async create(api, inputs, exists) {
    const keys: number[] = [];
    for (const key of (inputs.sshKeys ?? []) as readonly string[]) {
      const byId = /^\d+$/.test(key) ? await api.find(`/ssh_keys/${key}`) : undefined;
      const byName = (await api.send("GET", `/ssh_keys?name=${encodeURIComponent(key)}`)).ssh_keys as Json[];
      const found = (byId?.ssh_key as Json | undefined) ?? byName[0];
      if (!found) {
        throw new Error(`SSH key not found: ${key}`);
      }
      keys.push(Number(found.id));
    }
    const net = publicNet(inputs);
    const answer = await api.send("POST", "/servers", {
      ...fields(inputs, {
        name: "name",
        serverType: "server_type",
        image: "image",
        location: "location",
        userData: "user_data",
        labels: "labels",
      }),
      ssh_keys: keys,
      firewalls: ((inputs.firewallIds ?? []) as readonly number[]).map((firewall) => ({ firewall })),
      ...(net ? { public_net: net } : {}),
    });
    const id = String((answer.server as Json).id);
    exists(id);
    await api.settle(answer);
    if (inputs.deleteProtection || inputs.rebuildProtection) {
      await setProtection(api, id, inputs);
    }
  },

  async observe(api, id, inputs) {
    const server = await get(api, id);
    if (!server) {
      return undefined;
    }
    const net = server.public_net as {
      ipv4: { ip: string } | null;
      ipv6: { ip: string } | null;
      firewalls: { id: number }[];
    };
    const { delete: deleteProtection, rebuild: rebuildProtection } = protection(server);
    return {
      name: String(server.name),
      serverType: String((server.server_type as Json).name),
      image: String((server.image as Json).name),
      location: locationName(server),
      datacenter: "",
      status: String(server.status),
      labels: labelsOf(server),
      backups: false,
      backupWindow: "",
      ipv4Address: net.ipv4?.ip ?? "",
      // The first address of the server's network, as the provider gives it.
      ipv6Address: net.ipv6 ? net.ipv6.ip.replace(/\/64$/, "1") : "",
      // What the provider, written in Go, prints for a missing network.
      ipv6Network: net.ipv6?.ip ?? "<nil>",
      firewallIds: net.firewalls.map((firewall) => firewall.id),
      primaryDiskSize: Number(server.primary_disk_size),
      deleteProtection,
      rebuildProtection,
      // The provider stores only the hash.
      ...(typeof inputs.userData === "string"
        ? { userData: createHash("sha1").update(inputs.userData).digest("base64") }
        : {}),
    };
  },

  async update(api, id, changes, _olds, news) {
    const path = `/servers/${id}`;
    const server = await get(api, id);
    if (!server) {
      throw new Error(`server ${id} is gone; "pulumi refresh" takes note of it`);
    }
    await updateNameAndLabels(api, path, changes, news);
    if (changes.includes("serverType")) {
      if (server.status === "running") {
        await api.settle(await api.send("POST", `${path}/actions/poweroff`));
      }
      await api.settle(
        await api.send("POST", `${path}/actions/change_type`, {
          server_type: news.serverType,
          upgrade_disk: !news.keepDisk,
        }),
      );
    }
    if (changes.includes("firewallIds")) {
      await changeFirewalls(api, id, server, news);
    }
    if (changes.includes("publicNets")) {
      await changeAddresses(api, id, server, news);
    }
    if (changes.includes("deleteProtection") || changes.includes("rebuildProtection")) {
      await setProtection(api, id, news);
    }
  },

  async remove(api, id, inputs) {
    if (inputs.shutdownBeforeDeletion) {
      await api.settle(await api.send("POST", `/servers/${id}/actions/shutdown`));
    }
    await api.settle(await api.send("DELETE", `/servers/${id}`));
  },
};
