import data from "./server-types.json" with { type: "json" };

export type Location = keyof typeof data.locations;
export type ServerType = keyof typeof data.serverTypes;

/** One of Hetzner's server types. */
export interface ServerTypeFacts {
  readonly architecture: "x86" | "arm";
  readonly cpu: "shared" | "dedicated";
  readonly cores: number;
  readonly memoryGibibytes: number;
  readonly diskGigabytes: number;
  /** Where it is sold, and for how much a month: net, without the IPv4 address; null where no source says it. */
  readonly monthlyEuros: Readonly<Record<string, number | null>>;
}

/** One of Hetzner's locations. */
export interface LocationFacts {
  readonly id: number;
  readonly description: string;
  readonly country: string;
  readonly city: string;
  readonly latitude: number;
  readonly longitude: number;
  readonly networkZone: string;
}

/** The content of `server-types.json`, which says where it is from and of which day; `npm run ops -- refresh-server-types` writes it. */
export interface ServerTypeFile {
  readonly source: string;
  /** Day, as in 2026-09-19. */
  readonly date: string;
  readonly locations: Readonly<Record<string, LocationFacts>>;
  /** What is not sold any more too: servers of it run on. */
  readonly serverTypes: Readonly<Record<string, ServerTypeFacts>>;
}

/**
 * Hetzner's locations and server types, so that a typing error, a type that is sold elsewhere or a system that cannot fit is refused in
 * review, before anything is created.
 */
export const serverTypeFile = data as ServerTypeFile & {
  readonly locations: Readonly<Record<Location, LocationFacts>>;
  readonly serverTypes: Readonly<Record<ServerType, ServerTypeFacts>>;
};

export const serverTypes = Object.keys(data.serverTypes) as [ServerType, ...ServerType[]];
export const locations = Object.keys(data.locations) as [Location, ...Location[]];

/** Where a server type is sold. */
export function soldIn(serverType: ServerType): readonly Location[] {
  const { monthlyEuros } = serverTypeFile.serverTypes[serverType];
  return locations.filter((location) => location in monthlyEuros);
}
