import * as http from "node:http";
import * as https from "node:https";
import type { AddressInfo, Server } from "node:net";
import { afterEach, describe, expect, test } from "vitest";
import { makeCertificate, makeKey } from "../../lab/certificates.ts";
import type { LabHome } from "../../lab/home.ts";
import { type LoadOptions, requireLabAddress, startLoad } from "../../lab/load/load.ts";
import { renderReport } from "../../lab/load/render.ts";

const home: LabHome = {
  name: "unit",
  cacheDir: "/nonexistent",
  stateDir: "/nonexistent",
  subnet: "198.18.28.0/24",
  gateway: "198.18.28.1",
};
const servers: Server[] = [];
afterEach(() => {
  for (const server of servers.splice(0)) server.close();
});

/** A server on loopback that fails on purpose. */
async function serve(
  handle: (request: http.IncomingMessage, response: http.ServerResponse, count: number) => void,
  tls?: https.ServerOptions,
): Promise<{ port: number; connections: () => number }> {
  let count = 0;
  let connections = 0;
  const listener = (request: http.IncomingMessage, response: http.ServerResponse) => {
    count += 1;
    request.resume();
    handle(request, response, count);
  };
  const server = tls ? https.createServer(tls, listener) : http.createServer(listener);
  server.on(tls ? "secureConnection" : "connection", () => {
    connections += 1;
  });
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return { port: (server.address() as AddressInfo).port, connections: () => connections };
}

function options(port: number, more: Partial<LoadOptions> = {}): LoadOptions {
  return {
    home,
    address: "127.0.0.1",
    port,
    scheme: "http",
    domain: "togather.example",
    seconds: 1,
    requestsPerSecond: 200,
    namespaces: false,
    requests: [{ method: "GET", path: "/health", expect: [200], version: { field: "version" } }],
    ...more,
  };
}

const healthy = (response: http.ServerResponse, version = "v1.0.0") =>
  response.setHeader("content-type", "application/json").end(JSON.stringify({ version }));

