import { z } from "zod";
import { showAction } from "./actions.ts";
import { images, locations, serverTypes } from "./catalogue.ts";
import { type Cloud, firewallsOf, mustBeFree, serverRef } from "./cloud.ts";
import { ApiError, invalidInput, isProtected } from "./errors.ts";
import { alreadyAssigned, createPrimaryIp, mustBeNear } from "./primary-ips.ts";
import { findById, nameMustBeFree, update } from "./records.ts";
import { created, labelsField, listPage, ok, parseBody, type Routes } from "./router.ts";
import { checkLabels } from "./selector.ts";
import { bootServer, removeServer } from "./server-power.ts";
import type { PrimaryIpRecord, ServerRecord } from "./state.ts";
import { attachVolume, mustBeAttachable, refuseAutomount } from "./volumes.ts";

const hostName = z
  .string()
  .max(63, "is too long")
  .regex(
    /^[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*$/i,
    "is not a valid hostname (RFC 1123)",
  );
const idOrName = z.union([z.string(), z.number().int()]);
/** Hetzner's limit, in bytes. */
const userDataLimit = 32 * 1024;

const createSchema = z.strictObject({
  name: hostName,
  server_type: idOrName,
  image: idOrName,
  location: z.string().optional(),
  ssh_keys: z.array(idOrName).default([]),
  user_data: z
    .string()
    .refine(
      (text) => Buffer.byteLength(text) <= userDataLimit,
      `must not be longer than ${userDataLimit} bytes`,
    )
    .default(""),
  labels: labelsField.default({}),
  start_after_create: z.boolean().default(true),
  automount: z.boolean().optional(),
  volumes: z.array(z.number().int()).default([]),
  firewalls: z.array(z.strictObject({ firewall: z.number().int() })).default([]),
  public_net: z
    .strictObject({
      enable_ipv4: z.boolean().default(true),
      enable_ipv6: z.boolean().default(true),
      ipv4: z.number().int().nullish(),
      ipv6: z.number().int().nullish(),
    })
    .default({ enable_ipv4: true, enable_ipv6: true }),
});

export function findServer(cloud: Cloud, id: string | number | undefined): ServerRecord {
  return findById(cloud.store.state.servers, "server", id);
}

/** A server as the API shows it. */
function showServer(cloud: Cloud, server: ServerRecord): object {
  const { state } = cloud.store;
  const address = (id: number | null) => state.primaryIps.find((candidate) => candidate.id === id);
  const ipv4 = address(server.ipv4);
  const ipv6 = address(server.ipv6);
  const type = serverTypes.find((candidate) => candidate.name === server.server_type);
  return {
    id: server.id,
    name: server.name,
    status: server.status,
    created: server.created,
    labels: server.labels,
    protection: server.protection,
    server_type: type,
    image: images.find(
      (image) => image.name === server.image && image.architecture === (type?.architecture ?? "x86"),
    ),
    location: locations.find((place) => place.name === server.location),
    public_net: {
      ipv4: ipv4 ? { id: ipv4.id, ip: ipv4.ip, blocked: false, dns_ptr: "" } : null,
      ipv6: ipv6 ? { id: ipv6.id, ip: ipv6.ip, blocked: false, dns_ptr: [] } : null,
      floating_ips: [],
      firewalls: firewallsOf(cloud, server).map(({ id }) => ({ id, status: "applied" })),
    },
    private_net: [],
    volumes: state.volumes.filter((volume) => volume.server === server.id).map(({ id }) => id),
    primary_disk_size: server.primary_disk_size,
    locked: state.actions.some(
      (action) =>
        action.status === "running" &&
        action.resources.some((resource) => resource.type === "server" && resource.id === server.id),
    ),
    backup_window: null,
    rescue_enabled: false,
    iso: null,
    placement_group: null,
    load_balancers: [],
    included_traffic: 20 * 1024 ** 4,
    outgoing_traffic: 0,
    ingoing_traffic: 0,
  };
}

function claimAddress(
  cloud: Cloud,
  type: "ipv4" | "ipv6",
  id: number | null | undefined,
  location: string,
): PrimaryIpRecord {
  if (id === undefined || id === null) {
    const name = `primary_ip-${cloud.store.state.nextId}`;
    return createPrimaryIp(cloud, { name, type, location, labels: {}, auto_delete: true });
  }
  const address = findById(cloud.store.state.primaryIps, "primary_ip", id);
  if (address.type !== type) {
    throw invalidInput({
      [`public_net.${type}`]: `primary IP with ID '${id}' is an ${address.type} address`,
    });
  }
  if (address.assignee_id !== null) throw alreadyAssigned(address);
  mustBeNear(address, location);
  return address;
}

export function serverRoutes(cloud: Cloud): Routes {
  const { store } = cloud;
  const { state } = store;
  const byIdOrName = <T extends { id: number; name: string }>(
    list: readonly T[],
    wanted: string | number,
    field: string,
  ): T => {
    const found = list.find((item) => item.name === wanted || String(item.id) === String(wanted));
    if (!found) {
      throw invalidInput({ [field]: `'${wanted}' does not exist` });
    }
    return found;
  };
  return {
    "GET /servers": ({ query }) => {
      const statuses = new Set(query.getAll("status"));
      return listPage(
        "servers",
        state.servers.filter((server) => statuses.size === 0 || statuses.has(server.status)),
        query,
        (server) => showServer(cloud, server),
      );
    },
    "GET /servers/:id": ({ params }) => ok({ server: showServer(cloud, findServer(cloud, params.id)) }),
    "POST /servers": ({ body }) => {
      const input = parseBody(createSchema, body);
      checkLabels(input.labels);
      nameMustBeFree(state.servers, "server", input.name);
      refuseAutomount(input.automount);
      const type = byIdOrName(serverTypes, input.server_type, "server_type");
      const image = byIdOrName(
        images.filter((candidate) => candidate.architecture === type.architecture),
        input.image,
        "image",
      );
      const place = byIdOrName(locations, input.location ?? "fsn1", "location");
      if (!type.locations.some(({ name }) => name === place.name)) {
        throw new ApiError(
          412,
          "resource_unavailable",
          `server type ${type.name} is not available in ${place.name}`,
        );
      }
      const keys = input.ssh_keys.map((key) => byIdOrName(state.sshKeys, key, "ssh_keys").id);
      const net = input.public_net;
      const server: ServerRecord = {
        id: store.nextId(),
        name: input.name,
        labels: input.labels,
        created: new Date().toISOString(),
        status: "initializing",
        server_type: type.name,
        image: image.name,
        location: place.name,
        ssh_keys: keys,
        user_data: input.user_data,
        ipv4: null,
        ipv6: null,
        protection: { delete: false, rebuild: false },
        primary_disk_size: type.disk,
      };
      for (const [kind, enabled, id] of [
        ["ipv4", net.enable_ipv4, net.ipv4],
        ["ipv6", net.enable_ipv6, net.ipv6],
      ] as const) {
        if (enabled) {
          const address = claimAddress(cloud, kind, id, place.name);
          address.assignee_id = server.id;
          server[kind] = address.id;
        }
      }
      if (server.ipv4 === null) {
        throw invalidInput({ "public_net.enable_ipv4": "the lab's machines need an IPv4 address" });
      }
      for (const { firewall: id } of input.firewalls) {
        byIdOrName(state.firewalls, id, "firewalls").applied_to.push({
          type: "server",
          server: { id: server.id },
        });
      }
      const volumes = input.volumes.map((id) => byIdOrName(state.volumes, id, "volumes"));
      for (const volume of volumes) {
        mustBeAttachable(volume, place.name);
      }
      state.servers.push(server);
      let booted: Promise<void> = Promise.resolve();
      const action = cloud.act({
        command: "create_server",
        resources: [serverRef(server.id)],
        work: () => {
          booted = bootServer(cloud, server.id, input.start_after_create);
          return booted;
        },
        failed: () => {
          findServer(cloud, server.id).status = "off";
        },
      });
      const answer = showServer(cloud, server);
      const next = volumes.map((volume) => attachVolume(cloud, volume, server, () => booted));
      if (input.start_after_create) {
        next.push(
          cloud.act({
            command: "start_server",
            resources: [serverRef(server.id)],
            work: () => booted,
          }),
        );
      }
      return created({
        server: answer,
        action: showAction(action),
        next_actions: next.map(showAction),
        root_password: null,
      });
    },
    "PUT /servers/:id": ({ params, body }) => {
      const server = findServer(cloud, params.id);
      update(state.servers, "server", server, body, { name: hostName.optional() });
      // A firewall may apply by label.
      cloud.act({ command: "apply_firewall", resources: [], work: () => cloud.applyFirewalls([server.id]) });
      return ok({ server: showServer(cloud, server) });
    },
    "DELETE /servers/:id": ({ params }) => {
      const server = findServer(cloud, params.id);
      if (server.protection.delete) {
        throw isProtected(`server with ID '${server.id}'`);
      }
      mustBeFree(cloud, "server", server.id);
      server.status = "deleting";
      const action = cloud.act({
        command: "delete_server",
        resources: [serverRef(server.id)],
        work: () => removeServer(cloud, server.id),
      });
      return ok({ action: showAction(action) });
    },
  };
}
