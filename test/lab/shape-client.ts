import { request } from "node:https";
import { Shape, ShapeStream } from "@electric-sql/client";

/** ElectricSQL's own client, which follows a shape through an edge at this address, the certificate checked. */
export function followShape(about: {
  readonly address: string;
  readonly ca: string;
  /** `https://legal.sertantai.com/api/electric/v1/shape` */
  readonly url: string;
  readonly params: { readonly table: string; readonly columns: string[]; readonly where?: string };
}) {
  const aborted = new AbortController();
  /** Status and time of each answer. */
  const answers: { readonly status: number; readonly at: number; readonly live: boolean }[] = [];
  const failures: string[] = [];
  const fetchClient: typeof fetch = (input, init) =>
    new Promise((resolve, reject) => {
      const url = new URL(String(input));
      const call = request(
        {
          ...{ host: about.address, servername: url.hostname, path: url.pathname + url.search, ca: about.ca },
          ...{ headers: { host: url.hostname }, method: init?.method ?? "GET", timeout: 60_000 },
          ...(init?.signal ? { signal: init.signal } : {}),
        },
        (response) => {
          const parts: Buffer[] = [];
          response.on("data", (part: Buffer) => parts.push(part)).on("error", reject);
          response.on("end", () => {
            const status = response.statusCode ?? 0;
            answers.push({ status, at: Date.now(), live: url.searchParams.has("live") });
            const headers = Object.entries(response.headers).map(([name, value]): [string, string] => [
              name,
              String(value),
            ]);
            resolve(new Response(Buffer.concat(parts), { status, headers }));
          });
        },
      );
      call.on("error", (error) => {
        if (!aborted.signal.aborted) failures.push(error.message);
        reject(error);
      });
      call.on("timeout", () => call.destroy(new Error("no answer within 60 s")));
      call.end();
    });
  const stream = new ShapeStream<Record<string, string>>({
    ...{ url: about.url, params: about.params, fetchClient, signal: aborted.signal },
    onError: (error) => {
      failures.push(String(error));
    },
  });
  /** Control messages that told it to begin anew. */
  let refetches = 0;
  stream.subscribe((messages) => {
    for (const { headers } of messages) if (headers.control === "must-refetch") refetches += 1;
  });
  const shape = new Shape(stream);
  return {
    answers,
    failures,
    refetches: () => refetches,
    handle: () => stream.shapeHandle,
    /** The rows that it has, once the first snapshot is there. */
    rows: () => shape.rows,
    current: () => shape.currentRows,
    stop: () => aborted.abort(),
  };
}
