import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import type { LabHome } from "../home.ts";
import type { Machines } from "../machine/types.ts";
import type { Progress } from "../progress.ts";
import { actionRoutes } from "./actions.ts";
import { datacenters, images, locations, pricing, serverTypes } from "./catalogue.ts";
import { createCloudCore } from "./cloud.ts";
import { serveDns } from "./dns.ts";
import { notFound } from "./errors.ts";
import { firewallRoutes } from "./firewalls.ts";
import { createListener } from "./http.ts";
import { primaryIpRoutes } from "./primary-ips.ts";
import { createRouter, listPage, ok, type Routes } from "./router.ts";
import { rrsetRoutes } from "./rrsets.ts";
import { serverActionRoutes } from "./server-actions.ts";
import { reconcile } from "./server-power.ts";
import { serverRoutes } from "./servers.ts";
import { sshKeyRoutes } from "./ssh-keys.ts";
import { openStore } from "./state.ts";
import { volumeRoutes } from "./volumes.ts";
import { zoneRoutes } from "./zones.ts";

interface CloudOptions {
  readonly machines: Machines;
  readonly home: LabHome;
  /** JSON file, replaced on every change; an existing one is loaded. */
  readonly stateFile: string;
  /** The project's API token: 64 characters, as Hetzner's. */
  readonly token: string;
  /** Where the API listens; port 0 selects a free port. */
  readonly listen: { readonly host: string; readonly port: number };
  /** Where the zones answer DNS queries (UDP and TCP); machines ask port 53 of the lab's gateway. None when left out. */
  readonly dns?: { readonly host: string; readonly port: number };
  readonly progress?: Progress;
}

export interface RunningCloud {
  /** Base address of the API, with `/v1`: the provider's `endpoint`. */
  readonly url: string;
  /** `host:port` of the DNS server, if one was started. */
  readonly dnsAddress?: string;
  close(): Promise<void>;
}

function catalogue<T extends { id: number; name: string }>(
  path: string,
  key: string,
  items: readonly T[],
  keep: (item: T, query: URLSearchParams) => boolean = () => true,
): Routes {
  return {
    [`GET /${path}`]: ({ query }) =>
      listPage(
        path,
        items.filter((item) => keep(item, query)),
        query,
      ),
    [`GET /${path}/:id`]: ({ params }) => {
      const found = items.find((item) => String(item.id) === params.id);
      if (!found) {
        throw notFound(key, params.id ?? "");
      }
      return ok({ [key]: found });
    },
  };
}

/**
 * Starts the lab's Hetzner Cloud: the API v1 over HTTP with its own state, whose servers are the lab's machines. First
 * makes the machines match the state, so that a cloud that was killed continues from there.
 * Throws when the token is not 64 characters long, the port is taken or a machine cannot be restored.
 */
export async function createCloud(options: CloudOptions): Promise<RunningCloud> {
  if (!/^[A-Za-z0-9]{64}$/.test(options.token)) {
    throw new Error("the cloud's token must be 64 letters and digits, as Hetzner's are");
  }
  const store = openStore(options.stateFile);
  const cloud = createCloudCore(store, options.machines, options.home, options.progress);
  await reconcile(cloud);
  const router = createRouter([
    serverRoutes(cloud),
    serverActionRoutes(cloud),
    sshKeyRoutes(cloud),
    firewallRoutes(cloud),
    primaryIpRoutes(cloud),
    volumeRoutes(cloud),
    zoneRoutes(cloud),
    rrsetRoutes(cloud),
    catalogue("server_types", "server_type", serverTypes),
    catalogue("locations", "location", locations),
    catalogue("datacenters", "datacenter", datacenters),
    catalogue("images", "image", images, (image, query) => {
      const architectures = query.getAll("architecture");
      return architectures.length === 0 || architectures.includes(image.architecture);
    }),
    { "GET /pricing": () => ok({ pricing: pricing() }) },
    actionRoutes(cloud),
  ]);
  const server = createServer(createListener(cloud, router, options.token));
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(options.listen.port, options.listen.host, resolve);
  });
  const { port } = server.address() as AddressInfo;
  const stop = async () => {
    server.closeAllConnections();
    await new Promise<void>((resolve) => server.close(() => resolve()));
  };
  const dns = options.dns
    ? await serveDns(cloud, options.dns).catch(async (error: unknown) => {
        await stop();
        throw error;
      })
    : undefined;
  return {
    url: `http://${options.listen.host}:${port}/v1`,
    ...(dns ? { dnsAddress: dns.address } : {}),
    async close() {
      await dns?.close();
      await stop();
      await cloud.settled();
    },
  };
}
