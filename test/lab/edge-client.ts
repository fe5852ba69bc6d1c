import { type IncomingHttpHeaders, request as requestInClear } from "node:http";
import { type RequestOptions, request } from "node:https";

export interface Answer {
  readonly status: number;
  readonly body: string;
  readonly headers: IncomingHttpHeaders;
  /** When each part of the body came, after the request. */
  readonly partsMs: readonly number[];
}

/** Over HTTPS, to the edge at this address. */
export function askEdge(
  address: string,
  host: string,
  path: string,
  options: RequestOptions & { readonly body?: Buffer | string } = {},
): Promise<Answer> {
  const began = performance.now();
  return new Promise((resolve, reject) => {
    const { body, ...rest } = options;
    const sent = request(
      {
        ...{
          host: address,
          servername: host,
          path,
          agent: false,
          rejectUnauthorized: false,
          timeout: 15_000,
        },
        ...{ headers: { host }, method: body === undefined ? "GET" : "POST", ...rest },
      },
      (response) => {
        const parts: Buffer[] = [];
        const partsMs: number[] = [];
        response.on("data", (part: Buffer) => {
          parts.push(part);
          partsMs.push(performance.now() - began);
        });
        response.on("error", reject);
        response.on("end", () =>
          resolve({
            status: response.statusCode ?? 0,
            body: Buffer.concat(parts).toString(),
            headers: response.headers,
            partsMs,
          }),
        );
      },
    );
    sent.on("timeout", () => sent.destroy(new Error(`${host}${path} gives no answer`)));
    sent.on("error", reject);
    if (options.headers && "transfer-encoding" in options.headers && body instanceof Buffer) {
      // In chunks, so that the size is unknown until the end.
      for (let from = 0; from < body.length; from += 65_536) sent.write(body.subarray(from, from + 65_536));
      sent.end();
    } else {
      sent.end(body);
    }
  });
}

/** Over HTTP; returns the response, or the error. */
export function askEdgeInClear(
  address: string,
  host: string,
  path: string,
): Promise<{ status: number; location?: string; body: string }> {
  return new Promise((resolve, reject) => {
    const sent = requestInClear(
      { host: address, path, agent: false, timeout: 10_000, headers: { host } },
      (response) => {
        let body = "";
        response.setEncoding("utf8").on("data", (part: string) => {
          body += part;
        });
        response.on("end", () => {
          const { location } = response.headers;
          resolve({
            status: response.statusCode ?? 0,
            body,
            ...(location === undefined ? {} : { location }),
          });
        });
      },
    );
    sent.on("timeout", () => sent.destroy(new Error(`no answer to ${path} within 10 s`)));
    sent.on("error", reject);
    sent.end();
  });
}
