import { request } from "node:https";
import { join } from "node:path";
import type { Duplex } from "node:stream";
import type Dockerode from "dockerode";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type EdgeKind, missingFeatures } from "../../components/edge/kinds.ts";
import type { Route } from "../../components/edge/route.ts";
import { edgeRefusal } from "../../components/host/fail2ban.ts";
import { askEdge, askEdgeInClear } from "./edge-client.ts";
import { challenge, domain, edges, other, type RunningEdge, type StartEdge } from "./edge-starts.ts";
import { type ImageLab, openImages } from "./image-containers.ts";
import { traefikLeftOut } from "./traefik.ts";
import { until } from "./until.ts";

/**
 * What a route means, asked of the real edge in front of a server: one table, to which every kind of edge is held. The requests come
 * from the lab network's own address.
 */

const plain = { domain, path: "/", port: 3000, bodyLimitMebibytes: 1 } as const;
/** Port on which nobody listens. */
const nobody = 9;
/** A service's container on the lab's network. */
const containerOf = (service: string) => `test-edge-routes-${service}`;

/** Routes by service, which is the name of its container too. */
const services = (kind: EdgeKind, client: string): Readonly<Record<string, readonly Route[]>> => ({
  frontend: [
    plain,
    { ...plain, path: "/closed/", allowFrom: ["203.0.113.0/24"] },
    { ...plain, path: "/open/", allowFrom: [`${client}/32`] },
    { ...plain, path: "/slow/", readTimeoutSeconds: 1 },
    { ...plain, path: "/upload/", bodyLimitMebibytes: 20 },
    { ...plain, path: "/second/", rateLimit: { requestsPerSecond: 1, burst: 4 } },
    { ...plain, path: "/minute/", rateLimit: { requestsPerMinute: 1, burst: 4 } },
    { ...plain, path: "/status/", banOn: [401] },
  ],
  backend: [
    { ...plain, path: "/api/", port: 4000 },
    { ...plain, path: "/health", match: "exact", port: 4001 },
    { ...plain, path: "/electric/", port: 4000, stripPrefix: true, streaming: true },
    ...[{ ...plain, path: "/h2c/", port: 5000, protocol: "h2c" } as const].filter(
      (route) => missingFeatures(kind, route).length === 0,
    ),
  ],
  auth: [
    { ...plain, domain: other },
    // Nothing listens there, as while a service that may not run twice is released.
    { ...plain, domain: other, path: "/away/", port: nobody },
    { ...plain, domain: other, path: "/paused/", port: nobody, pausesForReleases: true },
    { ...plain, domain: other, path: "/pausing/", readTimeoutSeconds: 1, pausesForReleases: true },
  ],
});

let address: string;
const ask = (host: string, path: string, options?: Parameters<typeof askEdge>[3]) =>
  askEdge(address, host, path, options);
const askInClear = (host: string, path: string) => askEdgeInClear(address, host, path);

const kinds = (Object.entries(edges) as [EdgeKind, StartEdge][]).filter(
  ([kind]) => kind !== "traefik" || traefikLeftOut === undefined,
);

