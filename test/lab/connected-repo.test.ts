import { createServer } from "node:http";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  client,
  domain,
  down,
  google,
  labOk,
  minutes,
  onMachine,
  running,
  sql,
  tasks,
  webapp,
} from "./connected-repo-lab.ts";
import type { Answer } from "./edge-client.ts";
import { leftOutOfCi } from "./system-lab.ts";

/** connected-repo once through the lab, as its stack file has it: two replicas, 200 requests a minute of one address, Pebble's certificate. */
let ask: ReturnType<typeof client>;
let address = "";
let slot = "";

describe.skipIf(leftOutOfCi("connected-repo"))("connected-repo in the lab", () => {
  beforeAll(async () => {
    await down();
    await labOk("up", ["connected-repo"]);
    const system = await running();
    ({ address, slot } = system);
    ask = client(system);
  }, 25 * minutes);

  afterAll(async () => {
    await labOk("down");
  }, 5 * minutes);

  test("answers as the seed says, over HTTPS with a certificate by ACME", async () => {
    const health = await ask("GET", "/health");
    expect(health.status).toBe(200);
    expect(JSON.parse(health.body)).toEqual({ status: "ok", timestamp: expect.any(String) });
    expect(JSON.parse((await ask("GET", "/")).body)).toEqual({ message: "Backend is live." });
    const issuer = await onMachine(
      `sudo openssl x509 -noout -issuer -in "$(sudo find /mnt/data/acme -name fullchain.pem | head -n 1)"`,
    );
    expect(issuer).toContain("Pebble");
  });

  test("nothing would change", async () => {
    await labOk("preview", ["--expect-no-changes"]);
  });

  test("runs as the seed says: two replicas, one processor and 1 GiB each, its health check, not as root", async () => {
    expect(await tasks(slot)).toHaveLength(2);
    const inspected = JSON.parse(await onMachine(`docker service inspect ${slot}`)) as unknown;
    const second = 1e9;
    expect(inspected).toMatchObject([
      {
        Spec: {
          TaskTemplate: {
            Resources: { Limits: { NanoCPUs: 1e9, MemoryBytes: 2 ** 30 } },
            ContainerSpec: {
              Healthcheck: {
                Interval: 30 * second,
                Timeout: 10 * second,
                Retries: 3,
                StartPeriod: 70 * second,
              },
            },
          },
        },
      },
    ]);
    const ids = await onMachine(
      `for each in $(docker ps --quiet --filter label=berth.resource=connected-repo_api); do docker exec $each id -u; done`,
    );
    expect(ids).toBe("1001\n1001");
  });

  test("the release has migrated once, and every replica found nothing left", async () => {
    expect(await sql(`SELECT version, name FROM "schemaMigrations"`)).toBe("0001|initial_schema");
    const logs = await onMachine(`docker service logs --raw ${slot} 2>&1`);
    expect(logs.match(/Database is up to date/g)).toHaveLength(2);
    expect(logs).not.toMatch(/Applied|already exists|failed/);
  });

  test("its connections are encrypted, as a role that owns the database and is no superuser", async () => {
    expect(
      await sql(
        "SELECT DISTINCT usename, ssl FROM pg_stat_activity JOIN pg_stat_ssl USING (pid) WHERE application_name LIKE 'connected-repo/api%'",
      ),
    ).toBe("connected_repo|t");
  });

  const cors = async (method: string, origin: string | undefined) => {
    const preflight = { "access-control-request-method": "POST" };
    const { status, headers } = await ask(method, "/api/auth/get-session", {
      headers: { ...(method === "OPTIONS" ? preflight : {}), ...(origin === undefined ? {} : { origin }) },
    });
    return [status, headers["access-control-allow-origin"], headers["access-control-allow-credentials"]];
  };
  test.each([
    ["OPTIONS", webapp, [204, webapp, "true"]],
    ["OPTIONS", `${webapp}/`, [204, undefined, undefined]],
    ["OPTIONS", webapp.replace("https", "http"), [204, undefined, undefined]],
    ["OPTIONS", `${webapp}.evil.example`, [204, undefined, undefined]],
    ["OPTIONS", "null", [204, undefined, undefined]],
    ["OPTIONS", undefined, [405, undefined, undefined]],
    ["GET", webapp, [200, webapp, "true"]],
    ["GET", "https://evil.example", [200, undefined, undefined]],
  ])("CORS: %s from %s", async (method, origin, expected) => {
    expect(await cors(method, origin)).toEqual(expected);
  });

  test("a person signs in with Google, and every replica knows the session", async () => {
    const asked: URLSearchParams[] = [];
    const server = createServer((request, response) => {
      let body = "";
      request.on("data", (chunk) => {
        body += chunk;
      });
      request.on("end", () => {
        asked.push(new URLSearchParams(body));
        const claims = Buffer.from(JSON.stringify({ email: "ada@example.org" })).toString("base64url");
        response.end(JSON.stringify({ id_token: `e30.${claims}.` }));
      });
    });
    await new Promise<void>((resolve) => server.listen(google.port, google.address, resolve));
    try {
      const begun = await ask("POST", "/api/auth/sign-in/social", {
        body: { provider: "google", callbackURL: `${webapp}/home` },
      });
      const url = new URL((JSON.parse(begun.body) as { url: string }).url);
      expect(url.origin).toBe("https://accounts.google.com");
      const redirectUri = `https://${domain}/api/auth/callback/google`;
      expect(url.searchParams.get("redirect_uri")).toBe(redirectUri);
      const state = url.searchParams.get("state") ?? "";
      const back = await ask("GET", `/api/auth/callback/google?code=code-1&state=${state}`);
      expect([back.status, back.headers.location]).toEqual([302, `${webapp}/home`]);
      expect(asked[0]?.get("code")).toBe("code-1");
      expect(asked[0]?.get("redirect_uri")).toBe(redirectUri);
      expect(asked[0]?.get("client_secret")).toMatch(/^berth-canary-/);
      const [cookie = ""] = String(back.headers["set-cookie"]).split(";");
      const replicas = new Set<unknown>();
      for (let tries = 0; tries < 30 && replicas.size < 2; tries++) {
        const { body, headers } = await ask("GET", "/api/auth/get-session", { headers: { cookie } });
        expect(JSON.parse(body)).toEqual({ user: { email: "ada@example.org" } });
        replicas.add(headers["x-stand-in-instance"]);
      }
      expect(replicas.size).toBe(2);
      const forged = `${cookie.slice(0, -4)}AAAA`;
      expect((await ask("GET", "/api/auth/get-session", { headers: { cookie: forged } })).body).toBe("null");
      const again = await ask("GET", `/api/auth/callback/google?code=code-1&state=${state}`);
      expect(again.headers.location).toBe(`${webapp}?error=state_mismatch`);
      const elsewhere = { provider: "google", callbackURL: "https://evil.example/" };
      expect((await ask("POST", "/api/auth/sign-in/social", { body: elsewhere })).status).toBe(403);
    } finally {
      server.close();
    }
  });

  // Last: this address is refused for a while afterwards.
  test("200 requests a minute of one address, whichever replica answers, and another address is not concerned", async () => {
    const began = Date.now();
    const replies: Answer[] = [];
    for (let round = 0; round < 14; round++)
      replies.push(...(await Promise.all(Array.from({ length: 20 }, () => ask("GET", "/")))));
    const seconds = (Date.now() - began) / 1000;
    const answered = replies.filter(({ status }) => status === 200);
    const refused = replies.filter(({ status }) => status === 429);
    const byReplica = Map.groupBy(answered, ({ headers }) => String(headers["x-stand-in-instance"]));
    const shares = [...byReplica.values()].map((each) => each.length);
    process.stdout.write(
      `rate limit: ${answered.length} answered (${shares.join(" and ")} by replica), ${refused.length} refused, in ${seconds.toFixed(1)} s\n`,
    );
    expect(answered.length + refused.length).toBe(280);
    // 200 at once, and 200 a minute come back; the tests before have taken some.
    expect(answered.length).toBeLessThanOrEqual(201 + Math.ceil((seconds * 200) / 60));
    expect(answered.length).toBeGreaterThan(140);
    expect(shares).toHaveLength(2);
    const other = await onMachine(
      `curl --insecure --silent --output /dev/null --write-out '%{http_code}' --resolve ${domain}:443:${address} https://${domain}/health`,
    );
    expect(other).toBe("200");
  });
});
