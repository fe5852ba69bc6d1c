import { createSocket } from "node:dgram";
import { Resolver } from "node:dns/promises";
import { decode, encode, RECURSION_DESIRED } from "dns-packet";
import { afterEach, beforeEach, expect, test } from "vitest";
import { startCloud, type TestCloud } from "./cloud-recording.ts";

let cloud: TestCloud;
let resolver: Resolver;
beforeEach(async () => {
  cloud = await startCloud();
  resolver = new Resolver({ timeout: 1000, tries: 1 });
  resolver.setServers([cloud.dnsAddress]);
  await cloud.call("POST", "/zones", { name: "example.org", mode: "primary", ttl: 120 });
});
afterEach(async () => {
  await cloud.close();
});

async function add(name: string, type: string, ...values: string[]): Promise<void> {
  const records = values.map((value) => ({ value }));
  const { status } = await cloud.call("POST", "/zones/example.org/rrsets", { name, type, records });
  expect(status).toBe(201);
}

test("zones answer addresses, aliases, texts, wildcards, and their own records", async () => {
  await add("@", "A", "198.18.26.10");
  await add("togather", "A", "198.18.26.10", "198.18.26.11");
  await add("six", "AAAA", "2001:db8::1:2");
  await add("www", "CNAME", "togather");
  await add("_acme-challenge", "TXT", '"a \\"quoted\\" text"', `"${"x".repeat(250)}" "more"`);
  await add("*.apps", "A", "198.18.26.12");
  await add("mail", "MX", "10 togather");
  expect(await resolver.resolve4("EXAMPLE.org")).toEqual(["198.18.26.10"]);
  expect(await resolver.resolve4("www.example.org", { ttl: true })).toEqual([
    { address: "198.18.26.10", ttl: 120 },
    { address: "198.18.26.11", ttl: 120 },
  ]);
  expect(await resolver.resolveCname("www.example.org")).toEqual(["togather.example.org"]);
  expect(await resolver.resolve6("six.example.org")).toEqual(["2001:db8::1:2"]);
  expect(await resolver.resolveTxt("_acme-challenge.example.org")).toEqual([
    ['a "quoted" text'],
    ["x".repeat(250), "more"],
  ]);
  expect(await resolver.resolve4("any.apps.example.org")).toEqual(["198.18.26.12"]);
  expect(await resolver.resolveMx("mail.example.org")).toMatchObject([
    { exchange: "togather.example.org", priority: 10 },
  ]);
  expect(await resolver.resolveNs("example.org")).toContain("oxygen.ns.hetzner.com");
  expect((await resolver.resolveSoa("example.org")).nsname).toBe("hydrogen.ns.hetzner.com");
});

test("an answer that is too long for UDP is sent over TCP", async () => {
  const addresses = Array.from({ length: 40 }, (_, index) => `198.18.26.${index + 10}`);
  await add("many", "A", ...addresses);
  expect(await resolver.resolve4("many.example.org")).toEqual(addresses);
});

test.each([
  ["nobody.example.org", "ENOTFOUND"],
  ["apps.example.org", "ENODATA"],
  ["example.com", "EREFUSED"],
])("%s fails with %s", async (name, code) => {
  await add("one.apps", "A", "198.18.26.12");
  await expect(resolver.resolve4(name)).rejects.toMatchObject({ code });
});

/** The response to a message over UDP within half a second. */
async function ask(message: Buffer): Promise<Buffer | undefined> {
  const socket = createSocket("udp4");
  const [host = "", port = ""] = cloud.dnsAddress.split(":");
  try {
    return await new Promise((resolve) => {
      const timer = setTimeout(() => resolve(undefined), 500);
      socket.once("message", (answer) => {
        clearTimeout(timer);
        resolve(answer);
      });
      socket.send(message, Number(port), host);
    });
  } finally {
    socket.close();
  }
}

test("the answer repeats id and letter case of the question, EDNS or not", async () => {
  await add("@", "A", "198.18.26.10");
  await add("@", "CAA", '128 issue "letsencrypt.org"');
  const questions = [{ name: "eXample.ORG", type: "CAA" as const, class: "IN" as const }];
  const options = {
    type: "OPT" as const,
    name: ".",
    udpPayloadSize: 1232,
    extendedRcode: 0,
    ednsVersion: 0,
    flags: 0,
  };
  const additionals = [{ ...options, flag_do: false, options: [] }];
  const answer = await ask(
    encode({ type: "query", id: 4711, flags: RECURSION_DESIRED, questions, additionals }),
  );
  expect(answer && decode(answer)).toMatchObject({
    id: 4711,
    type: "response",
    rcode: "NOERROR",
    flag_aa: true,
    flag_tc: false,
    flag_rd: true,
    questions,
    answers: [{ type: "CAA", ttl: 120, data: { flags: 128, tag: "issue", value: "letsencrypt.org" } }],
  });
});

test("a message that is not a query is ignored, and the next query is answered", async () => {
  const question = { name: "example.org", type: "NS" as const, class: "IN" as const };
  const query = encode({ type: "query", id: 1, questions: [question] });
  const ignored = [
    Buffer.from("GET / HTTP/1.1"),
    query.subarray(0, query.length - 3),
    encode({ type: "response", id: 2, questions: [question] }),
    encode({ type: "query", id: 3, questions: [question, question] }),
    encode({ type: "query", id: 4, questions: [{ ...question, class: "CH" }] }),
  ];
  expect(await Promise.all(ignored.map(ask))).toEqual(ignored.map(() => undefined));
  expect(await ask(query)).toBeDefined();
});
