import type { X509Certificate } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { connect } from "node:tls";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ensurePebble, pebbleDirectory, pebbleFiles, stopPebble } from "../../../lab/acme/pebble.ts";
import { cloudEndpoint, cloudToken } from "../../../lab/stack/cloud-access.ts";
import { trust } from "../clients.ts";
import { endOtherSystems, expectNoCanaries } from "../search.ts";
import { home, lab, labOk, onMachine, sampler, togather } from "../support.ts";
import { expectNoFailure, underLoad } from "../under-load.ts";

/** Certificates by ACME: issued, renewed under load, and what becomes of them when DNS or the authority is in the way. */

const seconds = 1000;

beforeAll(async () => {
  sampler.start();
  await endOtherSystems("togather");
  await labOk("up", "--acme");
});
afterAll(async () => {
  // The way back: the lab's own authority again, and nothing renews any more.
  const back = await lab("up");
  sampler.stop();
  expect(back.exitCode, back.output.slice(-4000)).toBe(0);
  expect((await served()).issuer).toContain("Berth lab authority");
  expect(await onMachine("systemctl list-unit-files 'berth-certificates*' --no-legend | wc -l")).toBe("0");
});

/** What the edge shows, checked against the roots of the lab. */
async function served(): Promise<X509Certificate> {
  const { address, domain } = await togather();
  return new Promise((resolve, reject) => {
    const options = { host: address, port: 443, servername: domain, ca: splitPem(trust()) };
    const socket = connect(options, () => {
      const certificate = socket.getPeerX509Certificate();
      socket.destroy();
      if (certificate === undefined) reject(new Error("the edge shows no certificate"));
      else resolve(certificate);
    });
    socket.setTimeout(10 * seconds, () => socket.destroy(new Error("no handshake within 10 s")));
    socket.on("error", reject);
  });
}

function splitPem(pem: string): string[] {
  return pem.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [];
}

/** How many orders Pebble has seen since its log began. */
function orders(): number {
  const { log } = pebbleFiles(home);
  return existsSync(log) ? (readFileSync(log, "utf8").match(/POST \/order-plz/g)?.length ?? 0) : 0;
}

/** Runs what the timer runs; answers whether it succeeded and what it said. */
async function renew(): Promise<{ readonly succeeded: boolean; readonly said: string }> {
  const said = await onMachine(
    `since=$(date +%s); sudo systemctl start berth-certificates.service && echo RENEWED; ` +
      `sudo journalctl --unit berth-certificates.service --since "@$since" --output cat SYSLOG_IDENTIFIER=certificates`,
    600,
  ).catch((error: Error) => error.message);
  return { succeeded: said.includes("RENEWED"), said };
}

async function expectServing(serial: string): Promise<void> {
  expect((await served()).serialNumber).toBe(serial);
  expect((await labOk("status", "--json")).stdout).toContain('"healthy":true');
}

describe("a certificate", () => {
  test("is issued by the authority for the domain, and the client's check of it passes", async () => {
    const certificate = await served();
    const { domain } = await togather();
    process.stdout.write(
      `${certificate.subjectAltName}, issued by ${certificate.issuer}, until ${certificate.validTo}\n`,
    );
    expect(certificate.issuer).toMatch(/Pebble Intermediate CA/);
    expect(certificate.subjectAltName).toBe(`DNS:${domain}`);
    expect(Date.parse(certificate.validTo)).toBeGreaterThan(Date.now());
  });

  test("lies on the data volume with its account, for root alone", async () => {
    const files = await onMachine(
      "sudo find /mnt/data/acme -type f -name 'priv*' -printf '%m %u %f\\n' | sort; sudo stat --format '%a %U' /mnt/data/acme/*/accounts 2>/dev/null || sudo sh -c \"stat --format '%a %U' /mnt/data/acme/*/accounts\"; sudo sh -c \"stat --format '%a %U' /var/lib/berth/edge/tls/*.pem\"",
    );
    process.stdout.write(files);
    for (const line of files.trim().split("\n")) expect(line).toMatch(/^(400|600|700) root/);
    expect(files).toMatch(/600 root privkey1\.pem/);
    expect(files).toMatch(/400 root private_key\.json/);
  });

  test("once it is there nothing is left to do", async () => {
    const before = orders();
    await labOk("preview", "--acme", "--expect-no-changes");
    expect((await labOk("up", "--acme")).steps).toEqual([]);
    expect(orders()).toBe(before);
  });

  test("is renewed before it expires, by what the timer runs, and no request fails", async () => {
    const before = await served();
    const timer = await onMachine(
      "systemctl show --property=NextElapseUSecRealtime --value berth-certificates.timer",
    );
    process.stdout.write(`the timer runs next: ${timer}`);
    expect(timer.trim()).not.toBe("");
    const { result, load } = await underLoad("a renewed certificate", renew);
    expect(result.succeeded, result.said).toBe(true);
    const after = await served();
    process.stdout.write(
      `${before.serialNumber} until ${before.validTo}, then ${after.serialNumber} until ${after.validTo}\n`,
    );
    expect(after.serialNumber).not.toBe(before.serialNumber);
    expectNoFailure(load);
  });
});

