import { describe, expect, test } from "vitest";
import { renderMain, renderSite } from "../../components/edge/nginx/render-main.ts";
import { renderLimits, renderLocations } from "../../components/edge/nginx/render-routes.ts";
import { announceRestart } from "../../components/edge/restart.ts";
import { type Route, routeProblems } from "../../components/edge/route.ts";

const plain: Route = { domain: "app.example", path: "/api/", port: 8080, bodyLimitMebibytes: 10 };

/** The nginx directives that a route can change; undefined when absent. */
const ordinary: Readonly<Record<string, string | undefined>> = {
  location: "/api/",
  proxy_buffering: undefined,
  client_max_body_size: "10m",
  proxy_pass: "http://slot_8080",
  proxy_http_version: "1.1",
  proxy_connect_timeout: "2s",
  proxy_read_timeout: "60s",
  limit_req: undefined,
  allow: undefined,
  deny: undefined,
  set: undefined,
};

/** The directives of the one location of a route that it can change. */
function directives(route: Route): Record<string, string | undefined> {
  const text = renderLocations("service", "slot", route.domain, [route]);
  const location = /^location (.*) \{$/m.exec(text)?.[1];
  const found = [...text.matchAll(/^ {2}(\w+) (.*);$/gm)]
    .map(([, name = "", value]) => [name, value] as const)
    .filter(([name]) => name in ordinary);
  return { location, ...Object.fromEntries(found) };
}

describe("nginx renders", () => {
  const table: [what: string, route: Partial<Route>, changes: Record<string, string>][] = [
    ["a plain route", {}, {}],
    ["an exact path", { match: "exact", path: "/health" }, { location: "= /health" }],
    ["a prefix that is taken away", { stripPrefix: true }, { proxy_pass: "http://slot_8080/" }],
    ["a stream", { streaming: true }, { proxy_buffering: "off", proxy_read_timeout: "3600s" }],
    [
      "a stream that may be silent for a day",
      { streaming: true, readTimeoutSeconds: 86_400 },
      { proxy_buffering: "off", proxy_read_timeout: "86400s" },
    ],
    [
      "time-outs",
      { connectTimeoutSeconds: 5, readTimeoutSeconds: 300 },
      { proxy_connect_timeout: "5s", proxy_read_timeout: "300s" },
    ],
    ["HTTP/1.1 that is asked for", { protocol: "http/1.1" }, {}],
    ["a body limit", { bodyLimitMebibytes: 20 }, { client_max_body_size: "20m" }],
    [
      "a rate by the second",
      { rateLimit: { requestsPerSecond: 5, burst: 10 } },
      { limit_req: "zone=service_0 burst=10 nodelay" },
    ],
    [
      "a rate by the minute",
      { rateLimit: { requestsPerMinute: 200, burst: 50 } },
      { limit_req: "zone=service_0 burst=50 nodelay" },
    ],
    ["allowed clients", { allowFrom: ["203.0.113.7/32"] }, { allow: "203.0.113.7/32", deny: "all" }],
    ["nobody", { allowFrom: [] }, { deny: "all" }],
    ["responses that count as guessing", { banOn: [401, 404] }, { set: '$berth_ban_on "401,404"' }],
    ["another port", { port: 4000 }, { proxy_pass: "http://slot_4000" }],
  ];

  test.each(table)("%s", (_what, change, changes) => {
    expect(directives({ ...plain, ...change })).toEqual({ ...ordinary, ...changes });
  });

  test.each([
    [{ requestsPerSecond: 5, burst: 1 }, "5r/s"],
    [{ requestsPerMinute: 200, burst: 1 }, "200r/m"],
  ] as const)("%o as %s", (rateLimit, rate) => {
    expect(renderLimits("service", [{ ...plain, rateLimit }])).toBe(
      `limit_req_zone $binary_remote_addr zone=service_0:10m rate=${rate};\n`,
    );
  });

  test("a rate for all addresses of a client, where clients come over IPv6, in a zone of its own", () => {
    const route = { ...plain, rateLimit: { requestsPerSecond: 5, burst: 1 } };
    expect(renderLimits("service", [route], true)).toBe(
      "limit_req_zone $berth_client zone=service_0_64:10m rate=5r/s;\n",
    );
    expect(renderLocations("service", "slot", "app.example", [route], true)).toContain(
      "limit_req zone=service_0_64 burst=1 nodelay;",
    );
  });

  test("ports of both families where clients come over IPv6, and of one elsewhere", () => {
    const listens = (text: string) => [...text.matchAll(/listen (.*);/g)].map(([, at]) => at);
    const site = { domain: "app.example", headers: { hstsIncludeSubDomains: true, frames: "deny" } } as const;
    expect(listens(renderSite(site))).toEqual(["80", "443 ssl"]);
    expect(listens(renderSite(site, true))).toEqual(["80", "[::]:80", "443 ssl", "[::]:443 ssl"]);
    expect(listens(renderMain(30))).toEqual([
      "80 default_server",
      "443 ssl default_server",
      "127.0.0.1:8081",
    ]);
    expect(renderMain(30)).not.toContain('"network"');
    // Limits of before name it, when a host gives its IPv6 up.
    expect(renderMain(30)).toContain("$berth_client {");
    expect(listens(renderMain(30, true))).toEqual([
      "80 default_server",
      "[::]:80 default_server",
      "443 ssl default_server",
      "[::]:443 ssl default_server",
      "127.0.0.1:8081",
    ]);
  });

  test("WebSockets on every route", () => {
    expect(renderLocations("service", "slot", "app.example", [plain])).toContain(
      "  proxy_set_header Connection $berth_connection;\n  proxy_set_header Upgrade $http_upgrade;\n",
    );
  });
});

test.each<[Partial<Route>, string]>([
  [
    { path: "api" },
    'path: "api" is invalid; it begins with / and has letters, digits and . _ ~ @ : / - alone',
  ],
  [
    { path: "/a { }" },
    'path: "/a { }" is invalid; it begins with / and has letters, digits and . _ ~ @ : / - alone',
  ],
  [
    { path: "/health", match: "exact", stripPrefix: true },
    "stripPrefix: true is invalid with match exact; use it with a prefix that ends with /, as in /electric/",
  ],
  [
    { path: "/electric", stripPrefix: true },
    "stripPrefix: true is invalid with the path /electric; use it with a prefix that ends with /, as in /electric/",
  ],
  [
    { path: "/", stripPrefix: true },
    "stripPrefix: true is invalid with the path /; use it with a prefix that ends with /, as in /electric/",
  ],
  [{ bodyLimitMebibytes: 0 }, "bodyLimitMebibytes: 0 is invalid; use 1 or more"],
  [
    { rateLimit: { requestsPerMinute: 0.5, burst: 1 } },
    "rateLimit: 0.5 is invalid; use a whole number of requests, 1 or more",
  ],
])("the route %o is refused", (change, problem) => {
  expect(routeProblems({ ...plain, ...change })).toEqual([problem]);
});

describe("a restart of the edge is announced", () => {
  const stdin = (service: string, specification: string, script = "exit 0") =>
    `EDGE_DIRECTORY='/x'\nSERVICE='${service}'\nSPECIFICATION='${specification}'\n${script}\n`;
  const before = stdin("edge_nginx-1a2b3c4", "0123456789ab");
  const said = async (after: unknown) => {
    const warnings: string[] = [];
    const hook = announceRestart("main", async (message) => void warnings.push(message));
    const inputs = { urn: "", id: "", name: "", type: "", oldInputs: { stdin: before } };
    await hook({ ...inputs, newInputs: { stdin: after } });
    return warnings;
  };

  test.each([
    ["it is replaced, under a name that a preview does not know", undefined],
    ["it is replaced", stdin("edge_nginx-5d6e7f8", "0123456789ab")],
    ["it has another specification", stdin("edge_nginx-1a2b3c4", "ba9876543210")],
  ])("when %s", async (_what, after) => {
    expect(await said(after)).toEqual([
      expect.stringMatching(/^main: the edge restarts in this run; its ports 80 and 443 answer nobody for /),
    ]);
  });

  test("with the kind, where that changes", async () => {
    const kind = (text: string) => `EDGE_KIND=${text}\n`;
    const traefik = kind("traefik") + stdin("edge_traefik-1a2b3c4", "0123456789ab");
    expect(await said(traefik)).toEqual([
      expect.stringMatching(
        /^main: the edge becomes traefik instead of nginx in this run; ports 80 and 443 /,
      ),
    ]);
    expect(await said(kind("nginx") + before)).toEqual([]);
  });

  test("and not when only the script has changed", async () => {
    expect(await said(stdin("edge_nginx-1a2b3c4", "0123456789ab", "exit 1"))).toEqual([]);
  });
});