describe.each(kinds)("%s", (kind, start) => {
  let images: ImageLab;
  let edge: RunningEdge;
  let began = 0;
  const targets: Dockerode.Container[] = [];

  beforeAll(async () => {
    images = await openImages("edge-routes");
    const routes = services(kind, images.home.gateway);
    const image = await images.pull("nginx", "1.28.3");
    for (const [name, list] of Object.entries(routes)) {
      const ports = [
        ...new Set(
          list
            .filter(({ port }) => port !== nobody)
            .map(({ port, protocol }) => `${port}${protocol === "h2c" ? "/h2c" : ""}`),
        ),
      ];
      targets.push(
        await images.start(image, {
          name: containerOf(name),
          Entrypoint: ["/node", "/target.ts", name, ...ports],
          HostConfig: {
            Binds: [
              `${process.execPath}:/node:ro`,
              `${join(import.meta.dirname, "edge-target.ts")}:/target.ts:ro`,
            ],
          },
        }),
      );
    }
    began = Date.now();
    edge = await start(
      images,
      Object.fromEntries(Object.entries(routes).map(([name, list]) => [containerOf(name), list])),
    );
    address = edge.address;
    for (const host of [domain, other]) {
      await until(`the edge serves ${host}`, 20, async () =>
        (await ask(host, "/")).status === 200 ? true : undefined,
      );
    }
    await until("the edge serves the backend", 20, async () =>
      (await ask(domain, "/api/")).status === 200 ? true : undefined,
    );
    console.info(`${kind} serves ${Date.now() - began} ms after its start`);
  });
  afterAll(() => images?.close());

  test.each<[path: string, host: string, service: string, port: number, seen: string]>([
    ["/", domain, "frontend", 3000, "/"],
    ["/some/page?of=it", domain, "frontend", 3000, "/some/page?of=it"],
    ["/", other, "auth", 3000, "/"],
    ["/api/v1/laws", domain, "backend", 4000, "/api/v1/laws"],
    ["/apis", domain, "frontend", 3000, "/apis"],
    ["/health", domain, "backend", 4001, "/health"],
    ["/health?deep=1", domain, "backend", 4001, "/health?deep=1"],
    ["/health/more", domain, "frontend", 3000, "/health/more"],
    ["/healthy", domain, "frontend", 3000, "/healthy"],
    ["/health", other, "auth", 3000, "/health"],
    ["/electric/v1/shape?table=laws&offset=-1", domain, "backend", 4000, "/v1/shape?table=laws&offset=-1"],
    ["/electric/electric/x", domain, "backend", 4000, "/electric/x"],
    ["/open/x", domain, "frontend", 3000, "/open/x"],
  ])("%s of %s is asked of %s at port %d as %s", async (path, host, service, port, seen) => {
    const { status, body } = await ask(host, path);
    expect(status).toBe(200);
    expect(JSON.parse(body)).toMatchObject({ name: service, port, path: seen });
  });

  test("the service sees the client and its host, not what the client says", async () => {
    const forged = {
      host: domain,
      "x-forwarded-for": "203.0.113.9",
      "x-real-ip": "203.0.113.9",
      "x-forwarded-host": "elsewhere.example",
      "x-forwarded-proto": "http",
      forwarded: "for=203.0.113.9",
    };
    const { body } = await ask(domain, "/", { headers: forged });
    const { headers } = JSON.parse(body) as { headers: Record<string, string> };
    expect(headers).toMatchObject({
      host: domain,
      "x-forwarded-proto": "https",
      "x-forwarded-host": domain,
      "x-forwarded-for": images.home.gateway,
      "x-real-ip": images.home.gateway,
    });
    expect(headers.forwarded).toBeUndefined();
  });

  test.each([
    ["/closed/x", [403]],
    ["/cl%6fsed/x", [403]],
    ["//closed/x", [403]],
    ["/open/../closed/x", [403]],
    // nginx decodes it, Traefik refuses it: neither hands on what a service could take for the prefix.
    ["/closed%2Fx", kind === "nginx" ? [403] : [400]],
  ])("what is not for this client is refused at %s with %o", async (path, allowed) => {
    expect(allowed).toContain((await ask(domain, path)).status);
  });

  test("a prefix without its last slash leads to the one with it", async () => {
    const { status, headers } = await ask(domain, "/upload?of=it");
    expect(status).toBe(301);
    expect(headers.location).toBe(`https://${domain}/upload/?of=it`);
  });

  test("an unknown host is not answered, by HTTP neither", async () => {
    await expect(ask("unknown.example", "/")).rejects.toThrow();
    await expect(askInClear("unknown.example", "/")).rejects.toThrow("socket hang up");
  });

  test("another host than the one of the connection is not found", async () => {
    expect((await ask(domain, "/", { headers: { host: "unknown.example" } })).status).toBe(404);
  });

  test("HTTP leads to HTTPS", async () => {
    expect(await askInClear(domain, "/some/page?of=it")).toMatchObject({
      status: 301,
      location: `https://${domain}/some/page?of=it`,
    });
  });

  test("an authority gets the answer to its challenge, and no other file", async () => {
    const at = "/.well-known/acme-challenge/";
    expect(await askInClear(domain, at + challenge)).toMatchObject({ status: 200, body: "the answer" });
    expect((await askInClear(domain, `${at}another`)).status).toBe(404);
    expect((await askInClear(domain, `${at}../../../../../etc/hostname`)).status).not.toBe(200);
    expect((await askInClear(domain, `${at}..%2f..%2f..%2f..%2fetc/hostname`)).status).not.toBe(200);
  });

  test.each([
    ["/", 200],
    ["/closed/x", 403],
    ["/status/404", 404],
  ])("every answer has the domain's headers: %s with %d", async (path, expected) => {
    const { status, headers } = await ask(domain, path);
    expect(status).toBe(expected);
    expect(headers).toMatchObject({
      "strict-transport-security": "max-age=31536000; includeSubDomains",
      "x-content-type-options": "nosniff",
      "x-frame-options": "DENY",
      "referrer-policy": "strict-origin-when-cross-origin",
    });
  });

  test("a request that its service got is never sent again", async () => {
    const before = JSON.parse((await ask(domain, "/")).body) as { vanished: number };
    expect((await ask(domain, "/vanish", { body: Buffer.from("once") })).status).toBe(502);
    expect(JSON.parse((await ask(domain, "/")).body)).toMatchObject({ vanished: before.vanished + 1 });
  });

  if (missingFeatures(kind, { ...plain, protocol: "h2c" }).length === 0) {
    test("HTTP/2 in clear text reaches the service", async () => {
      const { status, body } = await ask(domain, "/h2c/x", { body: Buffer.alloc(1000) });
      expect(status).toBe(200);
      expect(JSON.parse(body)).toMatchObject({ path: "/h2c/x", bytes: 1000, httpVersion: "2.0" });
    });

    // Behind Traefik's retry middleware, one of some 200 is empty.
    test("every one of 600 answers over HTTP/2 is the service's own", async () => {
      for (let round = 0; round < 50; round += 1) {
        const replies = await Promise.all(Array.from({ length: 12 }, () => ask(domain, "/h2c/x")));
        for (const { status, body } of replies)
          expect([status, body]).toEqual([200, expect.stringMatching(/^{/)]);
      }
    });
  }

  test("a client that asks before it sends is refused before it has sent", async () => {
    const headers = { host: domain, expect: "100-continue", "content-length": String(30 * 1024 * 1024) };
    const status = await new Promise<number>((resolve, reject) => {
      const sent = request({
        ...{ host: address, servername: domain, path: "/upload/x", method: "POST", agent: false },
        ...{ rejectUnauthorized: false, timeout: 5000, headers },
      });
      sent.on("continue", () => reject(new Error("it was told to go on")));
      sent.on("response", (response) => {
        resolve(response.statusCode ?? 0);
        sent.destroy();
      });
      sent.on("timeout", () => sent.destroy(new Error("no answer within 5 s")));
      sent.on("error", reject);
      sent.flushHeaders();
    });
    expect(status).toBe(413);
  });

  test.each([
    ["/page", 1024 * 1024, 200],
    ["/page", 1024 * 1024 + 1, 413],
    ["/upload/page", 20 * 1024 * 1024, 200],
    ["/upload/page", 20 * 1024 * 1024 + 1, 413],
  ])("a body at %s of %d bytes is %d", async (path, size, expected) => {
    const { status, body } = await ask(domain, path, { body: Buffer.alloc(size) });
    expect(status).toBe(expected);
    if (expected === 200) expect(JSON.parse(body)).toMatchObject({ bytes: size });
  });

  test.each([
    ["/page", 1024 * 1024 - 1, 200],
    ["/page", 1024 * 1024 + 1, 413],
    ["/upload/page", 20 * 1024 * 1024, 200],
    ["/upload/page", 20 * 1024 * 1024 + 1, 413],
  ])("a body at %s that does not say its size, %d bytes, is %d", async (path, size, expected) => {
    const headers = { host: domain, "transfer-encoding": "chunked" };
    const { status, body } = await ask(domain, path, { body: Buffer.alloc(size), headers });
    expect(status).toBe(expected);
    if (expected === 200) expect(JSON.parse(body)).toMatchObject({ bytes: size });
  });

  test("a stream's first line comes when it is sent", async () => {
    const { body, partsMs } = await ask(domain, "/electric/stream");
    expect(body).toBe("first\nsecond\n");
    expect(partsMs).toHaveLength(2);
    expect(partsMs[0]).toBeLessThan(900);
    expect(partsMs[1]).toBeGreaterThan(950);
  });

  test("silence that is longer than the route's time-out is 504, and less is not", async () => {
    expect((await ask(domain, "/slow/silent/2")).status).toBe(504);
    expect((await ask(domain, "/silent/2")).status).toBe(200);
  });

  test("a service that pauses for its releases is unavailable meanwhile, and no other one is", async () => {
    expect((await ask(other, "/away/x")).status).toBe(502);
    const paused = await ask(other, "/paused/x");
    expect(paused.status).toBe(503);
    expect(paused.headers["retry-after"]).toBe(kind === "nginx" ? "5" : undefined);
    expect(paused.headers["strict-transport-security"]).toContain("max-age=");
    const answered = await ask(other, "/pausing/x");
    expect(answered).toMatchObject({ status: 200 });
    expect(answered.headers["retry-after"]).toBeUndefined();
    expect((await ask(other, "/pausing/silent/2")).status).toBe(504);
    expect((await ask(other, "/pausing/status/500")).status).toBe(500);
    expect((await ask(other, "/pausing/vanish")).status).toBe(kind === "nginx" ? 502 : 503);
  });

  test.each(["/second/", "/minute/"])("requests of one client beyond %s's burst get 429", async (path) => {
    const statuses: number[] = [];
    for (let count = 0; count < 8; count += 1) statuses.push((await ask(domain, path)).status);
    expect(statuses.slice(0, 5)).toEqual([200, 200, 200, 200, 200]);
    expect(statuses).toContain(429);
    expect((await ask(domain, "/")).status).toBe(200);
  });

  test("a minute's rate gives back none within two seconds, a second's does", async () => {
    await new Promise((resolve) => setTimeout(resolve, 2100));
    expect((await ask(domain, "/second/")).status).toBe(200);
    expect((await ask(domain, "/minute/")).status).toBe(429);
  });

  test("an answer counts as guessing where the route says so, and nowhere else", async () => {
    expect((await ask(domain, "/status/401?key=secret")).status).toBe(401);
    expect((await ask(domain, "/status/404")).status).toBe(404);
    expect((await ask(other, "/status/401")).status).toBe(401);
    const entries = (text: string) =>
      text
        .split("\n")
        .filter((line) => line.includes("/status/"))
        .map((line) => JSON.parse(line.slice(line.indexOf('{"'))) as Record<string, unknown>);
    await until("everything is logged", 10, async () =>
      entries(await edge.log()).some(({ host }) => host === other) ? true : undefined,
    );
    const known = { client: images.home.gateway, method: "GET", path: "/status/401" };
    expect(entries(await edge.refused())).toEqual([
      expect.objectContaining({ ...known, status: 401, host: domain }),
    ]);
    expect(entries(await edge.log())).toContainEqual(
      expect.objectContaining({ ...known, status: 401, host: other }),
    );
  });

  test("what the edge refused is what fail2ban's expression fits, and nothing that was served", async () => {
    const lines = (await edge.refused()).split("\n").filter((line) => line.includes('"client"'));
    const expression = new RegExp(edgeRefusal.replace("<ADDR>", "(?<address>[0-9a-f.:]+)"));
    const found = lines.map((line) => expression.exec(`main edge: ${line.slice(line.indexOf('{"'))}`));
    expect(found.length).toBeGreaterThan(1);
    for (const match of found) expect(match?.groups?.address).toBe(images.home.gateway);
    const statuses = lines.map((line) => Number(/"status":(\d+)/.exec(line)?.[1]));
    expect(new Set(statuses)).toEqual(new Set([401, 403]));
  });

  test.each(["/socket", "/electric/socket", "/api/socket"])("a WebSocket passes at %s", async (path) => {
    const said = await new Promise<string>((resolve, reject) => {
      const sent = request({
        ...{ host: address, servername: domain, path, agent: false, rejectUnauthorized: false },
        headers: { host: domain, connection: "Upgrade", upgrade: "websocket" },
      });
      sent.on("upgrade", (_response, socket: Duplex) => {
        socket.on("data", (chunk: Buffer) => {
          resolve(chunk.toString());
          socket.destroy();
        });
        socket.write("hello");
      });
      sent.on("response", ({ statusCode }) => reject(new Error(`answered ${statusCode}`)));
      sent.on("error", reject);
      sent.end();
    });
    expect(said).toBe("hello");
  });
});
