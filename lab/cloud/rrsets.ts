import { isIPv4, isIPv6 } from "node:net";
import { z } from "zod";
import { showAction } from "./actions.ts";
import type { Cloud } from "./cloud.ts";
import { ApiError, invalidInput, isProtected } from "./errors.ts";
import { created, labelsField, listPage, ok, parseBody, type Routes } from "./router.ts";
import { checkLabels } from "./selector.ts";
import type { RrsetRecord, ZoneRecord } from "./state.ts";
import { bumpSerial, findZone, soaValue, ttlField, zoneRef } from "./zones.ts";

const label = "[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?";
const rrsetName = z
  .string()
  .regex(
    new RegExp(`^(@|(\\*|${label})(\\.${label})*)$`),
    "is not a name inside the zone (lower case, '@' for the zone itself)",
  );
const rrsetType = z.enum([
  "A",
  "AAAA",
  "CAA",
  "CNAME",
  "DS",
  "HINFO",
  "HTTPS",
  "MX",
  "NS",
  "PTR",
  "RP",
  "SOA",
  "SRV",
  "SVCB",
  "TLSA",
  "TXT",
]);
const recordsField = z
  .array(z.strictObject({ value: z.string().min(1), comment: z.string().optional() }))
  .min(1, "must not be empty")
  .max(50);
