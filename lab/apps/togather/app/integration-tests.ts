/**
 * The stand-in's integration tests: they check a serving version from outside, over its public address. BASE_URL is the system's
 * address, TRUSTED_CERTIFICATES (PEM) the trusted authorities besides the usual ones. Writes one event; prints each check, and ends
 * with 1 when one fails.
 */
import { request } from "node:https";
import { setTimeout as sleep } from "node:timers/promises";
import { rootCertificates } from "node:tls";

interface Answer {
  readonly status: number;
  readonly body: Readonly<Record<string, unknown>>;
}

const requestMilliseconds = 10_000;
/** The queue's worker indexes an event within a second; a busy machine may take longer. */
const indexedSeconds = 30;

const { BASE_URL: baseUrl = "", TRUSTED_CERTIFICATES: certificates = "", APP_VERSION: version } = process.env;

function call(method: string, path: string, body?: object, token?: string): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const outgoing = request(
      new URL(path, baseUrl),
      {
        method,
        agent: false,
        ca: [...rootCertificates, certificates],
        allowPartialTrustChain: true,
        timeout: requestMilliseconds,
        headers: {
          ...(body === undefined ? {} : { "content-type": "application/json" }),
          ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
        },
      },
      (response) => {
        const parts: Buffer[] = [];
        response.on("data", (part: Buffer) => parts.push(part));
        response.on("error", reject);
        response.on("end", () => {
          const text = Buffer.concat(parts).toString();
          try {
            resolve({ status: response.statusCode ?? 0, body: JSON.parse(text) as Answer["body"] });
          } catch {
            reject(
              new Error(`${method} ${path}: ${response.statusCode}, and no JSON: ${text.slice(0, 100)}`),
            );
          }
        });
      },
    );
    outgoing.on("timeout", () =>
      outgoing.destroy(new Error(`${method} ${path}: no answer within ${requestMilliseconds} ms`)),
    );
    outgoing.on("error", reject);
    outgoing.end(body === undefined ? undefined : JSON.stringify(body));
  });
}

function equal(what: string, is: unknown, needs: unknown): void {
  if (JSON.stringify(is) !== JSON.stringify(needs)) {
    throw new Error(`${what}: ${JSON.stringify(is)}, needs ${JSON.stringify(needs)}`);
  }
}

const event = {
  name: `Integration test ${new Date().toISOString()}`,
  description: "Written by the release's integration tests",
  startsAt: "2026-05-01T18:00:00.000Z",
  location: { latitude: 47.37, longitude: 8.54 },
};

async function readBack(): Promise<Readonly<Record<string, unknown>> | undefined> {
  const { status, body } = await call("GET", `/api/v1/events?search=${encodeURIComponent(event.name)}`);
  equal("GET /api/v1/events", status, 200);
  const events = body.events as Readonly<Record<string, unknown>>[];
  return events.find(({ name }) => name === event.name);
}

const tests: Readonly<Record<string, () => Promise<void>>> = {
  async "the health is that of this version, each field as it should be"() {
    const { status, body } = await call("GET", "/health");
    equal("status code", status, 200);
    const { uptime, ...rest } = body;
    const good = { database: "connected", migrations: "up-to-date", jobs: "operational" };
    equal("health", rest, { status: "healthy", version, ...good });
    equal("type of uptime", typeof uptime, "number");
  },
  async "an event is stored and read back as it was"() {
    const { status } = await call("POST", "/api/v1/events", event);
    equal("status code", status, 201);
    const { name, description, startsAt, location } = (await readBack()) ?? {};
    equal("the event", { name, description, startsAt, location }, event);
  },
  async "the job queue indexes it"() {
    const deadline = performance.now() + indexedSeconds * 1000;
    while ((await readBack())?.indexed !== true) {
      if (performance.now() > deadline) throw new Error(`not indexed within ${indexedSeconds} s`);
      await sleep(500);
    }
  },
  async "a token that it signs is one that it takes"() {
    const { body } = await call("POST", "/api/v1/auth/token", { subject: "integration-test" });
    const whoami = await call("GET", "/api/v1/whoami", undefined, String(body.token));
    equal("subject", whoami.body.subject, "integration-test");
  },
};

for (const [title, test] of Object.entries(tests)) {
  try {
    await test();
    console.log(`ok      ${title}`);
  } catch (error) {
    console.log(`FAILED  ${title}: ${error instanceof Error ? error.message : String(error)}`);
    process.exitCode = 1;
  }
}
