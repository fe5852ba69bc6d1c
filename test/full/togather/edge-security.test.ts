import { readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { connect, type TLSSocket } from "node:tls";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { addressOf, type Client, openClient, trust } from "../clients.ts";
import { expectNoCanaries } from "../search.ts";
import { edgeKind, home, labOk, onMachine, type RunningSystem, sampler, togather } from "../support.ts";

/** What the outside may do with the edge, and what becomes of those who do more. */

const numbers = { bystander: 20, admin: 21, operator: 22, flood: 23, intruder: 24, stranger: 25 };
const limits = { requestsPerSecond: 20, burst: 40, bodyMebibytes: 1 };

let machine: RunningSystem;
let bystander: Client;
let admin: Client;
let operator: Client;
let flood: Client;
let intruder: Client;
let stranger: Client;

beforeAll(async () => {
  sampler.start();
  const ssh = [numbers.operator, numbers.intruder].map((index) => `${addressOf(index)}/32`);
  await labOk(
    "up",
    ...["--set", `togather:app.adminAllowedFrom=["${addressOf(numbers.admin)}/32"]`],
    ...["--set", `togather:limits=${JSON.stringify(limits)}`],
    ...["--set", `berth:hosts.main.sshAllowedFrom=${JSON.stringify(ssh)}`],
  );
  machine = await togather();
  bystander = await openClient(machine, numbers.bystander);
  admin = await openClient(machine, numbers.admin);
  operator = await openClient(machine, numbers.operator);
  flood = await openClient(machine, numbers.flood);
  intruder = await openClient(machine, numbers.intruder);
  stranger = await openClient(machine, numbers.stranger);
});
afterAll(async () => {
  for (const client of [bystander, admin, operator, flood, intruder, stranger]) await client?.close();
  sampler.stop();
});

const adminKey = () =>
  (
    JSON.parse(readFileSync(join(home.stateDir, "secrets-production.json"), "utf8")) as Record<string, string>
  )["togather:adminApiKey"];

/** Headers of one answer, lower-case names. */
async function headersOf(client: Client, path: string, curl = ""): Promise<Record<string, string>> {
  const { address, domain } = machine;
  const config = `silent\nmax-time = 20\ncacert = "/dev/fd/3"\nresolve = "${domain}:443:${address}"\ndump-header = "-"\noutput = "/dev/null"\nurl = "https://${domain}${path}"\n${curl}`;
  const { stdout } = await client.run("bash", ["-c", 'curl --config - 3<<<"$0"', trust()], config);
  const lines = stdout.trim().split(/\r?\n/);
  return {
    status: lines[0]?.split(" ")[1] ?? "",
    ...Object.fromEntries(
      lines
        .slice(1)
        .map((line) => [line.slice(0, line.indexOf(":")).toLowerCase(), line.slice(line.indexOf(":") + 2)]),
    ),
  };
}

describe("TLS", () => {
  const handshake = async (versions: {
    minVersion: "TLSv1" | "TLSv1.2";
    maxVersion: "TLSv1.1" | "TLSv1.2" | "TLSv1.3";
  }) => {
    const { address, domain } = machine;
    return new Promise<string>((resolve) => {
      const socket: TLSSocket = connect(
        // Without the security level this side would not even offer the old versions.
        {
          host: address,
          port: 443,
          servername: domain,
          ca: trust(),
          ciphers: "DEFAULT@SECLEVEL=0",
          ...versions,
        },
        () => {
          resolve(socket.getProtocol() ?? "");
          socket.destroy();
        },
      );
      socket.on("error", (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
    });
  };

  test("1.2 and 1.3, nothing older", async () => {
    expect(await handshake({ minVersion: "TLSv1.2", maxVersion: "TLSv1.3" })).toBe("TLSv1.3");
    expect(await handshake({ minVersion: "TLSv1.2", maxVersion: "TLSv1.2" })).toBe("TLSv1.2");
    expect(await handshake({ minVersion: "TLSv1", maxVersion: "TLSv1.1" })).toBe(
      "ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION",
    );
  });
});

describe("answers", () => {
  const large = `data-binary = "@${process.execPath}"\n`;
  test.each([
    ["of the app", "/health", "", "200"],
    ["of the app that there is nothing", "/nothing", "", "404"],
    ["that it is not for everybody", "/api/v1/admin/jobs", "", "403"],
    ["that the body is too large", "/api/v1/events", large, "413"],
  ])("%s carry the security headers", async (_what, path, curl, status) => {
    const headers = await headersOf(bystander, path, curl);
    expect(headers).toMatchObject({
      status,
      // Traefik names nobody.
      ...(edgeKind() === "nginx" ? { server: "nginx" } : {}),
      "strict-transport-security": "max-age=31536000; includeSubDomains",
      "x-content-type-options": "nosniff",
      "x-frame-options": "DENY",
      "referrer-policy": "strict-origin-when-cross-origin",
    });
  });

  test("the app sees the client's own address, whatever the client says", async () => {
    const { address, domain } = machine;
    const forged = ["X-Forwarded-For: 203.0.113.9", "X-Real-IP: 203.0.113.9", "Forwarded: for=203.0.113.9"];
    const more = ["X-Forwarded-Proto: http", "X-Forwarded-Host: evil.example"];
    const { stdout } = await bystander.run("curl", [
      ...["--silent", "--insecure", "--resolve", `${domain}:443:${address}`],
      ...[...forged, ...more].flatMap((header) => ["--header", header]),
      `https://${domain}/api/v1/client`,
    ]);
    expect(JSON.parse(stdout)).toEqual({
      host: domain,
      "x-forwarded-for": bystander.address,
      "x-real-ip": bystander.address,
      "x-forwarded-proto": "https",
      "x-forwarded-host": domain,
      forwarded: null,
    });
  });

  test("too often is 429 for the address that asks, and for no other", async () => {
    const [asked, meanwhile] = await Promise.all([
      flood.ask("/health", { count: 60 }),
      bystander.ask("/health", { count: 10 }),
    ]);
    process.stdout.write(
      `of 60 requests at once ${asked.filter((status) => status === 429).length} got 429\n`,
    );
    expect(new Set(asked)).toEqual(new Set([200, 429]));
    expect(asked.slice(0, limits.burst)).not.toContain(429);
    expect(new Set(meanwhile)).toEqual(new Set([200]));
    await sleep(3000);
    expect(await flood.ask("/health")).toEqual([200]);
  });
});

describe("the admin API", () => {
  const path = "/api/v1/admin/jobs";
  const withKey = () => `header = "Authorization: Bearer ${adminKey()}"\n`;

  test("answers a listed address with the key, and nobody else", async () => {
    expect(await admin.ask(path, { curl: withKey() })).toEqual([200]);
    expect(await admin.ask(path)).toEqual([401]);
    expect(await bystander.ask(path, { curl: withKey() })).toEqual([403]);
  });

  test.each([
    "/api/v1//admin/jobs",
    "/api/v1/%61dmin/jobs",
    "/x/../api/v1/admin/jobs",
    "/api/v1/admin%2Fjobs",
  ])("cannot be reached as %s either", async (spelling) => {
    expect(await bystander.ask(spelling, { curl: withKey() })).toEqual([403]);
  });
});

describe("what is open", () => {
  test("80 and 443 for everybody", async () => {
    expect(await stranger.scan()).toEqual([80, 443]);
  });

  test("SSH as well for who is named", async () => {
    expect(await operator.scan()).toEqual([22, 80, 443]);
  });
});

describe("a ban", () => {
  const reach = async (client: Client) => {
    const open = await Promise.all([22, 80, 443].map((port) => client.connects(port)));
    return [22, 80, 443].filter((_, index) => open[index]);
  };
  const banned = (jail: string) => onMachine(`sudo fail2ban-client get ${jail} banip`);
  async function untilBanned(jail: string, client: Client): Promise<void> {
    const began = Date.now();
    while (!(await banned(jail)).includes(client.address)) {
      if (Date.now() - began > 60_000) {
        throw new Error(
          `${client.address} is not banned: ${await onMachine("sudo tail -n 20 /var/log/fail2ban.log")}`,
        );
      }
      await sleep(500);
    }
    process.stdout.write(
      `${jail}: banned ${((Date.now() - began) / 1000).toFixed(1)} s after the last try\n`,
    );
  }
  async function expectShutOut(client: Client, stillOpen: readonly number[]): Promise<void> {
    const before = [...new Set([...stillOpen, 80, 443, ...(client === intruder ? [22] : [])])].toSorted(
      (a, b) => a - b,
    );
    expect(await reach(client)).toEqual(stillOpen);
    expect(await bystander.ask("/health")).toEqual([200]);
    expect(await reach(operator)).toEqual([22, 80, 443]);
    await onMachine(`sudo fail2ban-client unban ${client.address}`);
    expect(await reach(client)).toEqual(before);
  }
  /** Until the jail's thirty are refused by right; what passes a limit is refused too (429), and does not count. */
  async function tryAdmin(client: Client): Promise<Set<number>> {
    const answers: number[] = [];
    while (answers.filter((status) => status !== 429).length < 30) {
      if (answers.length > 45 * 20) throw new Error(`nearly all refused by a limit: ${answers.join(" ")}`);
      answers.push(...(await client.ask("/api/v1/admin/jobs", { count: 45 })));
      await sleep(1000);
    }
    return new Set(answers);
  }

  test("for trying the admin API again and again: no web, nobody else notices, and it can be lifted", async () => {
    expect(await tryAdmin(stranger)).toEqual(new Set([403, 429]));
    await untilBanned("berth-edge", stranger);
    await expectShutOut(stranger, []);
  });

  test("none for who may deploy, whatever the edge saw", async () => {
    expect(await tryAdmin(operator)).toEqual(new Set([403, 429]));
    expect(await tryAdmin(stranger)).toEqual(new Set([403, 429]));
    await untilBanned("berth-edge", stranger);
    expect(await banned("berth-edge")).not.toContain(operator.address);
    await expectShutOut(stranger, []);
  });

  test("none for what the app answers, unless the route counts it", async () => {
    // More than the jail lets pass, fewer than the edge itself refuses for being too many at once.
    const answers = await stranger.ask("/api/v1/whoami", { count: 38 });
    expect(new Set(answers)).toEqual(new Set([401]));
    expect(await tryAdmin(admin)).toEqual(new Set([401, 429]));
    await untilBanned("berth-edge", admin);
    expect(await banned("berth-edge")).not.toContain(stranger.address);
    await onMachine(`sudo fail2ban-client unban ${admin.address}`);
  });

  test("for trying to log in by SSH again and again: no SSH", async () => {
    const { address } = machine;
    for (let attempt = 0; attempt < 6; attempt += 1) {
      // A ban that comes in the middle of a handshake drops its packets: ssh has no deadline of its own for that.
      await intruder.run("timeout", [
        ...[
          "20",
          "ssh",
          "-o",
          "BatchMode=yes",
          "-o",
          "StrictHostKeyChecking=no",
          "-o",
          "UserKnownHostsFile=/dev/null",
        ],
        ...["-o", "ControlPath=none", "-o", "ConnectTimeout=5", `nobody@${address}`, "true"],
      ]);
    }
    await untilBanned("sshd", intruder);
    await expectShutOut(intruder, [80, 443]);
  });
});

describe("the database", () => {
  const postgres = '"$(docker ps --quiet --filter label=berth.resource=togather_postgres | head -n 1)"';

  test("encrypts every connection of the app", async () => {
    const rows = await onMachine(
      `docker exec ${postgres} psql --username postgres --no-align --tuples-only --command ` +
        `"SELECT ssl, version, count(*) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE client_addr IS NOT NULL GROUP BY 1, 2"`,
    );
    process.stdout.write(`connections by network: ${rows}\n`);
    expect(rows.trim()).toMatch(/^t\|TLSv1\.3\|\d+$/);
  });

  test("refuses one that is not", async () => {
    const said = await onMachine(
      `docker exec -e PGSSLMODE=disable ${postgres} psql --host togather_postgres --username togather --command 'SELECT 1' 2>&1 || true`,
    );
    expect(said).toMatch(/no pg_hba\.conf entry for host .* user "togather".* no encryption/);
  });

  test("keeps its key from everybody but its own user", async () => {
    const modes = await onMachine(`docker exec ${postgres} stat --format '%a %U' /run/secrets/tls-key`);
    expect(modes.trim()).toBe("400 postgres");
  });
});

test("no secret was seen on the way", expectNoCanaries);
