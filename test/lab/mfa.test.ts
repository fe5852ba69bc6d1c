import { readFileSync } from "node:fs";
import { request } from "node:https";
import { execa } from "execa";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { until } from "./until.ts";

/**
 * MFA once through the lab, by the commands that a person types, in a lab of its own; on nginx, which needs no build of Traefik.
 */
const root = new URL("../../", import.meta.url).pathname;
const env = { BERTH_LAB: "testmfa", BERTH_LAB_SUBNET: "198.18.12.0/24", BERTH_LAB_CANARY: "1" };
const onNginx = ["berth:hosts.code.edge.kind=nginx", "berth:hosts.code.edge.version=1.28.3"];
const settings = [...onNginx, "mfa:postgres.tunnelPort=15512"].flatMap((each) => ["--set", each]);
const minutes = 60_000;

async function lab(...args: string[]) {
  const options = { cwd: root, env, all: true, reject: false, timeout: 20 * minutes } as const;
  const run = await execa(process.execPath, ["lab/cli.ts", ...args], options);
  process.stdout.write(`$ lab ${args.join(" ")}  (exit ${run.exitCode})\n`);
  return run;
}

async function labOk(...args: string[]): Promise<string> {
  const { exitCode, all, stdout } = await lab(...args);
  expect(exitCode, all).toBe(0);
  return stdout;
}

interface Status {
  machines: { sshPort: number }[];
  systems: {
    name: string;
    address: string;
    caFile: string;
    healthy: boolean;
    services: { name: string; version: string; slot: string }[];
  }[];
}

const status = async () => JSON.parse(await labOk("status", "--json")) as Status;

/** Where the system answers, and who issued its certificate: the same from the first `up` to the last. */
let address = "";
let caFile = "";

/** Over TLS, the certificate checked against the lab's authority, straight to the machine's address. */
async function ask(method: string, path: string, body?: object): Promise<{ status: number; body: string }> {
  return new Promise((resolve, reject) => {
    const call = request(
      {
        ...{ host: address, servername: "mfa.drvn.be", path, method, timeout: 10_000 },
        ...{ headers: { host: "mfa.drvn.be" }, ca: readFileSync(caFile) },
      },
      (response) => {
        let said = "";
        response.setEncoding("utf8").on("data", (chunk: string) => {
          said += chunk;
        });
        response.on("end", () => resolve({ status: response.statusCode ?? 0, body: said }));
      },
    );
    call.on("error", reject).on("timeout", () => call.destroy(new Error(`${address} gives no answer`)));
    call.end(body === undefined ? undefined : JSON.stringify(body));
  });
}

const onMachine = async (script: string) => (await labOk("ssh", "code", "--", script)).trim();
const containerOf = (service: string) => `$(docker ps --quiet --filter label=berth.resource=${service})`;
const sql = (text: string) =>
  onMachine(
    `docker exec ${containerOf("mfa_postgres")} psql --username postgres --dbname mfa -Atc "${text}"`,
  );
const redis = (...words: string[]) =>
  labOk(
    ...["ops", "exec", "mfa", "redis", "--", "sh", "-c"],
    `REDISCLI_AUTH=$(sed -n "s/^requirepass //p" /run/secrets/redis.conf) redis-cli --raw ${words.join(" ")}`,
  );

describe("MFA in the lab", () => {
  beforeAll(async () => {
    await lab("down");
    await labOk("up", "mfa", ...settings);
    const [system] = (await status()).systems;
    address = system?.address ?? "";
    caFile = system?.caFile ?? "";
  }, 25 * minutes);

  afterAll(async () => {
    await labOk("down");
  }, 5 * minutes);

  test("answers the seed's health over TLS, on a host that has SSH on port 666", async () => {
    const { status: code, body } = await ask("GET", "/api/health");
    expect(code).toBe(200);
    expect(JSON.parse(body)).toMatchObject({ status: "ok", version: expect.stringMatching(/^v1\.0\.0/) });
    const { machines, systems } = await status();
    expect(machines.map(({ sshPort }) => sshPort)).toEqual([666]);
    expect(systems).toMatchObject([{ name: "mfa", healthy: true }]);
    expect(systems[0]?.services.map(({ name }) => name).sort()).toEqual(["app", "worker"]);
  });

  test("nothing would change", async () => {
    await labOk("preview", "--expect-no-changes", ...settings);
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
    const release = labOk("up", ...settings, "--set", "mfa:app.version=v2.0.0");
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
    const { services } = (await status()).systems[0] ?? {};
    expect(services?.map(({ version }) => version)).toEqual(["v2.0.0", "v2.0.0"]);
  });

  test("the cache is emptied by clients of listed networks alone", async () => {
    expect((await ask("POST", "/api/cache/invalidate")).status).toBe(403);
  });
});
