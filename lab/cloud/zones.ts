import { z } from "zod";
import { showAction } from "./actions.ts";
import type { Cloud } from "./cloud.ts";
import { invalidInput, isProtected, notFound, notInLab } from "./errors.ts";
import { nameMustBeFree } from "./records.ts";
import { created, labelsField, listPage, ok, parseBody, type Routes } from "./router.ts";
import { checkLabels } from "./selector.ts";
import type { ZoneRecord } from "./state.ts";

/** Hetzner's nameservers, which are assigned to every zone. */
const nameservers = ["hydrogen.ns.hetzner.com.", "oxygen.ns.hetzner.com.", "helium.ns.hetzner.de."];
export const ttlField = z
  .number()
  .int()
  .min(60, "must be at least 60 (seconds)")
  .max(2_147_483_647, "is too large");
const zoneName = z
  .string()
  .regex(/^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]{2,63}$/, "is not a domain name in lower case");

export function findZone(cloud: Cloud, idOrName: string | undefined): ZoneRecord {
  const zone = cloud.store.state.zones.find(
    (candidate) => candidate.name === idOrName || String(candidate.id) === idOrName,
  );
  if (!zone) {
    throw notFound("zone", idOrName ?? "");
  }
  return zone;
}

export const zoneRef = (zone: ZoneRecord) => ({ id: zone.id, type: "zone" });

/** The SOA record's value; its serial follows the zone's. */
export function soaValue(zone: ZoneRecord): string {
  return `${nameservers[0]} dns.hetzner.com. ${zone.serial} 86400 10800 3600000 3600`;
}

/** A zone's serial begins like Hetzner's, with the date, and grows by one with every change. */
export function bumpSerial(zone: ZoneRecord): void {
  zone.serial++;
}

export function zoneRoutes(cloud: Cloud): Routes {
  const { store } = cloud;
  const { state } = store;
  const show = (zone: ZoneRecord) => ({
    id: zone.id,
    name: zone.name,
    created: zone.created,
    ttl: zone.ttl,
    mode: zone.mode,
    labels: zone.labels,
    protection: zone.protection,
    primary_nameservers: [],
    authoritative_nameservers: {
      assigned: nameservers,
      delegated: nameservers,
      delegation_last_check: zone.created,
      delegation_status: "valid",
    },
    registrar: "other",
    status: "ok",
    record_count: state.rrsets
      .filter((rrset) => rrset.zone === zone.id)
      .reduce((sum, rrset) => sum + rrset.records.length, 0),
  });
  return {
    "GET /zones": ({ query }) => listPage("zones", state.zones, query, show),
    "GET /zones/:zone": ({ params }) => ok({ zone: show(findZone(cloud, params.zone)) }),
    "POST /zones": ({ body }) => {
      const input = parseBody(
        z.strictObject({
          name: zoneName,
          mode: z.enum(["primary", "secondary"]),
          ttl: ttlField.default(3600),
          labels: labelsField.default({}),
        }),
        body,
      );
      if (input.mode !== "primary") {
        throw notInLab("a zone of mode secondary");
      }
      checkLabels(input.labels);
      nameMustBeFree(state.zones, "zone", input.name);
      const today = new Date().toISOString().slice(0, 10).replaceAll("-", "");
      const zone: ZoneRecord = {
        ...input,
        id: store.nextId(),
        mode: "primary",
        created: new Date().toISOString(),
        protection: { delete: false },
        serial: Number(`${today}00`),
      };
      state.zones.push(zone);
      const own = { zone: zone.id, name: "@", labels: {}, protection: { change: false } };
      state.rrsets.push(
        { ...own, type: "SOA", ttl: null, records: [] },
        { ...own, type: "NS", ttl: null, records: nameservers.map((value) => ({ value })) },
      );
      const action = cloud.act({ command: "create_zone", resources: [zoneRef(zone)] });
      return created({ zone: show(zone), action: showAction(action) });
    },
    "PUT /zones/:zone": ({ params, body }) => {
      const zone = findZone(cloud, params.zone);
      const input = parseBody(z.strictObject({ labels: labelsField.optional() }), body);
      checkLabels(input.labels ?? {});
      Object.assign(zone, input);
      return ok({ zone: show(zone) });
    },
    "DELETE /zones/:zone": ({ params }) => {
      const zone = findZone(cloud, params.zone);
      if (zone.protection.delete) {
        throw isProtected(`zone with ID '${zone.id}'`);
      }
      const held = state.rrsets.find((rrset) => rrset.zone === zone.id && rrset.protection.change);
      if (held) {
        throw isProtected(`RRSet '${held.name}/${held.type}' of zone with ID '${zone.id}'`);
      }
      state.zones = state.zones.filter((candidate) => candidate !== zone);
      state.rrsets = state.rrsets.filter((rrset) => rrset.zone !== zone.id);
      const action = cloud.act({ command: "delete_zone", resources: [zoneRef(zone)] });
      return created({ action: showAction(action) });
    },
    "POST /zones/:zone/actions/change_ttl": ({ params, body }) => {
      const zone = findZone(cloud, params.zone);
      zone.ttl = parseBody(z.strictObject({ ttl: ttlField }), body).ttl;
      bumpSerial(zone);
      return created({
        action: showAction(cloud.act({ command: "change_zone_ttl", resources: [zoneRef(zone)] })),
      });
    },
    "POST /zones/:zone/actions/change_protection": ({ params, body }) => {
      const zone = findZone(cloud, params.zone);
      const input = parseBody(z.strictObject({ delete: z.boolean() }), body);
      const action = cloud.act({
        command: "change_zone_protection",
        resources: [zoneRef(zone)],
        done: () => {
          findZone(cloud, String(zone.id)).protection.delete = input.delete;
        },
      });
      return created({ action: showAction(action) });
    },
    "POST /zones/:zone/actions/change_primary_nameservers": ({ params }) => {
      findZone(cloud, params.zone);
      throw invalidInput({ primary_nameservers: "a primary zone has none" });
    },
  };
}
