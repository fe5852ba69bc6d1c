import { readScript } from "../../host/command.ts";
import type { ProxyKind } from "../proxy-edge.ts";
import { challengesDirectory, checkPort, containerDirectory, renderMain, renderSite } from "./render-main.ts";
import { checkPaths, renderChecks, renderLimits, renderLocations, renderUpstream } from "./render-routes.ts";

const script = (name: string) => readScript(import.meta.url, `./scripts/${name}`);

/** nginx: a reload starts new workers, and the old ones end when they have nothing left to answer. */
export const nginx: ProxyKind = {
  kind: "nginx",
  containerDirectory,
  challengesDirectory,
  checkPort,
  functions: script("functions.sh"),
  configureScript: script("configure.sh"),
  configuredFiles: ["nginx.conf", "sites"],
  switchScript: script("switch.sh"),
  configuration: ({ sites, webSocketGraceSeconds, ipv6 }) => ({
    MAIN: renderMain(webSocketGraceSeconds, ipv6),
    ...Object.fromEntries(sites.map((site, index) => [`SITE_${index}`, renderSite(site, ipv6)])),
  }),
  routes: (slot, { service, routes, ipv6 }) => ({
    UPSTREAM: renderUpstream(slot, routes),
    LIMITS: renderLimits(service, routes, ipv6),
    CHECKS: renderChecks(slot, routes),
    CHECK_PATHS: checkPaths(slot, routes).join("\n"),
    ...Object.fromEntries(
      [...new Set(routes.map(({ domain }) => domain))].map((domain, index) => [
        `LOCATIONS_${index}`,
        renderLocations(service, slot, domain, routes, ipv6),
      ]),
    ),
  }),
  container: () => ({
    commands: ["nginx", "-c", `${containerDirectory}/nginx.conf`, "-g", "daemon off;"],
    healthcheck: {
      tests: ["CMD", "curl", "-fsS", "-o", "/dev/null", `http://127.0.0.1:${checkPort}/`],
      // Patient: Swarm stops what fails it, and a host that is busy for some seconds must not lose its edge for that.
      interval: "2s",
      timeout: "10s",
      retries: 10,
      startPeriod: "5s",
    },
  }),
};
