import { readFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { askEdge } from "./edge-client.ts";
import { containerOf, minutes, systemLab } from "./system-lab.ts";
import { until } from "./until.ts";

/** MFA once through the lab, by the commands that a person types; on nginx, which needs no build of Traefik. */
const onNginx = ["berth:hosts.code.edge.kind=nginx", "berth:hosts.code.edge.version=1.28.3"];
const { labOk, down, running, onMachine } = systemLab({
  ...{ system: "mfa", host: "code" },
  options: [...onNginx, "mfa:postgres.tunnelPort=15512"].flatMap((each) => ["--set", each]),
});

/** Where the system answers, and who issued its certificate: the same from the first `up` to the last. */
let address = "";
let ca = "";

const ask = (method: string, path: string, body?: object) =>
  askEdge(address, "mfa.drvn.be", path, {
    ...{ method, rejectUnauthorized: true, ca },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  });
const sql = (text: string) =>
  onMachine(
    `docker exec ${containerOf("mfa_postgres")} psql --username postgres --dbname mfa -Atc "${text}"`,
  );
const redis = (...words: string[]) =>
  labOk("ops", [
    ...["exec", "mfa", "redis", "--", "sh", "-c"],
    `REDISCLI_AUTH=$(sed -n "s/^requirepass //p" /run/secrets/redis.conf) redis-cli --raw ${words.join(" ")}`,
  ]);

describe("MFA in the lab", () => {
  beforeAll(async () => {
    await down();
    await labOk("up", ["mfa"]);
    const system = await running();
    address = system.address;
    ca = readFileSync(system.caFile, "utf8");
  }, 25 * minutes);

  afterAll(async () => {
    await labOk("down");
  }, 5 * minutes);

  test("answers the seed's health over TLS, on a host that has SSH on port 666", async () => {
    const { status: code, body } = await ask("GET", "/api/health");
    expect(code).toBe(200);
    expect(JSON.parse(body)).toMatchObject({ status: "ok", version: expect.stringMatching(/^v1\.0\.0/) });
    const { machines, healthy, services } = await running();
    expect(machines.map(({ sshPort }) => sshPort)).toEqual([666]);
    expect(healthy).toBe(true);
    expect(services.map(({ name }) => name).sort()).toEqual(["app", "worker"]);
  });

  test("nothing would change", async () => {
    await labOk("preview", ["--expect-no-changes"]);
  });

  test("each secret is mounted where the seed says, and nowhere else", async () => {
    const mounted = await onMachine(
      `for service in $(docker service ls --format '{{.Name}}'); do docker service inspect --format ` +
        `'{{index .Spec.Labels "berth.resource"}}{{range .Spec.TaskTemplate.ContainerSpec.Secrets}} {{.File.Name}}{{end}}' $service; done`,
    );
    const files = Object.fromEntries(
      mounted.split("\n").map((line) => {
        const [service = "", ...names] = line.split(" ");
        return [service, names.sort()];
      }),
    );
    const both = ["AIRTABLE_ACCESS_TOKEN", "AIRTABLE_BASE_ID", "DATABASE_URL", "REDIS_URL"];
    const mail = ["SMTP_FROM", "SMTP_PASSWORD", "SMTP_PORT", "SMTP_SERVER", "SMTP_USER"];
    const named = (service: string) => (files[service] ?? []).filter((name) => /^[A-Z]/.test(name));
    expect(named("mfa_app")).toEqual(
      expect.arrayContaining([...both, "JWT_SECRET", "OPENAI_API_KEY", ...mail]),
    );
    expect(named("mfa_worker")).toEqual(expect.arrayContaining(both));
    expect(named("mfa_worker").filter((name) => /^(JWT|OPENAI|SMTP)/.test(name))).toEqual([]);
  });

  test("Postgres and Redis are on the internal network alone, without a way out; the worker has one", async () => {
    const networks = (service: string) =>
      onMachine(
        `docker inspect --format '{{range $name, $network := .NetworkSettings.Networks}}{{$name}} {{end}}' ${containerOf(service)}`,
      );
    for (const service of ["mfa_postgres", "mfa_redis"])
      expect(await networks(service)).toMatch(/^mfa-[0-9a-f]{7}$/);
    expect(await networks("mfa_app")).toMatch(/^code-edge-[0-9a-f]{7} mfa-[0-9a-f]{7}$/);
    // A refused connection has gone out; without a route there is none.
    const gateway = address.replace(/\.\d+$/, ".1");
    const out = (service: string) =>
      onMachine(
        `sudo nsenter --target "$(docker inspect --format '{{.State.Pid}}' ${containerOf(service)})" --net ` +
          `curl --silent --output /dev/null --max-time 4 --write-out '%{errormsg}' https://${gateway}:5000/ || true`,
      );
    expect(await out("mfa_redis")).toMatch(
      /unreachable|timed out|timeout|Could not connect|Failed to connect/i,
    );
    expect(await out("mfa_worker")).toMatch(/certificate|SSL|^$/i);
  });

  test("a job has its effect once, whatever is released or restarts meanwhile", {
    timeout: 10 * minutes,
  }, async () => {
    const ids = (name: string) => Array.from({ length: 500 }, (_, index) => `${name}-${index}`);
    expect((await ask("POST", "/api/sync", { ids: ids("before") })).status).toBe(202);
    const release = labOk("up", [], ["mfa:app.version=v2.0.0"]);
    expect((await ask("POST", "/api/sync", { ids: ids("meanwhile") })).status).toBe(202);
    await release;
    await onMachine(`docker kill ${containerOf("mfa_redis")}`);
    await until("Redis takes jobs again", 60, async () =>
      (await ask("POST", "/api/sync", { ids: ids("after") })).status === 202 ? true : undefined,
    );
    await until("every job has its effect", 60, async () =>
      (await sql("SELECT count(*) FROM sync_effects WHERE job ~ '^(before|meanwhile|after)-'")) === "1500"
        ? true
        : undefined,
    );
    expect(await redis("LLEN", "sync:queue")).toBe("0");
    expect(JSON.parse(await redis("GET", "sync:status"))).toMatchObject({ version: "v2.0.0" });
    const { services } = await running();
    expect(services.map(({ version }) => version)).toEqual(["v2.0.0", "v2.0.0"]);
  });

  test("the cache is emptied by clients of listed networks alone", async () => {
    expect((await ask("POST", "/api/cache/invalidate")).status).toBe(403);
  });
});
