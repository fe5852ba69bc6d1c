/**
 * What Hetzner offers, as far as the lab offers it. Names, cores, memory and disks are Hetzner's (end of 2025); prices are
 * its net list prices in euros, rounded: good for an order of magnitude, not for a bill. Arm types are listed because
 * configurations name them; the lab boots them on whatever processor it has.
 */

interface Location {
  readonly id: number;
  readonly name: string;
  readonly description: string;
  readonly country: string;
  readonly city: string;
  readonly latitude: number;
  readonly longitude: number;
  readonly network_zone: string;
}

function location(
  id: number,
  name: string,
  description: string,
  country: string,
  city: string,
  position: readonly [number, number],
  network_zone: string,
): Location {
  return {
    id,
    name,
    description,
    country,
    city,
    latitude: position[0],
    longitude: position[1],
    network_zone,
  };
}

export const locations: readonly Location[] = [
  location(1, "fsn1", "Falkenstein DC Park 1", "DE", "Falkenstein", [50.47612, 12.370071], "eu-central"),
  location(2, "nbg1", "Nuremberg DC Park 1", "DE", "Nuremberg", [49.452102, 11.076665], "eu-central"),
  location(3, "hel1", "Helsinki DC Park 1", "FI", "Helsinki", [60.169855, 24.938379], "eu-central"),
  location(4, "ash", "Ashburn, VA", "US", "Ashburn, VA", [39.045821, -77.487073], "us-east"),
  location(5, "hil", "Hillsboro, OR", "US", "Hillsboro, OR", [45.54222, -122.951924], "us-west"),
  location(6, "sin", "Singapore", "SG", "Singapore", [1.283333, 103.833333], "ap-southeast"),
];

const europe = ["fsn1", "nbg1", "hel1"];
const overseas = ["ash", "hil", "sin"];

type Row = readonly [
  id: number,
  name: string,
  cores: number,
  memory: number,
  disk: number,
  monthly: number,
  where: readonly string[],
];

const rows: readonly Row[] = [
  [104, "cx22", 2, 4, 40, 3.79, europe],
  [105, "cx32", 4, 8, 80, 6.8, europe],
  [106, "cx42", 8, 16, 160, 16.4, europe],
  [107, "cx52", 16, 32, 320, 32.4, europe],
  [114, "cx23", 2, 4, 40, 3.49, europe],
  [115, "cx33", 4, 8, 80, 5.49, europe],
  [116, "cx43", 8, 16, 160, 9.49, europe],
  [117, "cx53", 16, 32, 320, 17.49, europe],
  [22, "cpx11", 2, 2, 40, 4.35, [...europe, ...overseas]],
  [23, "cpx21", 3, 4, 80, 7.55, [...europe, ...overseas]],
  [24, "cpx31", 4, 8, 160, 13.6, [...europe, ...overseas]],
  [25, "cpx41", 8, 16, 240, 25.2, [...europe, ...overseas]],
  [26, "cpx51", 16, 32, 360, 54.9, [...europe, ...overseas]],
  [109, "cpx22", 2, 4, 80, 5.99, europe],
  [110, "cpx32", 4, 8, 160, 10.49, europe],
  [111, "cpx42", 8, 16, 320, 19.49, europe],
  [45, "cax11", 2, 4, 40, 3.79, europe],
  [93, "cax21", 4, 8, 80, 6.49, europe],
  [94, "cax31", 8, 16, 160, 12.49, europe],
  [95, "cax41", 16, 32, 320, 24.49, europe],
  [96, "ccx13", 2, 8, 80, 12.49, [...europe, ...overseas]],
  [97, "ccx23", 4, 16, 160, 24.49, [...europe, ...overseas]],
  [98, "ccx33", 8, 32, 240, 48.49, [...europe, ...overseas]],
  [99, "ccx43", 16, 64, 360, 96.49, [...europe, ...overseas]],
];

const vat = 1.19;
const euros = (amount: number) => ({ net: amount.toFixed(10), gross: (amount * vat).toFixed(10) });
/** Hetzner bills by the hour up to a month of 624 hours. */
const hourly = (monthly: number) => euros(monthly / 624);

function serverType([id, name, cores, memory, disk, monthly, where]: Row) {
  return {
    id,
    name,
    description: name.toUpperCase(),
    category: name.startsWith("ccx")
      ? "General Purpose"
      : name.startsWith("cpx")
        ? "Regular Performance"
        : "Cost-Optimized",
    cores,
    memory,
    disk,
    storage_type: "local",
    cpu_type: name.startsWith("ccx") ? "dedicated" : "shared",
    architecture: name.startsWith("cax") ? "arm" : "x86",
    deprecated: false,
    deprecation: null,
    prices: where.map((place) => ({
      location: place,
      price_hourly: hourly(monthly),
      price_monthly: euros(monthly),
      included_traffic: europe.includes(place) ? 20 * 1024 ** 4 : 1024 ** 4,
      price_per_tb_traffic: euros(1),
    })),
    locations: locations
      .filter((place) => where.includes(place.name))
      .map((place) => ({ id: place.id, name: place.name, deprecation: null })),
  };
}
export const serverTypes = rows.map(serverType);

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
    .filter((type) => type.prices.some((price) => price.location === place?.name))
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

/** One image per architecture, as Hetzner lists them. The machine room says what it really boots. */
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
