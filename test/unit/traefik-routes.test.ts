import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Site } from "../../components/edge/edge.ts";
import { missingFeatures } from "../../components/edge/kinds.ts";
import { type Route, routeProblems } from "../../components/edge/route.ts";
import { checkPaths, renderChecks, renderRoutes } from "../../components/edge/traefik/routes.ts";
import { renderSites } from "../../components/edge/traefik/sites.ts";
import { renderStatic } from "../../components/edge/traefik/static.ts";
import { routesOfTheSeeds } from "./routes-of-the-seeds.ts";

interface Router {
  readonly rule: string;
  readonly priority?: number;
  readonly entryPoints: readonly string[];
  readonly middlewares: readonly string[];
  readonly service: string;
  readonly tls?: object;
}
interface Dynamic {
  readonly http: {
    readonly routers: Readonly<Record<string, Router>>;
    readonly middlewares?: Readonly<Record<string, object>>;
    readonly services: Readonly<
      Record<string, { loadBalancer: { servers: { url: string }[]; serversTransport: string } }>
    >;
    readonly serversTransports: Readonly<Record<string, object>>;
  };
}
const dynamic = (text: string) => (JSON.parse(text) as Dynamic).http;

const plain: Route = { domain: "app.example", path: "/api/", port: 8080, bodyLimitMebibytes: 10 };

/** The parts of Traefik's configuration that a route can change. */
function told(route: Route) {
  const {
    routers,
    middlewares = {},
    services,
    serversTransports,
  } = dynamic(renderRoutes("service", "slot", [route]));
  const [[name, router] = ["", undefined]] = Object.entries(routers).filter(
    ([key]) => !key.endsWith("_slash"),
  );
  const own = Object.entries(middlewares).filter(([key]) => !key.endsWith("_slash"));
  return {
    name,
    rule: router?.rule,
    again: router?.middlewares.includes("connect"),
    ...Object.fromEntries(own.map(([key, value]) => [key.replace("service_0_", ""), value])),
    url: services.slot_0?.loadBalancer.servers[0]?.url,
    ...serversTransports.slot_0,
  };
}

test("a rate is one for all addresses of a client, where clients come over IPv6", () => {
  const route = { ...plain, rateLimit: { requestsPerSecond: 5, burst: 1 } };
  const rateOf = (ipv6: boolean) =>
    dynamic(renderRoutes("service", "slot", [route], ipv6)).middlewares?.service_0_rate;
  const rateLimit = { average: 5, period: "1s", burst: 2 };
  expect(rateOf(false)).toEqual({ rateLimit });
  const sourceCriterion = { ipStrategy: { ipv6Subnet: 64 } };
  expect(rateOf(true)).toEqual({ rateLimit: { ...rateLimit, sourceCriterion } });
});

const ordinary = {
  name: "service_0",
  rule: "Host(`app.example`) && PathPrefix(`/api/`)",
  again: true,
  body: { plugin: { berth: { maxBodyBytes: 10 * 1024 * 1024, collect: true } } },
  url: "http://slot:8080",
  maxIdleConnsPerHost: -1,
  forwardingTimeouts: { dialTimeout: "2s", responseHeaderTimeout: "60s" },
};