describe("startLoad", () => {
  test("sends at the given rate, half on kept-open and half on fresh connections", async () => {
    const server = await serve((request, response) => {
      expect(request.headers.host).toBe("togather.example");
      healthy(response);
    });
    const load = await (await startLoad(options(server.port, { connections: 4 }))).done;
    expect(load).toMatchObject({ requests: 200, failures: 0, failureKinds: [] });
    expect(load.modes["keep-alive"].requests).toBe(100);
    expect(load.modes.fresh.requests).toBe(100);
    expect(load.versions).toMatchObject([{ version: "v1.0.0", requests: 200 }]);
    // A hundred fresh ones, and a few that are kept: 4 for each of 2 clients, more only where answers were slow.
    expect(server.connections()).toBeGreaterThanOrEqual(108);
    expect(server.connections()).toBeLessThan(160);
    expect(load.longestGapMs).toBeLessThan(500);
  });

  test("counts every kind of failure and names it", async () => {
    const server = await serve((_request, response, count) => {
      switch (count % 6) {
        case 1:
          return response.socket?.resetAndDestroy();
        case 2:
          return response.writeHead(502).end("bad gateway");
        case 3:
          return response.writeHead(429).end("slow down");
        case 4:
          return response.writeHead(404).end();
        case 5:
          response.writeHead(200, { "content-length": 100 }).write("half");
          return setTimeout(() => response.socket?.destroy(), 5);
        default:
          return healthy(response);
      }
    });
    const load = await (await startLoad(options(server.port, { requestsPerSecond: 120, modes: ["fresh"] })))
      .done;
    expect(load.requests).toBe(120);
    const kinds = Object.fromEntries(load.failureKinds.map(({ kind, count }) => [kind, count]));
    expect(kinds).toEqual({
      ECONNRESET: 20,
      "status 502": 20,
      "status 429": 20,
      "status 404": 20,
      "answer cut off": 20,
    });
    expect(load.failures).toBe(100);
    const text = renderReport(load);
    expect(text).toContain("20 failed with status 502 (GET /health), the first:");
    expect(text).toMatch(/fresh GET \/health from 127\.0\.0\.1: bad gateway/);
  });

  test("a request without an answer fails at the timeout", async () => {
    const server = await serve((_request, response, count) => {
      if (count !== 10) healthy(response);
    });
    const load = await (await startLoad(options(server.port, { timeoutSeconds: 0.5 }))).done;
    expect(load.failureKinds).toMatchObject([{ kind: "timeout", count: 1 }]);
  });

  test("a stalled system does not slow the load down: waiting requests appear as latency and as a gap", async () => {
    let stallEnds = 0;
    const server = await serve((_request, response, count) => {
      if (count === 100) stallEnds = Date.now() + 600;
      setTimeout(() => healthy(response), Math.max(0, stallEnds - Date.now()));
    });
    const load = await (await startLoad(options(server.port, { seconds: 2 }))).done;
    expect(load).toMatchObject({ requests: 400, failures: 0 });
    expect(load.longestGapMs).toBeGreaterThan(500);
    expect(load.longestGapMs).toBeLessThan(1200);
    // 600 ms of arrivals waited, the first of them longest: a closed loop would have shown one slow request.
    expect(load.p99Ms).toBeGreaterThan(400);
    expect(load.timeline.every(({ requests }) => requests > 190 && requests < 210)).toBe(true);
  });

  test("a port without a listener: every request failed, and the gap is the whole run", async () => {
    const load = await (await startLoad(options(1, { requestsPerSecond: 50 }))).done;
    expect(load).toMatchObject({ requests: 50, failures: 50, p50Ms: 0 });
    expect(load.failureKinds).toMatchObject([{ kind: "ECONNREFUSED", count: 50 }]);
    expect(load.longestGapMs).toBeGreaterThan(900);
  });

  test("stops early, and reports what was sent until then", async () => {
    const server = await serve((_request, response) => healthy(response));
    let seen = 0;
    const load = await startLoad(
      options(server.port, {
        seconds: 600,
        onProgress: ({ requests }) => {
          seen = requests;
        },
      }),
    );
    const deadline = Date.now() + 10_000;
    while (seen < 100 && Date.now() < deadline) await new Promise((resolve) => setTimeout(resolve, 50));
    const result = await load.stop();
    expect(result.requests).toBeGreaterThanOrEqual(seen);
    expect(result.failures).toBe(0);
    expect(result.seconds).toBeLessThan(10);
    expect(await load.done).toBe(result);
  });

  test("closes an idle connection before the server does, when the server announces its time-out", async () => {
    const server = await serve(
      (_request, response) => response.setHeader("keep-alive", "timeout=2") && healthy(response),
    );
    // Each of two connections is used once in two seconds; a second before the announced two it is given up.
    const slow = {
      seconds: 6,
      requestsPerSecond: 1,
      clients: 1,
      connections: 2,
      modes: ["keep-alive"] as const,
    };
    const load = await (await startLoad(options(server.port, slow))).done;
    expect(load).toMatchObject({ requests: 6, failures: 0 });
    expect(server.connections()).toBe(6);
  });

  test("https: checks the certificate against the given authority and the domain", async () => {
    const key = makeKey();
    const caPem = await makeCertificate({
      commonName: "unit",
      privateKeyPem: key,
      names: ["togather.example"],
      validHours: 48,
    });
    const server = await serve((_request, response) => healthy(response), { key, cert: caPem });
    const secure = { scheme: "https", caPem, requestsPerSecond: 50 } as const;
    const good = await (await startLoad(options(server.port, secure))).done;
    expect(good).toMatchObject({ requests: 50, failures: 0 });
    const other = await (await startLoad(options(server.port, { ...secure, domain: "other.example" }))).done;
    expect(other.failureKinds).toMatchObject([{ kind: "ERR_TLS_CERT_ALTNAME_INVALID", count: 50 }]);
  });
});

describe("bounds", () => {
  test.each([
    "198.18.27.10",
    "198.18.28.10.1",
    "198.18.28.",
    "10.0.0.1",
    "example.org",
    "::1",
    "198.18.280.1",
  ])("refuses %s", (address) => {
    expect(() => requireLabAddress(home, address)).toThrow(
      `load: ${address} is not an address of this lab; use one in 198.18.28.0/24 or a loopback address. Systems of the lab: npm run lab -- status`,
    );
  });

  test("takes the lab's addresses and loopback", () => {
    requireLabAddress(home, "198.18.28.10");
    requireLabAddress(home, "127.0.0.1");
  });

  test.each([
    [{ requestsPerSecond: 5001 }, "load: requestsPerSecond is 5001; use a number above 0, at most 5000"],
    [{ seconds: 3601 }, "load: seconds is 3601; use a number above 0, at most 3600"],
    [{ clients: 21 }, "load: clients is 21; use a number above 0, at most 20"],
    [{ scheme: "https" as const }, "load: https needs caPem"],
  ])("refuses %o", async (more, message) => {
    await expect(startLoad(options(1, more))).rejects.toThrow(message);
  });
});
