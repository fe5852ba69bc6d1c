import { z } from "zod";
import { network6 } from "../docker/names.ts";
import { showAction } from "./actions.ts";
import { locations } from "./catalogue.ts";
import { type Cloud, mustBeFree, serverRef } from "./cloud.ts";
import { ApiError, invalidInput, isProtected, notInLab } from "./errors.ts";
import { findById, nameMustBeFree, update } from "./records.ts";
import {
  created,
  labelsField,
  listPage,
  nameField,
  noContent,
  ok,
  parseBody,
  type Routes,
} from "./router.ts";
import { checkLabels } from "./selector.ts";
import type { PrimaryIpRecord, ServerRecord } from "./state.ts";

/** Machines take `.10` to `.99` of the lab's network. */
const firstHost = 10;
const lastHost = 99;

function freeAddress(cloud: Cloud, type: "ipv4" | "ipv6"): string {
  const used = new Set(cloud.store.state.primaryIps.map((address) => address.ip));
  for (let host = firstHost; host <= lastHost; host++) {
    const ip =
      type === "ipv4"
        ? cloud.home.subnet.replace(/0\/24$/, String(host))
        : `${network6(cloud.home, host)}/64`;
    if (!used.has(ip)) {
      return ip;
    }
  }
  throw new ApiError(
    412,
    "resource_unavailable",
    `no free ${type} address: ${cloud.home.subnet} has ${lastHost - firstHost + 1} for machines`,
  );
}

/** Reserves an address; used by `POST /primary_ips` and for servers created without one. Throws when none is free. */
export function createPrimaryIp(
  cloud: Cloud,
  fields: Pick<PrimaryIpRecord, "name" | "type" | "location" | "labels" | "auto_delete">,
): PrimaryIpRecord {
  const record: PrimaryIpRecord = {
    id: cloud.store.nextId(),
    ...fields,
    ip: freeAddress(cloud, fields.type),
    created: new Date().toISOString(),
    assignee_id: null,
    protection: { delete: false },
  };
  cloud.store.state.primaryIps.push(record);
  return record;
}

