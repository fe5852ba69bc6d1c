import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { type ClientNamespace, clientNamespace, prefix6 } from "../docker/index.ts";
import type { LabHome } from "../home.ts";
import { type ClientOptions, type LoadRequest, nowMs } from "./client.ts";
import { formatLine, parseMessage } from "./protocol.ts";
import { type LoadMode, type LoadReport, loadModes, report, type Sample } from "./statistics.ts";

export interface LoadOptions {
  readonly home: LabHome;
  /** IP address of the system: inside the lab's subnet, or loopback. */
  readonly address: string;
  /** Default 443, or 80 for http. */
  readonly port?: number;
  /** Default `https`. */
  readonly scheme?: "https" | "http";
  /** Sent as SNI and Host. */
  readonly domain: string;
  /** The lab's authority, PEM. Needed for https. */
  readonly caPem?: string;
  /** For all clients together. Default 200, at most 5000. */
  readonly requestsPerSecond?: number;
  /** Duration, unless the load is stopped earlier. At most 3600. */
  readonly seconds: number;
  /** Addresses that the requests come from. Default 2, at most 20. */
  readonly clients?: number;
  /** Number of the first client namespace (0 to 99), so that several loads can run at the same time. Default 0. */
  readonly firstClient?: number;
  /**
   * False runs the clients in this machine's own network, where they share one address: for tests on
   * loopback. Default true.
   */
  readonly namespaces?: boolean;
  /** Default: both, alternating. */
  readonly modes?: readonly LoadMode[];
  readonly requests: readonly LoadRequest[];
  /** A request without a response after this time has failed. Default 10. */
  readonly timeoutSeconds?: number;
  /** Number of kept-open connections per client. Default 16. */
  readonly connections?: number;
  /** Called a few times a second with the figures so far. */
  readonly onProgress?: (progress: LoadProgress) => void;
}

export interface LoadProgress {
  readonly seconds: number;
  readonly requests: number;
  readonly failures: number;
  /** The latest kind of failure. */
  readonly lastFailure?: string;
}

export interface Load {
  /** Ends the load now, waits for open requests (at most the timeout) and returns the report. */
  stop(): Promise<LoadReport>;
  /** The report, when the time is over or the load was stopped. Rejects when a client process died. */
  readonly done: Promise<LoadReport>;
}

const limits = { requestsPerSecond: 5000, seconds: 3600, clients: 20 } as const;
const clientFile = fileURLToPath(new URL("client-process.ts", import.meta.url));
/** Seconds for the client processes to start; then the first request is sent. */
const startSeconds = 1;
/** Seconds beyond the last timeout after which a client counts as hung. */
const graceSeconds = 15;

/**
 * Throws unless the address is in the lab's subnet or loopback, so that a load never leaves this machine.
 */
export function requireLabAddress(home: LabHome, address: string): void {
  const prefix = home.subnet.replace(/0\/24$/, "");
  const inLab = address.startsWith(prefix) && /^\d{1,3}$/.test(address.slice(prefix.length));
  if (inLab || address.startsWith(`${prefix6(home)}:`) || /^127\.\d{1,3}\.\d{1,3}\.\d{1,3}$/.test(address))
    return;
  throw new Error(
    `load: ${address} is not an address of this lab; use one in ${home.subnet} or a loopback address. Systems of the lab: npm run lab -- status`,
  );
}

/**
 * Starts an open-loop load: a constant arrival rate, half on kept-open and half on fresh connections, from clients with
 * their own addresses. Resolves as soon as the clients run.
 * @throws when the address is not the lab's, a limit is exceeded, or a client cannot be started
 */
