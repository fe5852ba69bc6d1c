import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import type { IncomingHttpHeaders } from "node:http";
import { request } from "node:https";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Answer, askEdge } from "./edge-client.ts";
import { followShape } from "./shape-client.ts";
import { containerOf, leftOutOfCi, minutes, systemLab } from "./system-lab.ts";
import { until } from "./until.ts";

/** Sertantai once through the lab, as its stack file has it: three domains, five services, one PostgreSQL server, nginx. */

const settings = ["sertantai:postgres.tunnelPort=15526", "togather:postgres.tunnelPort=15527"];
const { labOk, down, running, onMachine } = systemLab({
  ...{ system: "sertantai", host: "legal" },
  options: settings.flatMap((each) => ["--set", each]),
});
const legal = "legal.sertantai.com";
const auth = "auth.sertantai.com";
const enforcement = "ehs-enforcement.sertantai.com";

let address = "";
let ca = "";
/** Service by the name of its container. */
let services = new Map<string, string>();
const ask = (host: string, path: string, options: { body?: Buffer; method?: string } = {}): Promise<Answer> =>
  askEdge(address, host, path, { rejectUnauthorized: true, ca, ...options });
const sql = (text: string, database = "sertantai_legal") =>
  onMachine(
    `docker exec --interactive ${containerOf("sertantai_postgres")} psql --username postgres --dbname ${database} -v ON_ERROR_STOP=1 -AtX <<'SQL'\n${text}\nSQL`,
  );
const answeredBy = ({ headers }: { readonly headers: IncomingHttpHeaders }) =>
  services.get(String(headers["x-stand-in-instance"]));

