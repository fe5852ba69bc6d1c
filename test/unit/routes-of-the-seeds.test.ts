import { describe, expect, test } from "vitest";
import { missingFeatures } from "../../components/edge/kinds.ts";
import { renderLimits, renderLocations, renderUpstream } from "../../components/edge/nginx/render-routes.ts";
import { type Route, routeProblems } from "../../components/edge/route.ts";
import { routesOfTheSeeds } from "./routes-of-the-seeds.ts";

/** Every route of the seeds, rendered by nginx: the location, its slot and port, and its special directives. */
const rendered: readonly [route: string, location: string, target: string, special: readonly string[]][] = [
  ["mfa app 0", "/", "slot_3000", ["proxy_read_timeout 60s"]],
  [
    "mfa app 1",
    "= /api/cache/invalidate",
    "slot_3000",
    ["allow 203.0.113.0/24", "deny all", "proxy_read_timeout 60s"],
  ],
  [
    "connected-repo api 0",
    "/",
    "slot_3000",
    ["limit_req zone=service_0 burst=199 nodelay", "limit_req_status 429", "proxy_read_timeout 60s"],
  ],
  ["sertantai frontend 0", "/", "slot_3000", ["proxy_read_timeout 60s"]],
  ["sertantai backend 0", "/api/", "slot_4000", ["proxy_read_timeout 60s"]],
  ["sertantai backend 1", "= /health", "slot_4000", ["proxy_read_timeout 60s"]],
  ["sertantai electric 0", "/electric/", "slot_3000/", ["proxy_buffering off", "proxy_read_timeout 86400s"]],
  ["sertantai auth 0", "/", "slot_4001", ['set $berth_ban_on "401"', "proxy_read_timeout 60s"]],
  ["sertantai enforcement 0", "/", "slot_4002", ["proxy_read_timeout 60s"]],
  ["gadgetbot app 0", "/", "slot_3000", ["proxy_read_timeout 60s"]],
  ["gadgetbot login 0", "/ui/v2/login", "slot_3000", ["proxy_read_timeout 60s"]],
];

const all = Object.entries(routesOfTheSeeds).flatMap(([system, services]) =>
  Object.entries(services).flatMap(([service, routes]) =>
    routes.map((route, index) => ({ name: `${system} ${service} ${index}`, route, routes, index })),
  ),
);
const known = (name: string) => {
  const found = all.find((one) => one.name === name);
  if (found === undefined) throw new Error(`the seeds have no route ${name}`);
  return found;
};
const speaksHttp2 = ({ protocol }: Route) => protocol === "h2c";

test("no route is left out", () => {
  const named = [...rendered.map(([name]) => name), "gadgetbot zitadel 0"];
  expect(all.map(({ name }) => name).toSorted()).toEqual(named.toSorted());
});

describe("nginx", () => {
  test.each(rendered)("%s is location %s and is proxied to %s", (name, location, target, special) => {
    const { route, routes, index } = known(name);
    expect([...routeProblems(route), ...missingFeatures("nginx", route)]).toEqual([]);
    const text = renderLocations("service", "slot", route.domain, routes);
    const block = text.split(/^(?=location )/m)[index] ?? "";
    expect(block).toMatch(`location ${location} {\n`);
    const directives = block.match(/(?<=^ {2}).*(?=;$)/gm) ?? [];
    expect(directives).toEqual(expect.arrayContaining([`proxy_pass http://${target}`, ...special]));
    // No special directive that the route does not require.
    const optional = /^(allow|deny|limit_req|set|proxy_buffering|proxy_read_timeout)/;
    expect(directives.filter((directive) => optional.test(directive)).toSorted()).toEqual(special.toSorted());
    expect(renderUpstream("slot", routes)).toContain(`server slot:${route.port} resolve`);
  });

  test("limits connected-repo's requests per minute", () => {
    expect(renderLimits("service", routesOfTheSeeds["connected-repo"]?.api ?? [])).toBe(
      "limit_req_zone $binary_remote_addr zone=service_0:10m rate=200r/m;\n",
    );
  });

  test("refuses Zitadel's HTTP/2, by name, and nothing else", () => {
    expect(all.filter(({ route }) => speaksHttp2(route)).map(({ name }) => name)).toEqual([
      "gadgetbot zitadel 0",
    ]);
    expect(missingFeatures("nginx", known("gadgetbot zitadel 0").route)).toEqual([
      "nginx cannot do the protocol h2c of the route gadgetbot-auth.vellandi.net/: it speaks HTTP/1.1 to services (HTTP/2 begins with nginx 1.29.4); " +
        "kinds that can: traefik",
    ]);
  });
});
