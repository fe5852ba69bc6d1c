import { createReadStream } from "node:fs";
import { readFile } from "node:fs/promises";
import type { IncomingMessage, ServerResponse } from "node:http";
import { createServer } from "node:https";
import type { AddressInfo } from "node:net";
import { pipeline } from "node:stream/promises";
import type { Certificate } from "./authority.ts";
import { manifestType } from "./manifest.ts";
import type { Store } from "./store.ts";

export interface ServeOptions {
  readonly host: string;
  /** 0 takes a free port. */
  readonly port: number;
  readonly certificate: Certificate;
  readonly store: Store;
  /** Leads a name and tag to a manifest's digest; undefined when there is no such image. */
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
    // A client that goes away in the middle is its own business, not a fault of the registry.
    else
      await pipeline(createReadStream(blob.path, { highWaterMark: 1 << 20 }), response).catch(
        () => undefined,
      );
    return;
  }
  refuse(response, 404, "NAME_UNKNOWN", `the lab's registry has nothing at ${path}`);
}

function refuse(response: ServerResponse, status: number, code: string, message: string): void {
  response.writeHead(status, { "Content-Type": "application/json" });
  response.end(JSON.stringify({ errors: [{ code, message }] }));
}
