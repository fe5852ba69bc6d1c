import { timingSafeEqual } from "node:crypto";
import { createReadStream } from "node:fs";
import { readFile } from "node:fs/promises";
import type { IncomingMessage, ServerResponse } from "node:http";
import { createServer } from "node:https";
import type { AddressInfo } from "node:net";
import { pipeline } from "node:stream/promises";
import { setTimeout as sleep } from "node:timers/promises";
import type { RegistryAccess } from "./access.ts";
import type { Certificate } from "./authority.ts";
import { manifestType } from "./manifest.ts";
import type { Store } from "./store.ts";

export interface ServeOptions {
  readonly host: string;
  /** 0 selects a free port. */
  readonly port: number;
  readonly certificate: Certificate;
  readonly store: Store;
  /** The manifest digest for a name and tag; undefined when there is no such image. */
  /** Called for each request; when left out, no login is required and transfers are unlimited. */
  readonly access?: () => RegistryAccess;
  readonly findTag: (name: string, version: string) => Promise<string | undefined>;
}

/** Serves the pull half of the OCI distribution API (Docker registry HTTP API v2) over HTTPS. */
export async function serveRegistry(
  options: ServeOptions,
): Promise<{ address: string; close(): Promise<void> }> {
  const server = createServer(
    { cert: options.certificate.certificatePem, key: options.certificate.privateKeyPem },
    (request, response) => {
      answer(options, request, response).catch((error: unknown) => {
        if (response.headersSent) response.destroy();
        else refuse(response, 500, "UNKNOWN", error instanceof Error ? error.message : String(error));
      });
    },
  );
  await new Promise<void>((resolve, reject) => {
    server.once("error", (error: NodeJS.ErrnoException) => {
      const at = `${options.host}:${options.port}`;
      if (error.code === "EADDRINUSE") {
        reject(
          new Error(`the lab's registry cannot listen on ${at}: the port is taken (npm run lab -- down)`),
        );
      } else if (error.code === "EADDRNOTAVAIL") {
        reject(new Error(`the lab's registry cannot listen on ${at}: the lab's network does not exist yet`));
      } else reject(error);
    });
    server.listen(options.port, options.host, resolve);
  });
  const bound = server.address() as AddressInfo;
  return {
    address: `${bound.address}:${bound.port}`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

const route = /^\/v2\/(?<name>.+)\/(?<kind>manifests|blobs)\/(?<reference>[^/]+)$/;

async function answer(
  options: ServeOptions,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  response.setHeader("Docker-Distribution-Api-Version", "registry/2.0");
  if (!isAllowed(options.access?.(), request)) {
    // Docker sends a login to a registry that asks for one at /v2/, and then with every request.
    response.setHeader("WWW-Authenticate", 'Basic realm="the lab\'s registry"');
    return refuse(response, 401, "UNAUTHORIZED", "authentication required");
  }
  const path = (request.url ?? "/").split("?", 1)[0] ?? "/";
  if (request.method !== "GET" && request.method !== "HEAD") {
    response.setHeader("Allow", "GET, HEAD");
    return refuse(response, 405, "UNSUPPORTED", "the lab's registry can only be pulled from");
  }
  if (path === "/v2/" || path === "/v2") {
    response.setHeader("Content-Type", "application/json");
    response.end("{}");
    return;
  }
  const match = route.exec(path)?.groups;
  const { name, kind, reference } = { name: "", kind: "", reference: "", ...match };
  if (kind === "manifests") {
    const digest = reference.startsWith("sha256:") ? reference : await options.findTag(name, reference);
    const blob = digest === undefined ? undefined : await options.store.find(digest);
    if (digest === undefined || blob === undefined) {
      return refuse(response, 404, "MANIFEST_UNKNOWN", `the lab has no image ${name}:${reference}`);
    }
    const manifest = await readFile(blob.path);
    response.setHeader("Docker-Content-Digest", digest);
    response.setHeader("Content-Type", manifestType);
    response.setHeader("Content-Length", manifest.length);
    response.end(request.method === "HEAD" ? undefined : manifest);
    return;
  }
  if (kind === "blobs") {
    const blob = await options.store.find(reference);
    if (blob === undefined) return refuse(response, 404, "BLOB_UNKNOWN", `the lab has no blob ${reference}`);
    response.setHeader("Docker-Content-Digest", reference);
    response.setHeader("Content-Type", "application/octet-stream");
    response.setHeader("Content-Length", blob.sizeBytes);
    if (request.method === "HEAD") response.end();
    // A client that disconnects during the transfer is not an error of the registry.
    else
      await pipeline(
        createReadStream(blob.path, { highWaterMark: 1 << 20 }),
        (chunks: AsyncIterable<Buffer>) =>
          blob.sizeBytes < smallBytes ? chunks : slowed(chunks, () => options.access?.().bytesPerSecond),
        response,
      ).catch(() => undefined);
    return;
  }
  refuse(response, 404, "NAME_UNKNOWN", `the lab's registry has nothing at ${path}`);
}

function isAllowed(access: RegistryAccess | undefined, request: IncomingMessage): boolean {
  if (access?.expired) return false;
  if (access?.login === undefined) return true;
  const { user, password } = access.login;
  const expected = Buffer.from(`Basic ${Buffer.from(`${user}:${password}`).toString("base64")}`);
  const given = Buffer.from(request.headers.authorization ?? "");
  return given.length === expected.length && timingSafeEqual(given, expected);
}

/** Smaller blobs, such as image configurations, are not slowed down. */
const smallBytes = 1 << 16;

/** Limits the transfer rate, which may change during the transfer. */
async function* slowed(chunks: AsyncIterable<Buffer>, bytesPerSecond: () => number | undefined) {
  for await (const chunk of chunks) {
    for (let from = 0; from < chunk.length; ) {
      const pace = bytesPerSecond();
      if (pace === 0) {
        await sleep(200);
        continue;
      }
      const piece = chunk.subarray(from, pace === undefined ? undefined : from + Math.ceil(pace / 10));
      if (pace !== undefined) await sleep((piece.length / pace) * 1000);
      from += piece.length;
      yield piece;
    }
  }
}

function refuse(response: ServerResponse, status: number, code: string, message: string): void {
  response.writeHead(status, { "Content-Type": "application/json" });
  response.end(JSON.stringify({ errors: [{ code, message }] }));
}
