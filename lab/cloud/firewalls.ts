import { isIP } from "node:net";
import { z } from "zod";
import { showAction } from "./actions.ts";
import { type Cloud, serverRef } from "./cloud.ts";
import { ApiError } from "./errors.ts";
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
import { checkLabels, parseSelector } from "./selector.ts";
import type { FirewallRecord, FirewallTarget } from "./state.ts";

function isCidr(text: string): boolean {
  const [address = "", bits = "", ...rest] = text.split("/");
  const family = isIP(address);
  return (
    rest.length === 0 && family !== 0 && /^\d{1,3}$/.test(bits) && Number(bits) <= (family === 4 ? 32 : 128)
  );
}

function isPort(text: string): boolean {
  const ends = text.split("-").map(Number);
  return (
    ends.length <= 2 &&
    ends.every((port) => Number.isInteger(port) && port >= 1 && port <= 65_535) &&
    (ends[0] ?? 0) <= (ends.at(-1) ?? 0)
  );
}

const cidrs = z.array(z.string().refine(isCidr, "is not a network in CIDR notation")).max(100);
const rule = z
  .strictObject({
    direction: z.enum(["in", "out"]),
    protocol: z.enum(["tcp", "udp", "icmp", "esp", "gre"]),
    port: z.string().refine(isPort, "is not a port or a range of ports").nullish(),
    source_ips: cidrs.nullish(),
    destination_ips: cidrs.nullish(),
    description: z.string().max(255).nullish(),
  })
  .superRefine((value, context) => {
    const hasPort = value.port !== undefined && value.port !== null;
    if (hasPort !== (value.protocol === "tcp" || value.protocol === "udp")) {
      context.addIssue({
        code: "custom",
        path: ["port"],
        message: "is required for tcp and udp and for nothing else",
      });
    }
    const wanted = value.direction === "in" ? "source_ips" : "destination_ips";
    if ((value[wanted] ?? []).length === 0) {
      context.addIssue({
        code: "custom",
        path: [wanted],
        message: `is required for direction ${value.direction}`,
      });
    }
  })
  .transform((value) => ({
    direction: value.direction,
    protocol: value.protocol,
    port: value.port ?? null,
    source_ips: value.source_ips ?? [],
    destination_ips: value.destination_ips ?? [],
    description: value.description ?? null,
  }));
const rules = z.array(rule).max(50, "a firewall has at most 50 rules");

const target = z.discriminatedUnion("type", [
  z.strictObject({ type: z.literal("server"), server: z.strictObject({ id: z.number().int() }) }),
  z.strictObject({
    type: z.literal("label_selector"),
    label_selector: z.strictObject({ selector: z.string().min(1) }),
    // hcloud-go sends back the resources that it read when it detaches a firewall from all of them.
    applied_to_resources: z
      .array(z.unknown())
      .optional()
      .transform(() => undefined),
  }),
]);

function same(a: FirewallTarget, b: FirewallTarget): boolean {
  return a.type === "server"
    ? b.type === "server" && a.server.id === b.server.id
    : b.type === "label_selector" && a.label_selector.selector === b.label_selector.selector;
}

export function firewallRoutes(cloud: Cloud): Routes {
  const { store } = cloud;
  const find = (id: string | undefined) => findById(store.state.firewalls, "firewall", id);
  const show = (firewall: FirewallRecord) => ({
    ...firewall,
    applied_to: firewall.applied_to.map((item) =>
      item.type === "server"
        ? item
        : {
            ...item,
            applied_to_resources: store.state.servers
              .filter((server) => parseSelector(item.label_selector.selector)(server.labels))
              .map((server) => ({ type: "server", server: { id: server.id } })),
          },
    ),
  });
  const targets = (list: readonly z.output<typeof target>[]): FirewallTarget[] =>
    list.map((item) => {
      if (item.type === "server") {
        if (!store.state.servers.some((server) => server.id === item.server.id)) {
          throw new ApiError(
            404,
            "firewall_resource_not_found",
            `firewall: server with ID '${item.server.id}' not found`,
          );
        }
        return item;
      }
      parseSelector(item.label_selector.selector, "apply_to.label_selector.selector");
      return { type: "label_selector", label_selector: item.label_selector };
    });
  const act = (command: string, firewall: FirewallRecord, list: readonly FirewallTarget[]) => {
    const servers = list.flatMap((item) => (item.type === "server" ? [serverRef(item.server.id)] : []));
    return showAction(
      cloud.act({
        command,
        resources: [{ id: firewall.id, type: "firewall" }, ...servers],
        work: () => cloud.applyFirewalls(),
      }),
    );
  };
  return {
    "GET /firewalls": ({ query }) => listPage("firewalls", store.state.firewalls, query, show),
    "GET /firewalls/:id": ({ params }) => ok({ firewall: show(find(params.id)) }),
    "POST /firewalls": ({ body }) => {
      const input = parseBody(
        z.strictObject({
          name: nameField,
          labels: labelsField.default({}),
          rules: rules.default([]),
          apply_to: z.array(target).default([]),
        }),
        body,
      );
      checkLabels(input.labels);
      nameMustBeFree(store.state.firewalls, "firewall", input.name);
      const firewall: FirewallRecord = {
        id: store.nextId(),
        name: input.name,
        labels: input.labels,
        created: new Date().toISOString(),
        rules: input.rules,
        applied_to: targets(input.apply_to),
      };
      store.state.firewalls.push(firewall);
      const actions = [act("set_firewall_rules", firewall, [])];
      if (firewall.applied_to.length > 0) {
        actions.push(act("apply_firewall", firewall, firewall.applied_to));
      }
      return created({ firewall: show(firewall), actions });
    },
    "PUT /firewalls/:id": ({ params, body }) => {
      const firewall = find(params.id);
      update(store.state.firewalls, "firewall", firewall, body);
      return ok({ firewall: show(firewall) });
    },
    "DELETE /firewalls/:id": ({ params }) => {
      const firewall = find(params.id);
      if (firewall.applied_to.length > 0) {
        throw new ApiError(422, "resource_in_use", `firewall with ID '${firewall.id}' is still in use`);
      }
      store.state.firewalls = store.state.firewalls.filter((candidate) => candidate !== firewall);
      return noContent;
    },
    "POST /firewalls/:id/actions/set_rules": ({ params, body }) => {
      const firewall = find(params.id);
      firewall.rules = parseBody(z.strictObject({ rules }), body).rules;
      return created({ actions: [act("set_firewall_rules", firewall, [])] });
    },
    "POST /firewalls/:id/actions/apply_to_resources": ({ params, body }) => {
      const firewall = find(params.id);
      const list = targets(parseBody(z.strictObject({ apply_to: z.array(target).min(1) }), body).apply_to);
      if (list.some((item) => firewall.applied_to.some((present) => same(item, present)))) {
        throw new ApiError(
          422,
          "firewall_already_applied",
          `firewall with ID '${firewall.id}' was already applied`,
        );
      }
      firewall.applied_to.push(...list);
      return created({ actions: [act("apply_firewall", firewall, list)] });
    },
    "POST /firewalls/:id/actions/remove_from_resources": ({ params, body }) => {
      const firewall = find(params.id);
      // Resources that it is not applied to are ignored (as at Hetzner since August 2025).
      const input = parseBody(z.strictObject({ remove_from: z.array(target).min(1) }), body).remove_from;
      firewall.applied_to = firewall.applied_to.filter(
        (present) => !input.some((item) => same(item, present)),
      );
      return created({ actions: [act("remove_firewall", firewall, input)] });
    },
  };
}
