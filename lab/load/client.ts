import * as http from "node:http";
import * as https from "node:https";
import type { Socket } from "node:net";
import { performance } from "node:perf_hooks";
import { setTimeout as sleep } from "node:timers/promises";
import { createSecureContext, type SecureContext } from "node:tls";
import type { LoadMode, Sample } from "./statistics.ts";

/** One kind of request of the load. */
export interface LoadRequest {
  readonly method: "GET" | "POST";
  readonly path: string;
  /** JSON text, for POST. */
  readonly body?: string;
  /** Statuses that count as a success. */
  readonly expect: readonly number[];
  /** Relative frequency. Default 1. */
  readonly weight?: number;
  /** Where the response contains the version: a field of its JSON, or a header in lower case. */
  readonly version?: { readonly field: string } | { readonly header: string };
}

export interface ClientOptions {
  readonly scheme: "https" | "http";
  /** IP address to connect to; no name is resolved. */
  readonly address: string;
  readonly port: number;
  /** Sent as SNI and Host. */
  readonly domain: string;
  /** Authority that must have issued the system's certificate, PEM. Required for https. */
  readonly caPem?: string;
  readonly requestsPerSecond: number;
  /** When the first request is sent, milliseconds since the epoch. */
  readonly startMs: number;
  readonly seconds: number;
  readonly modes: readonly LoadMode[];
  readonly requests: readonly LoadRequest[];
  readonly timeoutSeconds: number;
  /** Number of connections for keep-alive requests, like several browsers or proxies behind one address. */
  readonly connections: number;
}

/** Milliseconds since the epoch by the monotonic clock, so that an adjusted wall clock does not change latencies. */
export const nowMs = (): number => performance.timeOrigin + performance.now();

/**
 * Sends requests at a constant rate, independent of the responses (an open loop), until the time is over or `signal`
 * aborts; then waits for open requests, at most the request timeout.
 * @param onSample called once for every request that was sent
 */
export async function driveLoad(
  options: ClientOptions,
  onSample: (sample: Sample) => void,
  signal: AbortSignal,
): Promise<void> {
  const total = Math.floor(options.requestsPerSecond * options.seconds);
  const intervalMs = 1000 / options.requestsPerSecond;
  const mix = options.requests.flatMap((request) => Array<LoadRequest>(request.weight ?? 1).fill(request));
  // Created once: parsing the authority for each connection would take more time than the handshakes.
  const trust = options.scheme === "https" ? createSecureContext({ ca: options.caPem }) : undefined;
  const agents = Array.from({ length: options.connections }, () => agent(trust, true));
  const underWay = new Set<Promise<void>>();
  for (let index = 0; index < total && !signal.aborted; ) {
    const dueMs = options.startMs + index * intervalMs;
    const waitMs = dueMs - nowMs();
    if (waitMs > 0) {
      await sleep(Math.min(waitMs, 100));
      continue;
    }
    const mode = options.modes[index % options.modes.length];
    const turn = Math.floor(index / options.modes.length);
    const request = mix[turn % mix.length];
    if (mode === undefined || request === undefined) throw new Error("a load needs a mode and a request");
    // One agent per connection, used in turn: a single agent would use two sockets and leave the others idle.
    const keepAlive = agents[turn % agents.length];
    const sent = send(options, request, mode, mode === "keep-alive" ? keepAlive : agent(trust, false), dueMs)
      .then(onSample)
      .finally(() => underWay.delete(sent));
    underWay.add(sent);
    index += 1;
  }
  await Promise.all(underWay);
  for (const each of agents) each.destroy();
}

/** How long a client keeps an idle connection when the server does not say. */
const idleSeconds = 60;

/** An agent for https with the given trust, or one for http. */
function agent(trust: SecureContext | undefined, keepAlive: boolean): http.Agent {
  // Node closes an idle connection after the server's `Keep-Alive: timeout=`, as browsers do, but only if the agent
  // has a time-out of its own. It affects only idle connections: each request has its own deadline.
  const timeout = idleSeconds * 1000;
  const settings = { keepAlive, timeout, maxSockets: Number.POSITIVE_INFINITY, maxFreeSockets: 4 };
  return trust === undefined
    ? new http.Agent(settings)
    : // No session cache for fresh connections: a first visit needs a full handshake.
      new https.Agent({ ...settings, secureContext: trust, maxCachedSessions: keepAlive ? 100 : 0 });
}

function send(
  options: ClientOptions,
  request: LoadRequest,
  mode: LoadMode,
  using: http.Agent | undefined,
  scheduledMs: number,
): Promise<Sample> {
  return new Promise((resolve) => {
    const sentMs = nowMs();
    let client: string | undefined;
    let settled = false;
    const settle = (result: Pick<Sample, "failure" | "detail" | "version">) => {
      if (settled) return;
      settled = true;
      clearTimeout(deadline);
      if (mode === "fresh") using?.destroy();
      resolve({
        scheduledMs,
        sentMs,
        doneMs: nowMs(),
        mode,
        request: `${request.method} ${request.path}`,
        ...(client === undefined ? {} : { client }),
        ...result,
      });
    };
    const settings: https.RequestOptions = {
      host: options.address,
      port: options.port,
      method: request.method,
      path: request.path,
      servername: options.domain,
      headers: {
        host: options.domain,
        accept: "application/json",
        ...(request.body === undefined
          ? {}
          : { "content-type": "application/json", "content-length": Buffer.byteLength(request.body) }),
      },
      ...(using ? { agent: using } : {}),
    };
    const outgoing = (options.scheme === "https" ? https : http).request(settings);
    const deadline = setTimeout(() => {
      settle({ failure: "timeout", detail: `no whole answer within ${options.timeoutSeconds} s` });
      outgoing.destroy();
    }, options.timeoutSeconds * 1000);
    outgoing.on("socket", (socket: Socket) => {
      const note = () => {
        client = socket.localAddress;
      };
      if (socket.connecting) socket.once("connect", note);
      else note();
    });
    outgoing.on("error", (error) => settle(connectionFailure(error)));
    outgoing.on("response", (response) => {
      const chunks: Buffer[] = [];
      response.on("data", (chunk: Buffer) => chunks.push(chunk));
      response.on("error", (error) =>
        settle({
          failure: "answer cut off",
          detail: `after status ${response.statusCode}: ${error.message}`,
        }),
      );
      response.on("end", () => settle(judge(request, response, Buffer.concat(chunks).toString())));
    });
    outgoing.end(request.body);
  });
}

function connectionFailure(error: Error): Pick<Sample, "failure" | "detail"> {
  const code = "code" in error && typeof error.code === "string" ? error.code : error.name;
  return { failure: code, detail: error.message };
}

function judge(
  request: LoadRequest,
  { statusCode: status = 0, headers }: http.IncomingMessage,
  body: string,
): Pick<Sample, "failure" | "detail" | "version"> {
  if (!request.expect.includes(status)) return { failure: `status ${status}`, detail: body.slice(0, 120) };
  const where = request.version;
  if (where === undefined) return {};
  const version = "field" in where ? textAt(body, where.field) : headers[where.header]?.toString();
  return version === undefined ? {} : { version };
}

/** A string in a field of a JSON object; undefined when there is none. */
function textAt(body: string, field: string): string | undefined {
  try {
    const found = (JSON.parse(body) as Readonly<Record<string, unknown>> | null)?.[field];
    return typeof found === "string" ? found : undefined;
  } catch {
    return undefined;
  }
}
