import { isProperties } from "../property-values.ts";
import type { Properties, PropertyValue } from "../provider.ts";
import type { HcloudApi, Json } from "./api.ts";
import { fields, labelsOf, protection, type ResourceKind } from "./kind.ts";

async function post(api: HcloudApi, path: string, body: object): Promise<void> {
  await api.settle(await api.send("POST", path, body));
}

export const zoneKind: ResourceKind = {
  type: "hcloud:index/zone:Zone",
  autoNamed: false,
  rules: {
    name: { kind: "string", required: true, replaces: true },
    mode: { kind: "string", required: true, replaces: true, allowed: ["primary"] },
    ttl: { kind: "number", default: 3600, minimum: 60 },
    labels: { kind: "string map" },
    deleteProtection: { kind: "boolean", computed: true },
    primaryNameservers: { kind: "list", refused: "a zone of mode primary has none" },
  },
  async create(api, inputs, exists) {
    const body = fields(inputs, { name: "name", mode: "mode", ttl: "ttl", labels: "labels" });
    const answer = await api.send("POST", "/zones", body);
    const id = String((answer.zone as Json).id);
    exists(id);
    await api.settle(answer);
    if (inputs.deleteProtection !== undefined) {
      await post(api, `/zones/${id}/actions/change_protection`, { delete: inputs.deleteProtection });
    }
  },
  async observe(api, id) {
    const zone = (await api.find(`/zones/${id}`))?.zone as Json | undefined;
    return (
      zone && {
        name: String(zone.name),
        mode: String(zone.mode),
        ttl: Number(zone.ttl),
        labels: labelsOf(zone),
        deleteProtection: protection(zone).delete,
        primaryNameservers: [],
        authoritativeNameservers: {
          assigneds: (zone.authoritative_nameservers as { assigned: string[] }).assigned,
        },
        registrar: String(zone.registrar),
      }
    );
  },
  async update(api, id, changes, _olds, news) {
    const path = `/zones/${id}`;
    if (changes.includes("ttl")) {
      await post(api, `${path}/actions/change_ttl`, { ttl: news.ttl ?? 3600 });
    }
    if (changes.includes("deleteProtection")) {
      await post(api, `${path}/actions/change_protection`, { delete: news.deleteProtection });
    }
    if (changes.includes("labels")) {
      await api.send("PUT", path, { labels: news.labels ?? {} });
    }
  },
  async remove(api, id) {
    await api.settle(await api.send("DELETE", `/zones/${id}`));
  },
};

function recordBodies(inputs: Properties): object[] {
  return ((inputs.records ?? []) as readonly PropertyValue[])
    .filter(isProperties)
    .map((record) => fields(record, { value: "value", comment: "comment" }));
}

/** Its id is `name/TYPE`; the inputs name the zone. */
const rrsetPath = (id: string, inputs: Properties) =>
  `/zones/${encodeURIComponent(String(inputs.zone))}/rrsets/${id.split("/").map(encodeURIComponent).join("/")}`;

export const zoneRrsetKind: ResourceKind = {
  type: "hcloud:index/zoneRrset:ZoneRrset",
  autoNamed: false,
  sets: ["records"],
  // zone/name/TYPE.
  importId: (text) => {
    const [zone = "", ...rest] = text.split("/");
    return { id: rest.join("/"), inputs: { zone } };
  },
  rules: {
    zone: { kind: "string", required: true, replaces: true },
    name: { kind: "string", required: true, replaces: true },
    type: { kind: "string", required: true, replaces: true },
    ttl: { kind: "number", minimum: 60 },
    labels: { kind: "string map" },
    changeProtection: { kind: "boolean", computed: true },
    records: { kind: "list", required: true },
  },
  check: (inputs) => [
    ...(inputs.type === "SOA"
      ? [{ property: "type", reason: "SOA is not supported by the lab: the zone makes its own" }]
      : []),
    ...(Array.isArray(inputs.records) && inputs.records.length === 0
      ? [{ property: "records", reason: "must have at least one record, has 0" }]
      : []),
  ],
  async create(api, inputs, exists) {
    const answer = await api.send("POST", `/zones/${encodeURIComponent(String(inputs.zone))}/rrsets`, {
      ...fields(inputs, { name: "name", type: "type", ttl: "ttl", labels: "labels" }),
      records: recordBodies(inputs),
    });
    const id = String((answer.rrset as Json).id);
    exists(id);
    await api.settle(answer);
    if (inputs.changeProtection !== undefined) {
      await post(api, `${rrsetPath(id, inputs)}/actions/change_protection`, {
        change: inputs.changeProtection,
      });
    }
  },
  async observe(api, id, inputs) {
    const rrset = (await api.find(rrsetPath(id, inputs)))?.rrset as Json | undefined;
    return (
      rrset && {
        zone: inputs.zone ?? "",
        name: String(rrset.name),
        type: String(rrset.type),
        ttl: rrset.ttl === null ? null : Number(rrset.ttl),
        labels: labelsOf(rrset),
        changeProtection: protection(rrset).change,
        records: rrset.records as { value: string; comment?: string }[],
      }
    );
  },
  async update(api, id, changes, _olds, news) {
    const path = rrsetPath(id, news);
    const protect = async () =>
      post(api, `${path}/actions/change_protection`, { change: news.changeProtection });
    // Protection is removed before, and added after, every other change.
    if (changes.includes("changeProtection") && !news.changeProtection) {
      await protect();
    }
    if (changes.includes("ttl")) {
      await post(api, `${path}/actions/change_ttl`, { ttl: news.ttl ?? null });
    }
    if (changes.includes("records")) {
      await post(api, `${path}/actions/set_records`, { records: recordBodies(news) });
    }
    if (changes.includes("labels")) {
      await api.send("PUT", path, { labels: news.labels ?? {} });
    }
    if (changes.includes("changeProtection") && news.changeProtection) {
      await protect();
    }
  },
  async remove(api, id, inputs) {
    await api.settle(await api.send("DELETE", rrsetPath(id, inputs)));
  },
};