export async function startLoad(options: LoadOptions): Promise<Load> {
  requireLabAddress(options.home, options.address);
  const rate = bounded("requestsPerSecond", options.requestsPerSecond ?? 200, limits.requestsPerSecond);
  const seconds = bounded("seconds", options.seconds, limits.seconds);
  const clients = bounded("clients", options.clients ?? 2, limits.clients);
  const scheme = options.scheme ?? "https";
  if (scheme === "https" && options.caPem === undefined) throw new Error("load: https needs caPem");

  const namespaces: ClientNamespace[] = [];
  const closeNamespaces = async () => {
    for (const namespace of namespaces.splice(0)) await namespace.close();
  };
  const processes: ChildProcess[] = [];
  try {
    for (let index = 0; index < clients; index += 1) {
      if (options.namespaces === false) {
        processes.push(spawn(process.execPath, [clientFile], { stdio: ["pipe", "pipe", "pipe"] }));
      } else {
        const namespace = await clientNamespace(options.home, (options.firstClient ?? 0) + index);
        namespaces.push(namespace);
        processes.push(namespace.exec(process.execPath, [clientFile], { stdio: ["pipe", "pipe", "pipe"] }));
      }
    }
  } catch (error) {
    for (const child of processes) child.kill("SIGKILL");
    await closeNamespaces();
    throw error;
  }

  const startMs = nowMs() + startSeconds * 1000;
  const timeoutSeconds = options.timeoutSeconds ?? 10;
  const samples: Sample[] = [];
  let failures = 0;
  let lastFailure: string | undefined;
  const collect = (batch: readonly Sample[]) => {
    for (const sample of batch) {
      samples.push(sample);
      if (sample.failure === undefined) continue;
      failures += 1;
      lastFailure = sample.failure;
    }
    options.onProgress?.({
      seconds: Math.max(0, (nowMs() - startMs) / 1000),
      requests: samples.length,
      failures,
      ...(lastFailure === undefined ? {} : { lastFailure }),
    });
  };
  const ended = processes.map((child, index) => {
    const settings: ClientOptions = {
      scheme,
      address: options.address,
      port: options.port ?? (scheme === "https" ? 443 : 80),
      domain: options.domain,
      ...(options.caPem === undefined ? {} : { caPem: options.caPem }),
      requestsPerSecond: rate / clients,
      // Offset by a part of the interval, so that the clients do not send at the same moments.
      startMs: startMs + (1000 / rate) * index,
      seconds,
      modes: options.modes ?? loadModes,
      requests: options.requests,
      timeoutSeconds,
      connections: options.connections ?? 16,
    };
    return superviseClient(
      child,
      index,
      settings,
      startSeconds + seconds + timeoutSeconds + graceSeconds,
      collect,
    );
  });
  let stoppedMs: number | undefined;
  const done = Promise.all(ended)
    .then(() =>
      report(samples, startMs, Math.max(startMs, Math.min(stoppedMs ?? Infinity, startMs + seconds * 1000))),
    )
    .finally(async () => {
      for (const child of processes) child.kill("SIGKILL");
      await closeNamespaces();
    });
  // A failure is reported by stop(); without this handler it would end this process first.
  done.catch(() => undefined);
  return {
    done,
    stop() {
      stoppedMs ??= nowMs();
      for (const child of processes) child.stdin?.end();
      return done;
    },
  };
}

async function superviseClient(
  child: ChildProcess,
  index: number,
  settings: ClientOptions,
  deadlineSeconds: number,
  collect: (samples: readonly Sample[]) => void,
): Promise<void> {
  if (!child.stdin || !child.stdout || !child.stderr) throw new Error("a client was started without pipes");
  let errors = "";
  child.stderr.on("data", (chunk: Buffer) => {
    errors = (errors + chunk.toString()).slice(-2000);
  });
  let done = false;
  createInterface({ input: child.stdout }).on("line", (line) => {
    // A client was killed while it wrote; its exit status is reported below.
    const message = parseMessage(line);
    if (message === undefined) return;
    if (message.kind === "samples") collect(message.samples);
    else done = true;
  });
  // A client that died causes a broken pipe here; its exit status is reported below.
  child.stdin.on("error", () => undefined);
  child.stdin.write(formatLine(settings));
  const timer = setTimeout(() => child.kill("SIGKILL"), deadlineSeconds * 1000);
  try {
    const [code, signal]: [number | null, NodeJS.Signals | null] = (await once(child, "close")) as [
      number | null,
      NodeJS.Signals | null,
    ];
    if (!done) {
      throw new Error(
        `load: client ${index} ended early (${signal ?? `exit status ${code}`}): ${errors.trim() || "it printed nothing"}`,
      );
    }
  } finally {
    clearTimeout(timer);
  }
}

function bounded(name: string, value: number, maximum: number): number {
  if (value > 0 && value <= maximum) return value;
  throw new Error(`load: ${name} is ${value}; use a number above 0, at most ${maximum}`);
}