export function primaryIpRoutes(cloud: Cloud): Routes {
  const { store } = cloud;
  const find = (id: string | undefined) => findById(store.state.primaryIps, "primary_ip", id);
  const show = (address: PrimaryIpRecord) => ({
    ...address,
    assignee_type: "server",
    blocked: false,
    dns_ptr: [],
    location: locations.find((place) => place.name === address.location),
  });
  return {
    "GET /primary_ips": ({ query }) => {
      const ip = query.get("ip");
      return listPage(
        "primary_ips",
        store.state.primaryIps.filter((address) => ip === null || address.ip === ip),
        query,
        show,
      );
    },
    "GET /primary_ips/:id": ({ params }) => ok({ primary_ip: show(find(params.id)) }),
    "POST /primary_ips": ({ body }) => {
      const input = parseBody(
        z.strictObject({
          name: nameField,
          type: z.enum(["ipv4", "ipv6"]),
          assignee_type: z.enum(["server", ""]).optional(),
          assignee_id: z.number().int().optional(),
          labels: labelsField.default({}),
          auto_delete: z.boolean().default(false),
          location: z.string().optional(),
        }),
        body,
      );
      checkLabels(input.labels);
      nameMustBeFree(store.state.primaryIps, "primary IP", input.name);
      if (input.assignee_id !== undefined) {
        throw notInLab("assigning a primary IP to a server that exists");
      }
      const place = locations.find((candidate) => candidate.name === input.location);
      if (!place) {
        throw invalidInput({
          location: `'${input.location ?? ""}' is none of ${locations.map(({ name }) => name).join(", ")}`,
        });
      }
      const { name, type, labels, auto_delete } = input;
      const address = createPrimaryIp(cloud, { name, type, labels, auto_delete, location: place.name });
      return created({ primary_ip: show(address), action: null });
    },
    "PUT /primary_ips/:id": ({ params, body }) => {
      const address = find(params.id);
      update(store.state.primaryIps, "primary IP", address, body, { auto_delete: z.boolean().optional() });
      return ok({ primary_ip: show(address) });
    },
    "DELETE /primary_ips/:id": ({ params }) => {
      const address = find(params.id);
      if (address.protection.delete) {
        throw isProtected(`primary IP with ID '${address.id}'`);
      }
      if (address.assignee_id !== null) {
        throw new ApiError(
          422,
          "must_be_unassigned",
          `primary IP with ID '${address.id}' is assigned to server ${address.assignee_id}`,
        );
      }
      store.state.primaryIps = store.state.primaryIps.filter((candidate) => candidate !== address);
      return noContent;
    },
    "POST /primary_ips/:id/actions/change_protection": ({ params, body }) => {
      const address = find(params.id);
      const input = parseBody(z.strictObject({ delete: z.boolean() }), body);
      const action = cloud.act({
        command: "change_protection",
        resources: [{ id: address.id, type: "primary_ip" }],
        done: () => {
          find(params.id).protection.delete = input.delete;
        },
      });
      return created({ action: showAction(action) });
    },
    "POST /primary_ips/:id/actions/assign": ({ params, body }) => {
      const address = find(params.id);
      const input = parseBody(
        z.strictObject({ assignee_id: z.number().int(), assignee_type: z.literal("server") }),
        body,
      );
      const server = findById(store.state.servers, "server", input.assignee_id);
      if (address.assignee_id !== null) throw alreadyAssigned(address, "primary_ip_already_assigned");
      if (server[address.type] !== null) {
        throw new ApiError(
          422,
          `server_has_${address.type}`,
          `server with ID '${server.id}' has an ${address.type} address already`,
        );
      }
      mustBeOff(server);
      mustBeNear(address, server.location);
      return changeAssignment(cloud, "assign_primary_ip", address, server, (place) => {
        find(params.id).assignee_id = place.id;
        place[address.type] = address.id;
      });
    },
    "POST /primary_ips/:id/actions/unassign": ({ params }) => {
      const address = find(params.id);
      if (address.assignee_id === null) {
        throw new ApiError(
          422,
          "primary_ip_not_assigned",
          `primary IP with ID '${params.id}' is not assigned`,
        );
      }
      const server = findById(store.state.servers, "server", address.assignee_id);
      mustBeOff(server);
      return changeAssignment(cloud, "unassign_primary_ip", address, server, (place) => {
        find(params.id).assignee_id = null;
        place[address.type] = null;
      });
    },
  };
}

/** The answer to who claims an address that a server has. */
export function alreadyAssigned(
  { id, assignee_id }: PrimaryIpRecord,
  code = "primary_ip_assigned",
): ApiError {
  return new ApiError(422, code, `primary IP with ID '${id}' is already assigned to server ${assignee_id}`);
}

/** Throws unless the address is where the server is. */
export function mustBeNear({ id, location: place }: PrimaryIpRecord, location: string): void {
  if (place === location) return;
  throw new ApiError(
    422,
    "invalid_input",
    `primary IP with ID '${id}' is in ${place} and the server in ${location}: they must be in one location`,
  );
}

/** As Hetzner: "A Server must be powered off (status `off`) in order for this operation to succeed" (docs.hetzner.cloud, assign a Primary IP). */
function mustBeOff({ id, status }: ServerRecord): void {
  if (status === "off") return;
  throw new ApiError(
    422,
    "server_not_stopped",
    `server with ID '${id}' must be stopped to change its primary IPs`,
  );
}

function changeAssignment(
  cloud: Cloud,
  command: string,
  address: PrimaryIpRecord,
  { id }: ServerRecord,
  change: (server: ServerRecord) => void,
) {
  mustBeFree(cloud, "server", id);
  const action = cloud.act({
    command,
    resources: [serverRef(id), { id: address.id, type: "primary_ip" }],
    done: () => change(findById(cloud.store.state.servers, "server", id)),
  });
  return created({ action: showAction(action) });
}