const quoted = /^"(?:[^"\\]|\\.){0,255}"(?: +"(?:[^"\\]|\\.){0,255}")*$/;

/** Throws `invalid_input` for a value that its type does not allow. Types that are not checked here pass unchanged. */
function checkRecords(type: string, records: readonly { value: string }[]): void {
  const values = records.map((record) => record.value);
  const bad = (problem: string, value = "") => invalidInput({ records: `'${value}' ${problem}` });
  for (const value of values) {
    if (type === "A" && !isIPv4(value)) {
      throw bad("is not an IPv4 address", value);
    }
    if (type === "AAAA" && !isIPv6(value)) {
      throw bad("is not an IPv6 address", value);
    }
    if (type === "TXT" && !quoted.test(value)) {
      throw bad("is not a list of quoted strings of at most 255 characters", value);
    }
  }
  if (new Set(values).size !== values.length) {
    throw bad("is there twice", values.find((value, index) => values.indexOf(value) !== index) ?? "");
  }
  if (type === "CNAME" && values.length > 1) {
    throw bad("is one of several values: a CNAME has one", values[1] ?? "");
  }
}

export function rrsetRoutes(cloud: Cloud): Routes {
  const { store } = cloud;
  const { state } = store;
  const find = (zone: ZoneRecord, name: string | undefined, type: string | undefined): RrsetRecord => {
    const rrset = state.rrsets.find(
      (candidate) => candidate.zone === zone.id && candidate.name === name && candidate.type === type,
    );
    if (!rrset) {
      throw new ApiError(404, "not_found", `rrset '${name}/${type}' not found in zone '${zone.name}'`);
    }
    return rrset;
  };
  const show = (zone: ZoneRecord, rrset: RrsetRecord) => ({
    ...rrset,
    id: `${rrset.name}/${rrset.type}`,
    records: rrset.type === "SOA" ? [{ value: soaValue(zone) }] : rrset.records,
  });
  const changeable = (zone: ZoneRecord, rrset: RrsetRecord) => {
    if (rrset.protection.change) {
      throw isProtected(`RRSet '${rrset.name}/${rrset.type}'`);
    }
    if (rrset.type === "SOA") {
      throw new ApiError(422, "unsupported_error", `the SOA record of ${zone.name} is Hetzner's to change`);
    }
  };
  const alone = (zone: ZoneRecord, name: string, type: string) => {
    const others = state.rrsets.filter(
      (candidate) => candidate.zone === zone.id && candidate.name === name && candidate.type !== type,
    );
    const clash = type === "CNAME" ? others[0] : others.find((other) => other.type === "CNAME");
    if (clash) {
      throw invalidInput({ name: `'${name}' has a ${clash.type} record: a CNAME must be alone` });
    }
  };
  const act = (command: string, zone: ZoneRecord, done?: () => void) => {
    bumpSerial(zone);
    return showAction(cloud.act({ command, resources: [zoneRef(zone)], ...(done ? { done } : {}) }));
  };
  const edit = (
    name: string,
    change: (rrset: RrsetRecord, body: unknown, zone: ZoneRecord) => void,
  ): Routes => ({
    [`POST /zones/:zone/rrsets/:name/:type/actions/${name}`]: ({ params, body }) => {
      const zone = findZone(cloud, params.zone);
      const rrset = find(zone, params.name, params.type);
      changeable(zone, rrset);
      change(rrset, body, zone);
      checkRecords(rrset.type, rrset.records);
      return created({ action: act(`${name}_rrset`, zone) });
    },
  });
  return {
    "GET /zones/:zone/rrsets": ({ params, query }) => {
      const zone = findZone(cloud, params.zone);
      const types = new Set(query.getAll("type"));
      return listPage(
        "rrsets",
        state.rrsets.filter((rrset) => rrset.zone === zone.id && (types.size === 0 || types.has(rrset.type))),
        query,
        (rrset) => show(zone, rrset),
      );
    },
    "GET /zones/:zone/rrsets/:name/:type": ({ params }) => {
      const zone = findZone(cloud, params.zone);
      return ok({ rrset: show(zone, find(zone, params.name, params.type)) });
    },
    "POST /zones/:zone/rrsets": ({ params, body }) => {
      const zone = findZone(cloud, params.zone);
      const input = parseBody(
        z.strictObject({
          name: rrsetName,
          type: rrsetType,
          ttl: ttlField.nullish(),
          labels: labelsField.default({}),
          records: recordsField,
        }),
        body,
      );
      checkLabels(input.labels);
      checkRecords(input.type, input.records);
      if (
        state.rrsets.some(
          (rrset) => rrset.zone === zone.id && rrset.name === input.name && rrset.type === input.type,
        )
      ) {
        throw new ApiError(
          409,
          "uniqueness_error",
          `RRSet '${input.name}/${input.type}' already exists in zone '${zone.name}'`,
        );
      }
      alone(zone, input.name, input.type);
      const rrset: RrsetRecord = {
        ...input,
        zone: zone.id,
        ttl: input.ttl ?? null,
        protection: { change: false },
        records: input.records.map(({ value, comment }) => (comment ? { value, comment } : { value })),
      };
      state.rrsets.push(rrset);
      return created({ rrset: show(zone, rrset), action: act("create_rrset", zone) });
    },
    "PUT /zones/:zone/rrsets/:name/:type": ({ params, body }) => {
      const zone = findZone(cloud, params.zone);
      const rrset = find(zone, params.name, params.type);
      const input = parseBody(z.strictObject({ labels: labelsField.optional() }), body);
      checkLabels(input.labels ?? {});
      Object.assign(rrset, input);
      return ok({ rrset: show(zone, rrset) });
    },
    "DELETE /zones/:zone/rrsets/:name/:type": ({ params }) => {
      const zone = findZone(cloud, params.zone);
      const rrset = find(zone, params.name, params.type);
      changeable(zone, rrset);
      state.rrsets = state.rrsets.filter((candidate) => candidate !== rrset);
      return created({ action: act("delete_rrset", zone) });
    },
    "POST /zones/:zone/rrsets/:name/:type/actions/change_protection": ({ params, body }) => {
      const zone = findZone(cloud, params.zone);
      const rrset = find(zone, params.name, params.type);
      const input = parseBody(z.strictObject({ change: z.boolean() }), body);
      const action = act("change_rrset_protection", zone, () => {
        find(zone, rrset.name, rrset.type).protection.change = input.change;
      });
      return created({ action });
    },
    ...edit("change_ttl", (rrset, body) => {
      rrset.ttl = parseBody(z.strictObject({ ttl: ttlField.nullable() }), body).ttl;
    }),
    ...edit("set_records", (rrset, body) => {
      rrset.records = parseBody(z.strictObject({ records: recordsField }), body).records.map(
        ({ value, comment }) => (comment ? { value, comment } : { value }),
      );
    }),
  };
}
