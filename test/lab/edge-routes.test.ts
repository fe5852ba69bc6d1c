import { execFileSync } from "node:child_process";
import { mkdir, writeFile } from "node:fs/promises";
import { type RequestOptions, request } from "node:https";
import { join } from "node:path";
import type { Duplex } from "node:stream";
import type Dockerode from "dockerode";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { EdgeKind } from "../../components/edge/kinds.ts";
import * as nginx from "../../components/edge/nginx/render.ts";
import type { Route } from "../../components/edge/route.ts";
import { type ImageLab, openImages } from "./image-containers.ts";
import { until } from "./until.ts";

/**
 * What a route means, asked of the real edge in front of a server: one table, to which every kind of edge is held. The requests come
 * from the lab network's own address.
 */

const domain = "app.example";
const other = "auth.app.example";
const plain = { domain, path: "/", port: 3000, bodyLimitMebibytes: 1 } as const;
const lab = { name: "test-edge-routes", subnet: "198.18.244.0/24" };

/** Routes by service, which is the name of its container too. */
const services = (client: string): Readonly<Record<string, readonly Route[]>> => ({
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
  ],
  auth: [{ ...plain, domain: other }],
});

interface RunningEdge {
  readonly address: string;
  /** What it wrote for fail2ban to read. */
  refused(): Promise<string>;
}
type StartEdge = (
  images: ImageLab,
  routes: Readonly<Record<string, readonly Route[]>>,
) => Promise<RunningEdge>;

const edges: Readonly<Record<EdgeKind, StartEdge>> = { nginx: startNginx };

async function startNginx(images: ImageLab, routes: Parameters<StartEdge>[1]): Promise<RunningEdge> {
  const folder = join(images.folder, "nginx");
  const put = async (path: string, content: string) => {
    await mkdir(join(folder, path, ".."), { recursive: true });
    await writeFile(join(folder, path), content);
  };
  await put("nginx.conf", nginx.renderMain(5));
  for (const folderName of ["checks", "limits"]) await put(`${folderName}/none.conf`, "");
  for (const [service, list] of Object.entries(routes)) {
    await put(`upstreams/${service}/${service}.conf`, nginx.renderUpstream(service, list));
    await put(`limits/${service}.conf`, nginx.renderLimits(service, list));
    for (const each of new Set(list.map((route) => route.domain))) {
      await put(`locations/${each}/${service}.conf`, nginx.renderLocations(service, service, each, list));
    }
  }
  for (const each of [domain, other]) {
    const headers = { hstsIncludeSubDomains: true, frames: "deny" } as const;
    await put(`sites/${each}.conf`, nginx.renderSite({ domain: each, headers }));
    await put(`tls/${each}.pem`, selfSigned(each));
  }
  const container = await images.start(await images.pull("nginx", "1.28.3"), {
    Cmd: ["nginx", "-c", `${nginx.containerDirectory}/nginx.conf`, "-g", "daemon off;"],
    HostConfig: { Binds: [`${folder}:${nginx.containerDirectory}:ro`] },
  });
  return {
    address: await images.addressOf(container),
    // What is served goes to standard output.
    refused: async () => (await container.logs({ stdout: false, stderr: true })).toString(),
  };
}

function selfSigned(name: string): string {
  const subject = ["-subj", `/CN=${name}`, "-days", "1", "-keyout", "-", "-nodes"];
  const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"];
  return execFileSync("openssl", ["req", "-x509", ...key, ...subject], {
    stdio: ["ignore", "pipe", "ignore"],
  }).toString();
}

interface Answer {
  readonly status: number;
  readonly body: string;
  /** When each part of the body came, after the request. */
  readonly partsMs: readonly number[];
}

let address: string;

function ask(host: string, path: string, options: RequestOptions & { body?: Buffer } = {}): Promise<Answer> {
  const began = performance.now();
  return new Promise((resolve, reject) => {
    const { body, ...rest } = options;
    const sent = request(
      {
        ...{
          host: address,
          servername: host,
          path,
          agent: false,
          rejectUnauthorized: false,
          timeout: 15_000,
        },
        ...{ headers: { host }, method: body === undefined ? "GET" : "POST", ...rest },
      },
      (response) => {
        const parts: Buffer[] = [];
        const partsMs: number[] = [];
        response.on("data", (part: Buffer) => {
          parts.push(part);
          partsMs.push(performance.now() - began);
        });
        response.on("error", reject);
        response.on("end", () =>
          resolve({ status: response.statusCode ?? 0, body: Buffer.concat(parts).toString(), partsMs }),
        );
      },
    );
    sent.on("timeout", () => sent.destroy(new Error(`no answer to ${path} within 15 s`)));
    sent.on("error", reject);
    sent.end(body);
  });
}

describe.each(Object.entries(edges))("%s", (_kind, start) => {
  let images: ImageLab;
  let edge: RunningEdge;
  const targets: Dockerode.Container[] = [];

  beforeAll(async () => {
    images = await openImages(lab.name, lab.subnet);
    const routes = services(images.home.gateway);
    const image = await images.pull("nginx", "1.28.3");
    for (const [name, list] of Object.entries(routes)) {
      const ports = [...new Set(list.map(({ port }) => String(port)))];
      targets.push(
        await images.start(image, {
          name: `${lab.name}-${name}`,
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
    edge = await start(
      images,
      Object.fromEntries(Object.entries(routes).map(([name, list]) => [`${lab.name}-${name}`, list])),
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
    const forged = { host: domain, "x-forwarded-for": "203.0.113.9", forwarded: "for=203.0.113.9" };
    const { body } = await ask(domain, "/", { headers: forged });
    const { headers } = JSON.parse(body) as { headers: Record<string, string> };
    expect(headers).toMatchObject({ host: domain, "x-forwarded-proto": "https" });
    expect(headers["x-forwarded-for"]).toBe(images.home.gateway);
    expect(headers.forwarded).toBeUndefined();
  });

  test("what is not for this client is 403", async () => {
    expect((await ask(domain, "/closed/x")).status).toBe(403);
  });

  test("an unknown host is not answered", async () => {
    await expect(ask("unknown.example", "/")).rejects.toThrow();
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
    expect((await ask(domain, "/status/401")).status).toBe(401);
    expect((await ask(domain, "/status/404")).status).toBe(404);
    expect((await ask(other, "/status/401")).status).toBe(401);
    const paths = async () =>
      (await edge.refused())
        .split("\n")
        .filter((line) => line.includes('"status":4') && line.includes("/status/"))
        .map((line) => /"host":"([^"]+)".*"path":"([^"]+)"/.exec(line)?.slice(1, 3).join(""));
    await until("the refusal is logged", 10, async () => ((await paths()).length > 0 ? true : undefined));
    expect(await paths()).toEqual([`${domain}/status/401`]);
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
