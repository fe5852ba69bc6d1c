import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import type { ServerTypeFacts, ServerTypeFile } from "../components/host/server-types.ts";
import type { Cloud } from "./cloud.ts";

const locationAnswer = z.object({
  id: z.number(),
  name: z.string(),
  description: z.string(),
  country: z.string(),
  city: z.string(),
  latitude: z.number(),
  longitude: z.number(),
  network_zone: z.string(),
});
const serverTypeAnswer = z.object({
  name: z.string(),
  architecture: z.enum(["x86", "arm"]),
  cpu_type: z.enum(["shared", "dedicated"]),
  cores: z.number(),
  memory: z.number(),
  disk: z.number(),
  prices: z.array(z.object({ location: z.string(), price_monthly: z.object({ net: z.string() }) })),
  locations: z.array(z.object({ name: z.string() })),
});

/**
 * The file of server types as the API answers now (`GET /v1/server_types` and `GET /v1/locations`). Types that the API no longer lists
 * are kept, because servers of them may exist.
 */
export async function readServerTypes(
  cloud: Cloud,
  before: ServerTypeFile,
  now: Date,
): Promise<ServerTypeFile> {
  const places = z.array(locationAnswer).parse(await cloud.listAll("locations"));
  const types = z.array(serverTypeAnswer).parse(await cloud.listAll("server_types"));
  return {
    source:
      "GET /v1/server_types and GET /v1/locations of the Hetzner Cloud API. Kept by: npm run ops -- refresh-server-types",
    date: now.toISOString().slice(0, 10),
    locations: {
      ...before.locations,
      ...Object.fromEntries(
        places.map(({ name, network_zone: networkZone, ...facts }) => [name, { ...facts, networkZone }]),
      ),
    },
    serverTypes: {
      ...before.serverTypes,
      ...Object.fromEntries(types.map((type) => [type.name, factsOf(type)])),
    },
  };
}

function factsOf(type: z.infer<typeof serverTypeAnswer>): ServerTypeFacts {
  const prices = new Map(
    type.prices.map(({ location, price_monthly: monthly }) => [location, Number(monthly.net)]),
  );
  return {
    architecture: type.architecture,
    cpu: type.cpu_type,
    cores: type.cores,
    memoryGibibytes: type.memory,
    diskGigabytes: type.disk,
    monthlyEuros: Object.fromEntries(type.locations.map(({ name }) => [name, prices.get(name) ?? null])),
  };
}

/** Writes the file. Returns the differences between the two, one line each. */
export function writeServerTypes(projectDir: string, before: ServerTypeFile, after: ServerTypeFile): string {
  writeFileSync(
    join(projectDir, "components/host/server-types.json"),
    `${JSON.stringify(after, undefined, 2)}\n`,
  );
  const names = Object.keys(after.serverTypes);
  const changes = names.flatMap((name) => {
    const [old, now] = [before.serverTypes[name], after.serverTypes[name]];
    if (JSON.stringify(old) === JSON.stringify(now)) return [];
    return [`${old === undefined ? "new" : "changed"}: ${name} ${JSON.stringify(now)}`];
  });
  return [`${names.length} server types of ${after.date}`, ...changes].join("\n");
}
