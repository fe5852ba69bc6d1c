import { z } from "zod";
import { showAction } from "./actions.ts";
import { locations } from "./catalogue.ts";
import type { Cloud } from "./cloud.ts";
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
import type { PrimaryIpRecord } from "./state.ts";

/** Machines take `.10` to `.99` of the lab's network. */
const firstHost = 10;
const lastHost = 99;

function freeAddress(cloud: Cloud, type: "ipv4" | "ipv6"): string {
  const used = new Set(cloud.store.state.primaryIps.map((address) => address.ip));
  const [, , third = "0"] = cloud.home.subnet.split(".");
  for (let host = firstHost; host <= lastHost; host++) {
    // IPv6 networks come from the documentation range: machines of the lab have IPv4 only.
    const ip =
      type === "ipv4"
        ? cloud.home.subnet.replace(/0\/24$/, String(host))
        : `2001:db8:${Number(third).toString(16)}:${host.toString(16)}::/64`;
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
      find(params.id);
      parseBody(z.strictObject({ assignee_id: z.number().int(), assignee_type: z.literal("server") }), body);
      throw notInLab("assigning a primary IP to a server that exists");
    },
    "POST /primary_ips/:id/actions/unassign": ({ params }) => {
      if (find(params.id).assignee_id === null) {
        throw new ApiError(
          422,
          "primary_ip_not_assigned",
          `primary IP with ID '${params.id}' is not assigned`,
        );
      }
      throw notInLab("taking the primary IP from a server that exists");
    },
  };
}
