import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import type { IncomingMessage, RequestOptions } from "node:http";
import { Duplex } from "node:stream";

// An import of node:http would load all of undici in every command.
const { request } = process.getBuiltinModule("node:http");

/** How requests reach a Docker engine. */
interface Transport {
  /** For messages: `ssh://deploy@198.18.0.10:666`. */
  readonly host: string;
  /** Options of a request, and the explanation when the connection itself fails. */
  connect(): { options: RequestOptions; explain: () => string; close: () => void };
}

/** Number of characters of ssh's output that are kept for an error. */
const keptStderr = 2000;

/**
 * A process' standard input and output as one connection. Its two sides end independently: an engine that has answered
 * and closed the connection is not an error, although ssh's input is still open.
 */
class ProcessStream extends Duplex {
  private readonly child: ChildProcessWithoutNullStreams;

  constructor(child: ChildProcessWithoutNullStreams) {
    super({ allowHalfOpen: true });
    this.child = child;
    child.stdout.on("data", (chunk: Buffer) => {
      if (!this.push(chunk)) child.stdout.pause();
    });
    // Also after the process has ended, so that ssh's output is available for the error.
    child.on("close", () => this.push(null));
    child.stdin.on("error", () => {});
  }

  override _read(): void {
    this.child.stdout.resume();
  }

  override _write(chunk: Buffer, encoding: BufferEncoding, callback: () => void): void {
    this.child.stdin.write(chunk, encoding, () => callback());
  }

  override _final(callback: () => void): void {
    this.child.stdin.end(() => callback());
  }
}

function sshTransport(host: string, url: URL, sshOptions: readonly string[]): Transport {
  const destination = [
    ...(url.username ? ["-l", decodeURIComponent(url.username)] : []),
    ...(url.port ? ["-p", url.port] : []),
    "--",
    url.hostname.replace(/^\[|\]$/g, ""),
  ];
  return {
    host,
    connect() {
      // One ssh process for each connection, as in Docker's command line; ControlMaster makes it cheap.
      const child = spawn("ssh", [...sshOptions, ...destination, "docker", "system", "dial-stdio"], {
        stdio: ["pipe", "pipe", "pipe"],
      });
      let said = "";
      child.stderr.on("data", (chunk: Buffer) => {
        said = (said + chunk.toString()).slice(-keptStderr);
      });
      child.on("error", (error) => {
        said = `ssh could not be started: ${error.message}`;
      });
      const stream = new ProcessStream(child);
      stream.on("error", () => {});
      return {
        options: { createConnection: () => stream },
        explain: () => said.trim(),
        close: () => {
          stream.destroy();
          child.kill();
        },
      };
    },
  };
}

/**
 * The transport to the engine of the provider's `host`: `ssh://user@address:port` (through OpenSSH and
 * `docker system dial-stdio` there) or `unix:///path`. Throws for anything else.
 */
export function createTransport(host: string, sshOptions: readonly string[]): Transport {
  const url = URL.canParse(host) ? new URL(host) : undefined;
  if (url?.protocol === "ssh:" && url.hostname !== "") {
    return sshTransport(host, url, sshOptions);
  }
  if (url?.protocol === "unix:") {
    return {
      host,
      connect: () => ({ options: { socketPath: url.pathname }, explain: () => "", close: () => {} }),
    };
  }
  throw new Error(
    `docker:host: "${host}" is not a host; use ssh://user@address:port or unix:///var/run/docker.sock`,
  );
}

/** An error response of the engine. */
export class DockerError extends Error {
  readonly status: number;
  constructor(message: string, status: number) {
    super(message);
    this.status = status;
  }
}

export interface DockerRequest {
  readonly query?: Readonly<Record<string, string>>;
  readonly body?: object;
  readonly headers?: Readonly<Record<string, string>>;
  readonly timeoutSeconds?: number;
}

export interface DockerApi {
  /**
   * Sends a request and reads the whole answer as JSON. Throws {@link DockerError} with the engine's own message, or
   * an error with ssh's output. Errors never contain the request.
   */
  send<T>(method: string, path: string, options?: DockerRequest): Promise<T>;
  /** Like `send` with GET; undefined for an object that does not exist. */
  find<T>(path: string): Promise<T | undefined>;
}

const defaultTimeoutSeconds = 60;

async function readAll(response: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of response as AsyncIterable<Buffer>) {
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString();
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

export function createDockerApi(transport: Transport): DockerApi {
  const send: DockerApi["send"] = async <T>(method: string, path: string, options: DockerRequest = {}) => {
    const { query, body, headers, timeoutSeconds = defaultTimeoutSeconds } = options;
    const target = query ? `${path}?${new URLSearchParams(query)}` : path;
    const content = body === undefined ? undefined : JSON.stringify(body);
    const connection = transport.connect();
    const signal = AbortSignal.timeout(timeoutSeconds * 1000);
    try {
      const response = await new Promise<IncomingMessage>((resolve, reject) => {
        const sent = request(
          {
            ...connection.options,
            method,
            path: target,
            signal,
            headers: {
              Host: "docker",
              Connection: "close",
              ...headers,
              ...(content === undefined
                ? {}
                : { "Content-Type": "application/json", "Content-Length": Buffer.byteLength(content) }),
            },
          },
          resolve,
        );
        sent.on("error", reject);
        sent.end(content);
      });
      const text = await readAll(response);
      const status = response.statusCode ?? 0;
      if (status >= 300) {
        const answer = parse(text) as { message?: string };
        const reason = typeof answer === "object" ? (answer?.message ?? text) : text;
        throw new DockerError(`${method} ${path}: ${reason.trim()} (status ${status})`, status);
      }
      return parse(text) as T;
    } catch (error) {
      if (error instanceof DockerError) {
        throw error;
      }
      const said = connection.explain();
      const reason = signal.aborted ? `no answer within ${timeoutSeconds} s` : (error as Error).message;
      throw new Error(
        `${method} ${path}: cannot reach Docker at ${transport.host}: ${reason}${said ? `\n${said}` : ""}`,
      );
    } finally {
      connection.close();
    }
  };
  return {
    send,
    async find<T>(path: string) {
      try {
        return await send<T>("GET", path);
      } catch (error) {
        if (error instanceof DockerError && error.status === 404) {
          return undefined;
        }
        throw error;
      }
    },
  };
}