describe("Traefik's configuration", () => {
  const timeouts = (dial: number, header: number) => ({
    forwardingTimeouts: { dialTimeout: `${dial}s`, responseHeaderTimeout: `${header}s` },
  });
  const table: [what: string, route: Partial<Route>, changes: object][] = [
    ["a plain route", {}, {}],
    [
      "an exact path",
      { match: "exact", path: "/health" },
      { rule: "Host(`app.example`) && Path(`/health`)" },
    ],
    [
      "a prefix that is taken away",
      { stripPrefix: true },
      { strip: { stripPrefix: { prefixes: ["/api"] } } },
    ],
    ["a stream", { streaming: true }, timeouts(2, 3600)],
    [
      "a stream that may be silent for a day",
      { streaming: true, readTimeoutSeconds: 86_400 },
      timeouts(2, 86_400),
    ],
    ["time-outs", { connectTimeoutSeconds: 5, readTimeoutSeconds: 300 }, timeouts(5, 300)],
    [
      "HTTP/2 in clear text, whose bodies may be sent while it answers, over one connection that is watched, and never twice",
      { protocol: "h2c" },
      {
        url: "h2c://slot:8080",
        again: false,
        forwardingTimeouts: {
          ...timeouts(2, 60).forwardingTimeouts,
          ...{ readIdleTimeout: "5s", pingTimeout: "5s" },
        },
        body: { plugin: { berth: { maxBodyBytes: 10 * 1024 * 1024, collect: false } } },
      },
    ],
    [
      "a rate by the second",
      { rateLimit: { requestsPerSecond: 5, burst: 10 } },
      { rate: { rateLimit: { average: 5, period: "1s", burst: 11 } } },
    ],
    [
      "a rate by the minute",
      { rateLimit: { requestsPerMinute: 200, burst: 50 } },
      { rate: { rateLimit: { average: 200, period: "1m", burst: 51 } } },
    ],
    [
      "who may ask",
      { allowFrom: ["203.0.113.7/32"] },
      { from: { ipAllowList: { sourceRange: ["203.0.113.7/32"] } } },
    ],
    ["nobody", { allowFrom: [] }, { from: { ipAllowList: { sourceRange: ["0.0.0.0/32"] } } }],
    [
      "what counts as guessing, in the router's name, which its log has",
      { banOn: [401, 404] },
      { name: "service_0_ban_401_404" },
    ],
    ["another port", { port: 4000 }, { url: "http://slot:4000" }],
  ];

  test.each(table)("%s", (_what, change, changes) => {
    expect(told({ ...plain, ...change })).toEqual({ ...ordinary, ...changes });
  });
});

test("every route of the seeds can be rendered, with all referenced objects", () => {
  for (const routes of Object.values(routesOfTheSeeds).flatMap((services) => Object.values(services))) {
    for (const route of routes) {
      expect([...routeProblems(route), ...missingFeatures("traefik", route)]).toEqual([]);
    }
    whole(routes);
  }
});

/** All references resolve within the files of a service and of the sites. */
function whole(routes: readonly Route[]): void {
  const headers = { hstsIncludeSubDomains: true, frames: "deny" } as const;
  const sites: Site[] = [...new Set(routes.map(({ domain }) => domain))].map((domain) => ({
    domain,
    headers,
  }));
  const site = dynamic(renderSites(sites));
  const served = dynamic(renderRoutes("service", "slot", routes));
  const checked = dynamic(renderChecks("service", "slot", routes));
  const middlewares = [site, served, checked].flatMap((part) => Object.keys(part.middlewares ?? {}));
  for (const part of [served, checked]) {
    for (const { service, middlewares: used } of Object.values(part.routers)) {
      expect(Object.keys(part.services)).toContain(service);
      expect(middlewares).toEqual(expect.arrayContaining([...used]));
    }
    for (const { loadBalancer } of Object.values(part.services)) {
      expect(Object.keys(part.serversTransports)).toContain(loadBalancer.serversTransport);
    }
  }
  // The two are loaded at the same time.
  for (const kind of ["routers", "services", "serversTransports"] as const) {
    const names = [served, checked].flatMap((part) => Object.keys(part[kind]));
    expect(new Set(names).size).toBe(names.length);
  }
  for (const router of Object.values(served.routers)) {
    expect(router).toMatchObject({ entryPoints: ["https"], tls: {} });
  }
  for (const router of Object.values(checked.routers)) expect(router.entryPoints).toEqual(["check"]);
  const paths = Object.values(checked.routers).map(({ rule }) => rule);
  for (const path of checkPaths("slot", routes)) expect(paths).toContain(`Path(\`${path}\`)`);
}

const segment = fc.stringMatching(/^[A-Za-z0-9._~@:-]{1,8}$/);
const anyPath = fc
  .tuple(fc.array(segment, { maxLength: 4 }), fc.boolean())
  .map(([parts, slash]) => `/${parts.join("/")}${slash && parts.length > 0 ? "/" : ""}`);
