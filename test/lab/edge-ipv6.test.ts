import { join } from "node:path";
import { connect } from "node:tls";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { EdgeKind } from "../../components/edge/kinds.ts";
import type { Route } from "../../components/edge/route.ts";
import { edgeRefusalByNetwork } from "../../components/host/fail2ban.ts";
import { bridgeName, hasIpv6, network6, plugIpv6, run } from "../../lab/docker/index.ts";
import { askEdge, askEdgeInClear } from "./edge-client.ts";
import { challenge, domain, edges, type RunningEdge, type StartEdge } from "./edge-starts.ts";
import { type ImageLab, openImages } from "./image-containers.ts";
import { traefikLeftOut } from "./traefik.ts";
import { until } from "./until.ts";

/** What an edge makes of clients that come over IPv6. How their packets get to it is test/full/togather/ipv6.test.ts's. */

const service = "test-edge-ipv6-frontend";
const plain = { domain, path: "/", port: 3000, bodyLimitMebibytes: 1 } as const;

if (!hasIpv6()) console.log("skipped: this machine's kernel has no IPv6");
const kinds = (Object.entries(edges) as [EdgeKind, StartEdge][]).filter(
  ([kind]) => hasIpv6() && (kind !== "traefik" || traefikLeftOut === undefined),
);

describe.each(kinds)("%s", (_kind, start) => {
  let images: ImageLab;
  let edge: RunningEdge;
  let address: string;
  /** Addresses of this machine: two of one client's network, and another client's. */
  let client: string;
  let sameClient: string;
  let otherClient: string;

  const from = (localAddress: string, path: string, to = address) =>
    askEdge(to, domain, path, { localAddress });

  beforeAll(async () => {
    images = await openImages("edge-ipv6");
    const { home } = images;
    client = `${network6(home, 210)}1`;
    sameClient = `${network6(home, 210)}2`;
    otherClient = `${network6(home, 211)}1`;
    address = `${network6(home, 200)}1`;
    const routes: readonly Route[] = [
      plain,
      { ...plain, path: "/closed/", allowFrom: ["2001:db8::/32"] },
      { ...plain, path: "/open/", allowFrom: [`${network6(home, 210)}/64`] },
      { ...plain, path: "/limited/", rateLimit: { requestsPerMinute: 1, burst: 4 } },
    ];
    await images.start(await images.pull("nginx", "1.28.3"), {
      name: service,
      Entrypoint: ["/node", "/target.ts", "frontend", "3000"],
      HostConfig: {
        Binds: [
          `${process.execPath}:/node:ro`,
          `${join(import.meta.dirname, "edge-target.ts")}:/target.ts:ro`,
        ],
      },
    });
    edge = await start(images, { [service]: routes }, true);
    // After its start, as on a host.
    await plugIpv6(home, edge.pid, address);
    for (const each of [client, sameClient, otherClient]) {
      await run("ip", ["-6", "address", "add", `${each}/48`, "dev", bridgeName(home), "nodad"]);
    }
    await until("the edge serves over IPv4", 20, async () =>
      (await askEdge(edge.address, domain, "/")).status === 200 ? true : undefined,
    );
  });
  afterAll(() => images?.close());

  test("the service sees the client's own address", async () => {
    const { status, body } = await from(client, "/");
    expect(status).toBe(200);
    expect(JSON.parse(body)).toMatchObject({
      headers: { "x-real-ip": client, "x-forwarded-for": client, "x-forwarded-proto": "https" },
    });
  });

  test.each([
    ["/open/x", () => client, 200],
    ["/open/x", () => sameClient, 200],
    ["/open/x", () => otherClient, 403],
    ["/closed/x", () => client, 403],
  ])("who is allowed at %s", async (path, who, status) => {
    expect((await from(who(), path)).status).toBe(status);
  });

  test("who comes over IPv4 is in no list of IPv6 networks", async () => {
    expect((await askEdge(edge.address, domain, "/open/x")).status).toBe(403);
  });

  test("a rate is one for all addresses of a /64, and no other client's", async () => {
    const statuses: number[] = [];
    for (const who of [client, sameClient, client, sameClient, client, sameClient, client]) {
      statuses.push((await from(who, "/limited/")).status);
    }
    expect(statuses).toEqual([200, 200, 200, 200, 200, 429, 429]);
    expect((await from(otherClient, "/limited/")).status).toBe(200);
    expect((await askEdge(edge.address, domain, "/limited/")).status).toBe(200);
  });

  test("HTTP leads to HTTPS, and an authority gets the answer to its challenge", async () => {
    expect(await askEdgeInClear(address, domain, "/page?of=it")).toMatchObject({
      status: 301,
      location: `https://${domain}/page?of=it`,
    });
    const path = `/.well-known/acme-challenge/${challenge}`;
    expect(await askEdgeInClear(address, domain, path)).toMatchObject({ status: 200, body: "the answer" });
  });

  test("an unknown host is not answered", async () => {
    await expect(askEdge(address, "unknown.example", "/")).rejects.toThrow();
    await expect(askEdgeInClear(address, "unknown.example", "/")).rejects.toThrow("socket hang up");
  });

  test("the certificate is the domain's", async () => {
    const name = await new Promise<string>((resolve, reject) => {
      const socket = connect(
        { host: address, port: 443, servername: domain, rejectUnauthorized: false },
        () => {
          resolve(String(socket.getPeerCertificate().subject.CN));
          socket.destroy();
        },
      );
      socket.on("error", reject);
    });
    expect(name).toBe(domain);
  });

  test("what it refused is what fail2ban's expression fits, with the client's network", async () => {
    const refused = await until("it is logged", 10, async () => {
      const lines = (await edge.refused()).split("\n").filter((line) => line.includes('"client"'));
      return lines.some((line) => line.includes(otherClient)) ? lines : undefined;
    });
    const expression = new RegExp(edgeRefusalByNetwork.replace("<SUBNET>", "(?<network>[0-9a-f.:/]+)"));
    const networks = refused.map(
      (line) => expression.exec(`main edge: ${line.slice(line.indexOf('{"'))}`)?.groups?.network,
    );
    // The other address of the client's /64 only passed a rate, which is no offence.
    expect(new Set(networks)).toEqual(
      new Set([`${client}/64`, `${otherClient}/64`, `${images.home.gateway}/32`]),
    );
    const entry = JSON.parse(refused[0]?.slice(refused[0].indexOf('{"')) ?? "{}");
    expect(entry).toMatchObject({
      client: expect.stringMatching(/^[0-9a-f.:]+$/),
      host: domain,
      method: "GET",
    });
  });
});