describe("what is in the way", () => {
  test("a domain that leads elsewhere: it says where, asks for nothing, and the old certificate stays", async () => {
    const { serialNumber } = await served();
    const { address, domain } = await togather();
    const before = orders();
    await pointTo(domain, "203.0.113.9");
    try {
      const timer = await renew();
      expect(timer.succeeded).toBe(false);
      process.stdout.write(`${timer.said}\n`);
      expect(timer.said).toContain(
        `no certificate was asked for: every domain must lead to this host (${address} `,
      );
      expect(timer.said).toContain(`${domain} leads to 203.0.113.9 `);
      // And by a run, which has another reason to ask: the account's address.
      const run = await lab("up", "--acme", "--set", "berth:tls.email=others@togather.example");
      expect(run.exitCode).not.toBe(0);
      expect(run.output).toContain(`${domain} leads to 203.0.113.9`);
      expect(run.output).toContain("The edge goes on with the certificate it has");
    } finally {
      await pointTo(domain, address);
    }
    expect(orders()).toBe(before);
    await expectServing(serialNumber);
  });

  test("an authority that cannot reach the host: its own error is told, and the old certificate stays", async () => {
    const { serialNumber } = await served();
    const rule = `DOCKER-USER -p tcp -s ${home.gateway} --dport 80 -j DROP`;
    // The authority comes by IPv6 where a domain has an AAAA record.
    const rule6 = `DOCKER-USER -p tcp --dport 80 -j DROP`;
    await onMachine(`sudo iptables -I ${rule}; sudo ip6tables -I ${rule6}`);
    try {
      const { succeeded, said } = await renew();
      process.stdout.write(`${said}\n`);
      expect(succeeded).toBe(false);
      expect(said).toContain(`${pebbleDirectory(home)} issued no certificate for`);
      expect(said).toMatch(/Type:\s+connection/);
      expect(said).toMatch(/Detail: .*\.well-known\/acme-challenge/);
    } finally {
      await onMachine(`sudo iptables -D ${rule}; sudo ip6tables -D ${rule6}`);
    }
    await expectServing(serialNumber);
  });

  test("an authority that does not answer: told as such, the old certificate stays, and the next run mends it", async () => {
    const { serialNumber } = await served();
    await stopPebble(home);
    try {
      const { succeeded, said } = await renew();
      process.stdout.write(`${said}\n`);
      expect(succeeded).toBe(false);
      expect(said).toMatch(/issued no certificate for[\s\S]*Connection refused/);
      await expectServing(serialNumber);
    } finally {
      await ensurePebble(home, () => undefined);
    }
    // It came back without its memory: the account is made anew.
    const { succeeded, said } = await renew();
    expect(succeeded, said).toBe(true);
    expect((await served()).serialNumber).not.toBe(serialNumber);
  });
});

test("no secret was seen on the way", expectNoCanaries);

/** Changes the domain's A record at the lab's cloud, behind the program's back. */
async function pointTo(domain: string, address: string): Promise<void> {
  const headers = { Authorization: `Bearer ${cloudToken(home)}`, "Content-Type": "application/json" };
  const path = `/zones/${domain}/rrsets/@/A/actions/set_records`;
  const response = await fetch(`${cloudEndpoint(home)}${path}`, {
    method: "POST",
    headers,
    body: JSON.stringify({ records: [{ value: address }] }),
  });
  expect(response.status, await response.text()).toBe(201);
}
