import { type Location, type ServerTypeFacts, serverTypeFile } from "../../components/host/server-types.ts";

/**
 * The part of Hetzner's offer that the lab supports. Server types, locations and prices come from the file that the configuration
 * is checked with; the ids of server types are the lab's own. The lab boots Arm types on whatever processor it has.
 */

export const locations = Object.entries(serverTypeFile.locations).map(
  ([name, { networkZone, ...facts }]) => ({
    name,
    ...facts,
    network_zone: networkZone,
  }),
);

const vat = 1.19;
const euros = (amount: number) => ({ net: amount.toFixed(10), gross: (amount * vat).toFixed(10) });
/** Hetzner bills by the hour up to a month of 624 hours. */
const hourly = (monthly: number) => euros(monthly / 624);

const categories = {
  cx: "Cost-Optimized",
  cax: "Cost-Optimized",
  cpx: "Regular Performance",
  ccx: "General Purpose",
};

function serverType(id: number, name: string, facts: ServerTypeFacts) {
  const family = name.replace(/\d+$/, "");
  return {
    id,
    name,
    description: name.toUpperCase(),
    category: categories[family as keyof typeof categories],
    cores: facts.cores,
    memory: facts.memoryGibibytes,
    disk: facts.diskGigabytes,
    storage_type: "local",
    cpu_type: facts.cpu,
    architecture: facts.architecture,
    deprecated: false,
    deprecation: null,
    prices: Object.entries(facts.monthlyEuros).flatMap(([location, monthly]) =>
      monthly === null
        ? []
        : [
            {
              location,
              price_hourly: hourly(monthly),
              price_monthly: euros(monthly),
              included_traffic:
                serverTypeFile.locations[location as Location].networkZone === "eu-central"
                  ? 20 * 1024 ** 4
                  : 1024 ** 4,
              price_per_tb_traffic: euros(1),
            },
          ],
    ),
    locations: locations
      .filter((place) => place.name in facts.monthlyEuros)
      .map((place) => ({ id: place.id, name: place.name, deprecation: null })),
  };
}
export const serverTypes = Object.entries(serverTypeFile.serverTypes).map(([name, facts], index) =>
  serverType(index + 1, name, facts),
);

const dataCenters = [
  [4, "fsn1-dc14"],
  [2, "nbg1-dc3"],
  [3, "hel1-dc2"],
  [5, "ash-dc1"],
  [6, "hil-dc1"],
  [7, "sin-dc1"],
] as const;

export const datacenters = dataCenters.map(([id, name]) => {
  const place = locations.find((candidate) => name.startsWith(`${candidate.name}-`));
  const here = serverTypes
    .filter((type) => type.locations.some(({ name }) => name === place?.name))
    .map((type) => type.id);
  return {
    id,
    name,
    description: `${place?.city} ${name.split("-")[1]?.toUpperCase()}`,
    location: place,
    server_types: { supported: here, available: here, available_for_migration: here },
  };
});

const systems = [
  [114690387, 114690389, "debian-12", "Debian 12", "debian", "12"],
  [310557660, 310557662, "debian-13", "Debian 13", "debian", "13"],
  [161547269, 161547270, "ubuntu-24.04", "Ubuntu 24.04", "ubuntu", "24.04"],
] as const;

/** One image per architecture, as Hetzner lists them. lab/machine/image.ts decides what is booted for it. */
export const images = systems.flatMap(([x86, arm, name, description, os_flavor, os_version]) =>
  [
    { id: x86, architecture: "x86" },
    { id: arm, architecture: "arm" },
  ].map(({ id, architecture }) => ({
    id,
    name,
    description,
    os_flavor,
    os_version,
    architecture,
    type: "system",
    status: "available",
    image_size: null,
    disk_size: 5,
    created: "2024-04-23T14:16:26+00:00",
    created_from: null,
    bound_to: null,
    rapid_deploy: true,
    protection: { delete: false },
    deprecated: null,
    deleted: null,
    labels: {},
  })),
);

/** The body of `GET /pricing`. */
export function pricing(): object {
  const everywhere = <T extends object>(fields: T) =>
    locations.map((place) => ({ location: place.name, ...fields }));
  return {
    currency: "EUR",
    vat_rate: "19.00",
    image: { price_per_gb_month: euros(0.011) },
    volume: { price_per_gb_month: euros(0.044) },
    server_backup: { percentage: "20.00" },
    primary_ips: [
      { type: "ipv4", prices: everywhere({ price_hourly: euros(0.0008), price_monthly: euros(0.5) }) },
      { type: "ipv6", prices: everywhere({ price_hourly: euros(0), price_monthly: euros(0) }) },
    ],
    floating_ips: [
      { type: "ipv4", prices: everywhere({ price_monthly: euros(3) }) },
      { type: "ipv6", prices: everywhere({ price_monthly: euros(1) }) },
    ],
    load_balancer_types: [],
    server_types: serverTypes.map(({ id, name, prices }) => ({ id, name, prices })),
  };
}