const anyRoute: fc.Arbitrary<Route> = fc
  .record({
    path: anyPath,
    exact: fc.boolean(),
    port: fc.integer({ min: 1, max: 65_535 }),
    protocol: fc.constantFrom("http/1.1", "h2c"),
    bodyLimitMebibytes: fc.integer({ min: 1, max: 500 }),
  })
  .map(({ exact, protocol, ...rest }) => ({
    domain: "app.example",
    ...rest,
    protocol: protocol as "http/1.1" | "h2c",
    ...(exact ? { match: "exact" as const } : {}),
  }));

/** The documented meaning of routes: the exact path, otherwise the longest prefix. */
function meant(routes: readonly Route[], path: string): Route | undefined {
  return (
    routes.find((route) => route.match === "exact" && route.path === path) ??
    routes
      .filter((route) => route.match !== "exact" && path.startsWith(route.path))
      .toSorted((one, two) => two.path.length - one.path.length)[0]
  );
}

/** Traefik's evaluation of the rendered rules: the first match by priority. */
function chosen(routes: readonly Route[], path: string): string | undefined {
  const { routers } = dynamic(renderRoutes("service", "slot", routes));
  return Object.entries(routers)
    .toSorted(([, one], [, two]) => (two.priority ?? 0) - (one.priority ?? 0))
    .find(([, { rule }]) => {
      const [, matcher, value = ""] = /&& (Path|PathPrefix)\(`([^`]*)`\)$/.exec(rule) ?? [];
      return matcher === "Path" ? path === value : path.startsWith(value);
    })?.[0];
}

test("a request is routed by the documented meaning, whatever other routes exist", () => {
  fc.assert(
    fc.property(
      fc.uniqueArray(anyRoute, { selector: ({ path, match }) => `${match} ${path}`, maxLength: 6 }),
      anyPath,
      (routes, more) => {
        whole(routes);
        for (const path of [more, ...routes.map((route) => route.path + more.slice(1))]) {
          const route = meant(routes, path);
          const name = chosen(routes, path);
          // The path of a prefix without its last slash is redirected, unless a route is for it alone or for as long a prefix.
          const redirected = routes.findIndex(
            ({ match, path: prefix }) => match !== "exact" && prefix === `${path}/`,
          );
          const own = route !== undefined && route.path === path;
          const expected =
            redirected !== -1 && !own
              ? `service_${redirected}_slash`
              : route && `service_${routes.indexOf(route)}`;
          expect(name).toBe(expected);
        }
      },
    ),
  );
});

test("clients cannot reach the edge's own endpoints: API and health listen on loopback", () => {
  const { entryPoints, api, ping, providers } = JSON.parse(renderStatic());
  expect(Object.keys(entryPoints)).toEqual(["http", "https", "check"]);
  expect(entryPoints.check.address).toBe("127.0.0.1:8081");
  expect([api, ping]).toEqual([{ dashboard: false }, { entryPoint: "check" }]);
  expect(Object.keys(providers).toSorted()).toEqual(["file", "providersThrottleDuration"]);
  const { routers } = dynamic(renderSites([]));
  const internal = Object.values(routers).filter(({ service }) => service === "api@internal");
  expect(internal.map((router) => router.entryPoints)).toEqual([["check"]]);
});

test.each([
  ["deny", "DENY"],
  ["sameOrigin", "SAMEORIGIN"],
  ["everybody", undefined],
] as const)("pages that %s may show in a frame", (frames, value) => {
  const headers = { hstsIncludeSubDomains: false, frames };
  const { middlewares = {} } = dynamic(renderSites([{ domain: "app.example", headers }]));
  const { headers: rendered } = middlewares["headers_app.example"] as { headers: Record<string, unknown> };
  expect(rendered.customFrameOptionsValue).toBe(value);
  expect(rendered.stsIncludeSubdomains).toBe(false);
});
