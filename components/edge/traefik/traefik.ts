import { hostPaths } from "../../host/paths.ts";
import { readScript } from "../../host/script.ts";
import type { ProxyKind } from "../proxy-edge.ts";
import {
  challengesDirectory,
  checkPort,
  containerDirectory,
  pluginDirectory,
  pluginModule,
} from "./parts.ts";
import { checkPaths, renderChecks, renderRoutes } from "./routes.ts";
import { renderSites } from "./sites.ts";
import { digestOf, renderStatic } from "./static.ts";

const script = (name: string) => readScript(import.meta.url, `./scripts/${name}`);
const file = (name: string) => readScript(import.meta.url, `./container/${name}`);

/** What says to Traefik what the plugin is: https://plugins.traefik.io/create, "Plugin manifest". */
const manifest = `displayName: ${pluginModule}
type: middleware
import: ${pluginModule}
summary: What a route may ask for and Traefik has no middleware for.
testData: { refuse: 404 }
`;

/** Files of the folder that the container reads when it starts, by path. */
const atStart = (ipv6: boolean): Readonly<Record<string, string>> => ({
  "traefik.yml": renderStatic(),
  "start.sh": file("start.sh"),
  "log.awk": (ipv6 ? file("network.awk") : "") + file("log.awk"),
  [`plugins/src/${pluginModule}/edge.go`]: file("edge.go"),
  [`plugins/src/${pluginModule}/.traefik.yml`]: manifest,
});

/**
 * Traefik: takes a new file of its folder by itself and cuts off nothing. It keeps no connection to a service for the next request, so
 * what is still open to a slot's tasks is what the old slot has to be kept for.
 */
export const traefik: ProxyKind = {
  kind: "traefik",
  containerDirectory,
  challengesDirectory,
  checkPort,
  functions: script("functions.sh"),
  configureScript: script("configure.sh"),
  configuredFiles: [...Object.keys(atStart(false)), "dynamic/sites.yml"],
  switchScript: script("switch.sh"),
  configuration: ({ sites, ipv6 }) => ({
    SITES: renderSites(sites),
    FILES: Object.keys(atStart(ipv6)).join("\n"),
    ...Object.fromEntries(Object.values(atStart(ipv6)).map((content, index) => [`FILE_${index}`, content])),
  }),
  routes: (slot, { service, routes, ipv6 }) => ({
    ROUTES: renderRoutes(service, slot, routes, ipv6),
    CHECKS: renderChecks(service, slot, routes, ipv6),
    CHECK_PATHS: checkPaths(slot, routes).join("\n"),
  }),
  container: (ipv6) => ({
    commands: ["sh", `${containerDirectory}/start.sh`],
    // Another start is another task.
    env: { BERTH_FILES: digestOf(...Object.values(atStart(ipv6))) },
    // A connection for each request: one that is over must not keep its port for a minute (kernel, ip-sysctl, tcp_tw_reuse).
    sysctl: { "net.ipv4.tcp_tw_reuse": "1" },
    healthcheck: {
      tests: ["CMD", "traefik", "healthcheck", `--configFile=${containerDirectory}/traefik.yml`],
      // As patient as nginx'.
      interval: "2s",
      timeout: "10s",
      retries: 10,
      startPeriod: "5s",
    },
    mounts: [{ type: "bind", source: `${hostPaths.edge}/plugins`, target: pluginDirectory, readOnly: true }],
  }),
};