describe.skipIf(leftOutOfCi("Sertantai"))("Sertantai in the lab", () => {
  beforeAll(async () => {
    await down();
    await labOk("up", ["sertantai"]);
    const system = await running();
    address = system.address;
    ca = readFileSync(system.caFile, "utf8");
    const names = await onMachine(`docker ps --format '{{.ID}} {{.Label "berth.resource"}}'`);
    services = new Map(
      names.split("\n").map((line): [string, string] => {
        const [id = "", name = ""] = line.split(" ");
        return [id, name.replace(/^sertantai_/, "")];
      }),
    );
  }, 25 * minutes);

  afterAll(async () => {
    await labOk("down");
  }, 5 * minutes);

  test("nothing would change", async () => {
    await labOk("preview", ["--expect-no-changes"]);
  });

  // The seed's "Container Architecture" and "Key ports".
  test.each([
    [legal, "/", 200, "frontend"],
    [legal, "/browse/anything", 200, "frontend"],
    [legal, "/health/detailed", 200, "frontend"],
    [legal, "/api/uk-lrt", 200, "backend"],
    [legal, "/api/nothing", 404, "backend"],
    [legal, "/health", 200, "backend"],
    [legal, "/electric/v1/health", 200, "electric"],
    [legal, "/electric/v1/shape?table=uk_lrt&offset=-1", 401, "electric"],
    [legal, "/electric/nothing", 404, "electric"],
    [auth, "/health", 200, "auth"],
    [auth, "/.well-known/jwks.json", 200, "auth"],
    [auth, "/nothing", 404, "auth"],
    [enforcement, "/health", 200, "enforcement"],
    [enforcement, "/api/agencies", 200, "enforcement"],
    [enforcement, "/nothing", 404, "enforcement"],
  ])(
    "%s%s is answered with %i by %s, and nothing larger than 10 MiB gets there",
    async (host, path, status, service) => {
      const answer = await ask(host, path);
      expect([answer.status, answeredBy(answer)]).toEqual([status, service]);
      expect(answer.headers["strict-transport-security"]).toContain("max-age=");
      const large = await ask(host, path, { body: randomBytes(20_000_000), method: "POST" });
      expect([large.status, answeredBy(large)]).toEqual([413, undefined]);
    },
  );

  test("another host name is not answered", async () => {
    await expect(ask("other.sertantai.com", "/", {})).rejects.toThrow();
  });

  test.each([
    [enforcement, `https://${enforcement}`, "/live/websocket", 101],
    [enforcement, "https://evil.example", "/live/websocket", 403],
    [enforcement, `https://${enforcement}`, "/nothing", 404],
  ])("WebSocket of %s from %s at %s: %i", async (host, origin, path, status) => {
    const answer = await webSocket(host, path, origin, "heartbeat");
    expect(answer).toEqual([status, status === 101 ? "heartbeat" : ""]);
  });

  test("ElectricSQL's own client follows a shape through the backend, which adds the secret", async () => {
    const url = `https://${legal}/api/electric/v1/shape`;
    const params = { table: "uk_lrt", columns: ["id", "name", "year", "tags"], where: "year >= 2024" };
    await sql(`INSERT INTO uk_lrt (name, year, tags) SELECT 'UK_uksi_2025_' || n, 2025, '{"a","b"}' FROM generate_series(1, 500) n;
      INSERT INTO uk_lrt (name, year) VALUES ('UK_ukpga_1974_37', 1974)`);
    const client = followShape({ address, ca, url, params });
    try {
      expect(await client.rows()).toHaveLength(500);
      expect((await client.rows())[0]).toMatchObject({ year: 2025, tags: ["a", "b"] });
      const began = Date.now();
      await sql(`INSERT INTO uk_lrt (name, year) VALUES ('new', 2026);
        UPDATE uk_lrt SET year = 2024 WHERE name = 'UK_ukpga_1974_37';
        UPDATE uk_lrt SET tags = '{c}' WHERE name = 'UK_uksi_2025_1';
        UPDATE uk_lrt SET year = 1900 WHERE name = 'UK_uksi_2025_2';
        DELETE FROM uk_lrt WHERE name = 'UK_uksi_2025_3'`);
      const rows = await until("the client has what changed", 15, async () => {
        const all = new Map(client.current().map((row) => [row.name, row]));
        return all.has("new") && !all.has("UK_uksi_2025_3") ? all : undefined;
      });
      process.stdout.write(`changes are with the client ${Date.now() - began} ms after they were sent\n`);
      expect(rows.size).toBe(500);
      expect(rows.get("UK_ukpga_1974_37")).toMatchObject({ year: 2024 });
      expect(rows.get("UK_uksi_2025_1")).toMatchObject({ tags: ["c"] });
      expect(rows.has("UK_uksi_2025_2")).toBe(false);
      expect([client.failures, client.refetches()]).toEqual([[], 0]);
    } finally {
      client.stop();
    }
    const refused = await ask(legal, "/api/electric/v1/shape?table=organization_locations&offset=-1");
    expect([refused.status, answeredBy(refused)]).toEqual([401, "backend"]);
  });

  test("each database has its owner, which is no superuser; only ElectricSQL's may replicate", async () => {
    const roles = await sql(
      "SELECT rolname, rolsuper, rolreplication FROM pg_roles WHERE rolname LIKE 'sertantai%' ORDER BY 1",
    );
    expect(roles.split("\n")).toEqual([
      "sertantai_auth|f|f",
      "sertantai_enforcement|f|f",
      "sertantai_legal|f|t",
    ]);
    const extensions = await sql("SELECT extname FROM pg_extension ORDER BY 1", "sertantai_enforcement");
    expect(extensions.split("\n")).toEqual(["citext", "pg_trgm", "plpgsql", "uuid-ossp"]);
    const connections = await sql(
      "SELECT DISTINCT usename, ssl FROM pg_stat_activity JOIN pg_stat_ssl USING (pid) WHERE usename LIKE 'sertantai%' ORDER BY 1",
    );
    expect(connections).toMatch(/^(sertantai_\w+\|t\n?)+$/);
  });

  test("the image's own migration at its start finds nothing left; no port but the edge's is published", async () => {
    const logs = await onMachine(`docker logs ${containerOf("sertantai_backend")} 2>&1`);
    expect(logs).toContain("Database is up to date");
    expect(logs).not.toContain("Applied");
    const published = await onMachine(
      `docker ps --format '{{.Label "berth.role"}} {{.Ports}}' | grep -e '->'`,
    );
    expect(published.split("\n").map((line) => line.split(" ")[0])).toEqual(["edge"]);
    const ids = await onMachine(
      `for each in frontend backend electric auth enforcement; do docker exec "$(docker ps --quiet --filter label=berth.resource=sertantai_$each)" id -u; done`,
    );
    expect(ids.split("\n")).not.toContain("0");
  });

  test("the status says who streams, and secrets are where they are read alone", async () => {
    expect(await labOk("ops", ["status"])).toContain("electric_slot_legal: streams");
    const mounted = await onMachine(
      `for service in $(docker service ls --quiet); do docker service inspect --format ` +
        `'{{index .Spec.Labels "berth.resource"}}{{range .Spec.TaskTemplate.ContainerSpec.Secrets}} {{.File.Name}}{{end}}' $service; done`,
    );
    const having = mounted
      .split("\n")
      .filter((line) => line.includes(" ELECTRIC_SECRET"))
      .map((line) => line.split(" ")[0]);
    expect(having.toSorted()).toEqual(["sertantai_backend", "sertantai_electric"]);
  });
});

/** Opens a WebSocket and sends a text: the status, and the text that comes back. */
function webSocket(host: string, path: string, origin: string, text: string): Promise<[number, string]> {
  return new Promise((resolve, reject) => {
    const call = request({
      ...{ host: address, servername: host, path, ca, agent: false, timeout: 10_000 },
      headers: {
        ...{ host, origin, connection: "Upgrade", upgrade: "websocket", "sec-websocket-version": "13" },
        "sec-websocket-key": randomBytes(16).toString("base64"),
      },
    });
    call.on("response", (response) => {
      response.resume();
      resolve([response.statusCode ?? 0, ""]);
    });
    call.on("upgrade", (response, socket) => {
      const mask = randomBytes(4);
      const masked = Buffer.from(text).map((byte, at) => byte ^ (mask[at % 4] ?? 0));
      socket.write(Buffer.concat([Buffer.from([0x81, 0x80 | masked.length]), mask, masked]));
      socket.once("data", (frame: Buffer) => {
        socket.destroy();
        resolve([response.statusCode ?? 0, frame.subarray(2).toString()]);
      });
    });
    call.on("error", reject).on("timeout", () => call.destroy(new Error(`${host} gives no answer`)));
    call.end();
  });
}
